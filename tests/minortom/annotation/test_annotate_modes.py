"""Classes of the whole cell, and tiles without a class."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from annotating import CELLS, MANIFEST, annotated
from map_maker import write_map
from minortom_cli.console import run
from minortom_cli.curate.app import app

from minortom.grid.cells import cells_from_names

pytest_plugins = ("annotate_fixtures",)


def counts_by_hand(folder, name, *, file="landcover", codes=(10, 40, 80)):
    """Count the pixels whose centre lies in a cell, one by one."""
    import rasterio

    with rasterio.open(folder / f"{file}.tif") as source:
        values = source.read(1)
    west, south, east, north = (float(edge[0]) for edge in cells_from_names([name]).bounds_deg())
    counts = dict.fromkeys(codes, 0)
    for row in range(200):
        for col in range(200):
            lon, lat = 0.005 + 0.01 * col, 1.995 - 0.01 * row
            if west <= lon < east and south <= lat < north and values[row, col]:
                counts[int(values[row, col])] += 1
    return counts


def test_fractions_are_the_shares_of_the_cells_mapped_pixels(arguments, tmp_path, capsys):
    _, table = annotated(arguments, capsys, "--landcover-mode", "fractions")
    names = {10: "tree_cover", 40: "cropland", 80: "permanent_water"}
    rows = {row["grid_cell"]: row for row in table.to_pylist()}
    for cell in CELLS[:3]:
        counts = counts_by_hand(tmp_path, cell)
        for code, name in names.items():
            share = counts[code] / sum(counts.values())
            assert rows[cell][f"fraction_{name}"] == np.float32(share)
        assert rows[cell]["landcover"] == names[max(counts, key=counts.get)]
        assert rows[cell]["fraction_mangroves"] == 0
    assert table.schema.field("fraction_tree_cover").type == pa.float32()


def test_majority_is_the_same_without_the_shares(arguments, capsys):
    _, shares = annotated(arguments, capsys, "--landcover-mode", "fractions")
    _, majority = annotated(arguments, capsys, "--landcover-mode", "majority")
    assert majority.equals(shares.select(majority.column_names), check_metadata=False)
    assert not any(name.startswith("fraction_") for name in majority.column_names)


def test_one_raster_is_counted_by_a_pool_too(arguments, monkeypatch, capsys):
    from minortom.annotation import job

    opened = []
    original = job.opened_executor
    monkeypatch.setattr(
        job, "opened_executor", lambda engine: (opened.append(engine), original(engine))[1]
    )
    _, alone = annotated(arguments, capsys, "--landcover-mode", "majority")
    _, pooled = annotated(
        [*arguments[:-1], "2"], capsys, "--landcover-mode", "majority", "--bbox", "-180,-90,180,90"
    )
    assert [engine.workers for engine in opened] == [1, 2]
    assert pooled.equals(alone)


def test_the_mode_and_its_resolution_are_part_of_the_provenance(arguments, capsys):
    summary, _ = annotated(
        arguments, capsys, "--landcover-mode", "majority", "--landcover-resolution", "2000"
    )
    options = json.loads(pq.read_schema(summary["out"]).metadata[b"minortom"])["options"]
    assert options["landcover_mode"] == "majority"
    assert options["landcover_resolution_m"] == 2000


def fine_maps(tmp_path):
    """Write climate and ecoregions in pixels of 0.01 degree, like the land cover."""
    rng = np.random.default_rng(9)
    climate = rng.choice(np.uint8([0, 1, 1, 2]), (200, 200))
    regions = rng.choice(np.uint8([0, 1, 2, 2]), (200, 200))
    write_map(tmp_path / "climate.tif", climate, west=0, north=2, step=0.01)
    write_map(tmp_path / "my.tif", regions, west=0, north=2, step=0.01)
    (tmp_path / "my.yaml").write_text(MANIFEST)
    return ["--descriptor", f"ecoregion={tmp_path / 'my.tif'}",
            "--manifest", str(tmp_path / "my.yaml")]  # fmt: skip


def test_climate_and_further_maps_have_majorities_and_fractions_too(arguments, tmp_path, capsys):
    more = fine_maps(tmp_path)
    _, table = annotated(
        arguments, capsys, *more, "--climate-mode", "fractions", "--landcover-mode", "fractions",
        "--descriptor-mode", "ecoregion=fractions",
    )  # fmt: skip
    rows = {row["grid_cell"]: row for row in table.to_pylist()}
    for column, file, names in (
        ("climate", "climate", {1: "Af", 2: "Am"}),
        ("ecoregion", "my", {1: "taiga", 2: "mangrove"}),
    ):
        for cell in CELLS[:3]:
            counts = counts_by_hand(tmp_path, cell, file=file, codes=tuple(names))
            for code, name in names.items():
                share = counts[code] / sum(counts.values())
                assert rows[cell][f"fraction_{column}_{name}"] == np.float32(share)
            assert rows[cell][column] == names[max(counts, key=counts.get)]
    names = table.column_names
    assert rows["0U_0R"]["stratum"] == "Af/tree_cover"
    assert rows["0U_0R"]["fraction_climate_EF"] == 0
    assert "fraction_tree_cover" in names
    assert "fraction_landcover_tree_cover" not in names
    after = names.index("ecoregion_code") + 1
    expected = ["fraction_ecoregion_taiga", "fraction_ecoregion_mangrove"]
    assert names[after : after + 2] == expected
    assert sum(name.startswith("fraction_climate_") for name in names) == 30

    _, majority = annotated(
        arguments, capsys, *more, "--climate-mode", "majority", "--landcover-mode", "majority",
        "--descriptor-mode", "ecoregion=majority",
    )  # fmt: skip
    assert majority.equals(table.select(majority.column_names), check_metadata=False)


def test_the_mode_of_each_map_is_part_of_the_provenance_unless_it_is_center(
    arguments, tmp_path, capsys
):
    more = fine_maps(tmp_path)

    def options(*words):
        summary, _ = annotated(arguments, capsys, *more, *words)
        return json.loads(pq.read_schema(summary["out"]).metadata[b"minortom"])["options"]

    plain = options()
    assert {name for name in plain if "mode" in name or "resolution" in name} == {"landcover_mode"}
    assert options("--descriptor-mode", "ecoregion=center") == plain
    counted = options("--climate-mode", "majority", "--descriptor-mode", "ecoregion=fractions")
    assert counted == plain | {
        "climate_mode": "majority", "ecoregion_mode": "fractions", "landcover_resolution_m": 40.0,
    }  # fmt: skip


def test_a_note_says_once_that_overviews_hold_no_classes(arguments, tmp_path, capsys):
    import rasterio

    with rasterio.open(tmp_path / "landcover.tif", "r+") as target:
        target.build_overviews([2], rasterio.enums.Resampling.average)
    words = ("--landcover-mode", "fractions", "--landcover-resolution", "2300")
    summary, table = annotated(arguments, capsys, *words)
    (note,) = summary["notes"]
    assert note.startswith(f"the overviews of {tmp_path / 'landcover.tif'} hold values that the")
    record = json.loads((tmp_path / "a.parquet.run.json").read_text())
    assert record["summary"]["notes"] == [note]
    summary, fine = annotated(arguments, capsys, *words[:2])
    assert "notes" not in summary
    assert fine.equals(table, check_metadata=False)


def test_two_classes_cannot_have_one_column_of_shares(arguments, tmp_path, capsys):
    fine_maps(tmp_path)
    for name, legend in (("a", "{1: b_c, 2: d}"), ("a_b", "{1: c, 2: d}")):
        text = MANIFEST.replace("{1: taiga, 2: mangrove}", legend).replace("ecoregion", name)
        (tmp_path / f"{name}.yaml").write_text(text)
    words = [
        word for name in ("a", "a_b") for word in (
            "--descriptor", f"{name}={tmp_path / 'my.tif'}", "--manifest",
            str(tmp_path / f"{name}.yaml"), "--descriptor-mode", f"{name}=fractions",
        )
    ]  # fmt: skip
    assert run(app, [*arguments, *words]) == 1
    message = "expected a column for each class, found fraction_a_b_c in the fractions of a and"
    assert message in capsys.readouterr().err


def test_a_tile_without_a_class_is_kept_as_unmapped_on_request(arguments, capsys):
    summary, table = annotated(arguments, capsys, "--landcover-mode", "fractions")
    assert summary["tiles"] == 3
    assert sum(summary["dropped"].values()) == 1

    kept, table = annotated(arguments, capsys, "--landcover-mode", "fractions", "--keep-unmapped")
    row = {row["grid_cell"]: row for row in table.to_pylist()}["50U_50R"]
    assert kept["tiles"] == 4
    assert kept["unmapped"] == {"climate": 0, "landcover": 1}
    assert (row["landcover"], row["landcover_code"], row["stratum"]) == (
        "unmapped", 255, "Af/unmapped",
    )  # fmt: skip
    assert row["fraction_tree_cover"] is None


def test_unmapped_applies_to_centres_too(arguments, tmp_path, capsys):
    write_map(tmp_path / "climate.tif", np.zeros((9, 18), np.uint8))
    summary, table = annotated(arguments, capsys, "--keep-unmapped")
    assert set(table["climate"].to_pylist()) == {"unmapped"}
    assert summary["unmapped"]["climate"] == 4


def test_dropped_cells_leave_the_classes_of_the_others_in_their_rows(arguments, tmp_path, capsys):
    """Of four cells in a row the first has no climate and the third no land cover."""
    cells = ["0U_0R", "0U_1R", "0U_2R", "0U_3R"]
    (tmp_path / "cells.txt").write_text("\n".join(cells))
    west, _, east, _ = cells_from_names(cells).bounds_deg()
    lon = 0.005 + 0.01 * np.arange(200)
    climate = np.uint8(lon >= west[1]) * 1
    landcover = np.where((lon >= west[2]) & (lon < east[2]), 0, np.where(lon < west[2], 10, 40))
    zones = np.select([lon < edge for edge in east], [1, 2, 1, 1], 1)
    for name, row in (("climate", climate), ("landcover", landcover), ("my", zones)):
        values = np.broadcast_to(np.uint8(row), (200, 200))
        write_map(tmp_path / f"{name}.tif", values, west=0, north=2, step=0.01)
    (tmp_path / "my.yaml").write_text(MANIFEST)
    summary, table = annotated(
        arguments, capsys, "--landcover-mode", "fractions", "--descriptor",
        f"ecoregion={tmp_path / 'my.tif'}", "--manifest", str(tmp_path / "my.yaml"),
    )  # fmt: skip
    assert summary["dropped"]["no_climate_class"] == 1
    assert summary["dropped"]["no_landcover_class"] == 1
    names = ["grid_cell", "landcover", "fraction_tree_cover", "fraction_cropland", "ecoregion"]
    assert [tuple(row.values()) for row in table.select(names).to_pylist()] == [
        ("0U_1R", "tree_cover", 1, 0, "mangrove"),
        ("0U_3R", "cropland", 0, 1, "taiga"),
    ]
