"""Classes of the whole cell, tiles without a class, and additional descriptors."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from map_maker import write_map
from minortom_cli.console import run
from minortom_cli.curate.app import app

from minortom.grid.cells import cells_from_names

CELLS = ["0U_0R", "0U_1R", "1U_0R", "50U_50R"]
MANIFEST = """
name: ecoregions-2017
title: Ecoregions
version: "2017"
url: https://example.org/ecoregions.tif
checksum: null
licence: CC-BY-4.0
attribution: Made up, CC BY 4.0
citation: Nobody (2017)
crs: EPSG:4326
legend:
  name: ecoregion
  nodata: [0]
  classes: {1: taiga, 2: mangrove}
"""


@pytest.fixture
def arguments(tmp_path) -> list[str]:
    """Land cover in pixels of 0.01 degree over two degrees; climate everywhere."""
    rng = np.random.default_rng(5)
    values = rng.choice(np.uint8([0, 10, 10, 40, 80]), (200, 200))
    write_map(tmp_path / "landcover.tif", values, west=0, north=2, step=0.01)
    write_map(tmp_path / "climate.tif", np.full((9, 18), 1, np.uint8))
    (tmp_path / "cells.txt").write_text("\n".join(CELLS))
    return [
        "annotate", str(tmp_path / "cells.txt"), "--climate", str(tmp_path / "climate.tif"),
        "--landcover", str(tmp_path / "landcover.tif"), "--out", str(tmp_path / "a.parquet"),
        "--json", "--workers", "1",
    ]  # fmt: skip


def annotated(arguments, capsys, *more):
    assert run(app, [*arguments, "--overwrite", *more]) == 0, capsys.readouterr().err
    summary = json.loads(capsys.readouterr().out)
    return summary, pq.read_table(summary["out"])


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


def test_another_legend_of_the_same_map_is_another_result(arguments, tmp_path, capsys):
    words = [*arguments, "--descriptor", f"ecoregion={tmp_path / 'landcover.tif'}",
             "--manifest", str(tmp_path / "my.yaml")]  # fmt: skip
    legend = MANIFEST.replace("{1: taiga, 2: mangrove}", "{10: taiga, 40: mangrove, 80: sea}")
    (tmp_path / "my.yaml").write_text(legend)
    assert run(app, words) == 0
    (tmp_path / "my.yaml").write_text(legend.replace("taiga", "tundra"))
    assert run(app, words) == 1
    assert "made with other inputs or options" in capsys.readouterr().err


def test_a_further_descriptor_needs_a_manifest_and_no_code(arguments, tmp_path, capsys):
    (tmp_path / "my.yaml").write_text(MANIFEST)
    half = np.uint8([[1] * 100 + [0] * 100] * 200)
    write_map(tmp_path / "my.tif", half, west=0, north=2, step=0.01)
    more = ["--descriptor", f"ecoregion={tmp_path / 'my.tif'}",
            "--manifest", str(tmp_path / "my.yaml")]  # fmt: skip
    (tmp_path / "cells.txt").write_text("0U_0R\n0U_1R\n1U_0R\n0U_14R\n")
    summary, table = annotated(arguments, capsys, *more)
    rows = {row["grid_cell"]: row for row in table.to_pylist()}
    assert rows["0U_0R"]["ecoregion"] == "taiga"
    assert rows["0U_0R"]["ecoregion_code"] == 1
    assert (rows["0U_14R"]["ecoregion"], rows["0U_14R"]["ecoregion_code"]) == ("unmapped", 255)
    assert summary["unmapped"] == {"ecoregion": 1}
    assert summary["tiles"] == 4
    record = json.loads(table.schema.metadata[b"minortom"])
    assert "Ecoregions (CC-BY-4.0): Made up, CC BY 4.0" in record["licences"]
    assert record["options"]["ecoregion_legend"] == "ecoregion"
    assert "Nobody (2017)" in summary["citations"]

    out = tmp_path / "s.parquet"
    words = ["sample", summary["out"], "--stratify-by", "climate,ecoregion", "--out", str(out)]
    assert run(app, [*words, "--workers", "1"]) == 0
    strata = set(pq.read_table(out)["stratum"].to_pylist())
    assert strata == {"Af/taiga", "Af/unmapped"}


OWN = """
name: my-cover
nodata: [0]
classes: {10: forest, 40: field, 80: lake}
colours: {10: "#006400", 80: "#0064c8"}
"""


def test_a_legend_of_ones_own_is_a_file_with_its_classes(arguments, tmp_path, capsys):
    (tmp_path / "own.yaml").write_text(OWN)
    more = ["--landcover-legend", str(tmp_path / "own.yaml"), "--landcover-mode", "fractions"]
    summary, table = annotated(arguments, capsys, *more)
    _, usual = annotated(arguments, capsys, "--landcover-mode", "fractions")
    for ours, theirs in (("forest", "tree_cover"), ("lake", "permanent_water")):
        assert table[f"fraction_{ours}"].equals(usual[f"fraction_{theirs}"])
    assert table["landcover_code"].equals(usual["landcover_code"])
    assert set(table["stratum"].to_pylist()) == {"Af/forest"}

    record = json.loads(table.schema.metadata[b"minortom"])
    assert record["options"]["landcover_legend"] == "my-cover"
    assert record["licences"][-1].startswith("my-cover: a map with a legend of the user's own")
    assert "landcover legend" in record["inputs"]
    assert len(summary["citations"]) == 1  # that of the climate
    colours = json.loads(table.schema.metadata[b"minortom_colours"])
    assert colours == {"landcover": {"forest": "#006400", "lake": "#0064c8"}}
    assert b"minortom_colours" not in usual.schema.metadata


def test_a_changed_legend_of_ones_own_is_another_input(arguments, tmp_path, capsys):
    (tmp_path / "own.yaml").write_text(OWN)
    words = [*arguments, "--landcover-legend", str(tmp_path / "own.yaml")]
    assert run(app, words) == 0
    (tmp_path / "own.yaml").write_text(OWN.replace("forest", "wood"))
    assert run(app, words) == 1
    assert "made with other inputs or options" in capsys.readouterr().err


def test_the_output_cannot_replace_the_legend(arguments, tmp_path, capsys):
    (tmp_path / "own.yaml").write_text(OWN)
    arguments[arguments.index("--out") + 1] = str(tmp_path / "own.yaml")
    words = [*arguments, "--landcover-legend", str(tmp_path / "own.yaml"), "--overwrite"]
    assert run(app, words) == 1
    assert "error: " in capsys.readouterr().err
    assert (tmp_path / "own.yaml").read_text() == OWN


def test_a_legend_by_name_gives_its_classes(arguments, tmp_path, capsys):
    values = np.full((200, 200), 23, np.uint8)
    write_map(tmp_path / "landcover.tif", values, west=0, north=2, step=0.01)
    _, table = annotated(arguments, capsys, "--landcover-legend", "corine")
    assert set(table["landcover"].to_pylist()) == {"broad_leaved_forest"}
    colours = json.loads(table.schema.metadata[b"minortom_colours"])["landcover"]
    assert colours["broad_leaved_forest"] == "#80ff00"
    assert len(colours) == 44


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--landcover-legend", "corin"], "cci-lc, corine, dynamic-world, esri-lulc, igbp, ko"),
        (["--climate-legend", "./no.yaml"], "cannot read the legend no.yaml: "),
        (["--landcover-legend", "cells.txt"], "expected a legend with the keys name, nodata and"),
        (["--descriptor", "ecoregion"], "expected --descriptor NAME=MAP"),
        (["--descriptor", "lat=landcover.tif"], "found 'lat'; give another name"),
        (["--descriptor", "fraction_crops=landcover.tif"], "found 'fraction_crops'"),
        (["--descriptor", "soil=landcover.tif"], "found 'soil'"),
        (["--manifest", "my.yaml"], "found 1 for 0"),
        (
            ["--landcover-mode", "majority", "--landcover-resolution", "0"],
            "resolution above 0 metres, found 0.0",
        ),
        (["--descriptor-mode", "soil=majority"], "(none is given), found 'soil=majority'"),
        (["--descriptor-mode", "majority"], "found 'majority'"),
        (
            ["--climate-mode", "majority"],
            "expected at least 16 pixels in a cell of 10 km to count classes",
        ),
    ],
)
def test_a_mistake_about_maps_is_one_line(arguments, tmp_path, monkeypatch, capsys, more, message):
    monkeypatch.chdir(tmp_path)
    assert run(app, [*arguments, *more]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    assert message in printed
