"""Annotate from two archives: tiles, removals by rules, and columns from the archives."""

import json
from datetime import UTC, datetime

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from error_lines import json_error
from map_maker import write_map
from minortom_cli.console import run
from minortom_cli.curate.app import app
from shapely.geometry import box

from minortom.io.provenance import sha256_of

ARCHIVE_COLUMNS = {
    "s2_product_id": pa.string(),
    "s1_product_id": pa.string(),
    "s2_timestamp": pa.timestamp("us", "UTC"),
    "s1_timestamp": pa.timestamp("us", "UTC"),
    "dt_days": pa.float64(),
    "s2_crs": pa.string(),
    "s1_crs": pa.string(),
    "s2_cloud_cover": pa.float64(),
    "s2_nodata": pa.float64(),
    "s1_nodata": pa.float64(),
    "s2_part": pa.string(),
    "s2_row": pa.int64(),
    "s1_part": pa.string(),
    "s1_row": pa.int64(),
}
S2 = {  # cell -> timestamp, cloud, nodata, crs
    "5U_1R": ("20200101T000000", 5.0, 0.0, "EPSG:32631"),
    "3D_2L": ("20200301T120000", 60.0, 0.0, "EPSG:32730"),
    "0U_20R": ("20210101T000000", None, 0.3, "EPSG:32631"),
    "9U_9R": ("TerraMesh", 1.0, 0.0, "EPSG:32631"),
    "7U_7R": ("20200101T000000", 1.0, 0.0, "EPSG:32631"),
}
S1 = {
    "5U_1R": ("20200104T120000", 0.0, "EPSG:32631"),
    "3D_2L": ("20200301T000000", 0.0, "EPSG:32730"),
    "0U_20R": ("20210120T000000", 0.0, "EPSG:32632"),
    "9U_9R": ("20200101T000000", 0.6, "EPSG:32631"),
}


def write_metadata(folder, columns):
    (folder / "images").mkdir(parents=True)
    n = len(columns["grid_cell"])
    url = "https://huggingface.co/datasets/Major-TOM/Core/resolve/main/images/part_00001.parquet"
    table = pa.table({**columns, "parquet_url": [url] * n, "parquet_row": list(range(n))})
    pq.write_table(table, folder / "metadata.parquet")
    return folder


@pytest.fixture
def arguments(tmp_path) -> list[str]:
    """Two archives that share four cells, and maps that have a class everywhere but at 7U_7R."""
    time, cloud, nodata, crs = zip(*S2.values(), strict=True)
    s2 = {"grid_cell": list(S2), "product_id": [f"S2:{c}" for c in S2], "timestamp": time,
          "cloud_cover": cloud, "nodata": nodata, "crs": crs}  # fmt: skip
    write_metadata(tmp_path / "S2", s2)
    time, nodata, crs = zip(*S1.values(), strict=True)
    s1 = {"grid_cell": list(S1), "product_id": [f"S1:{c}" for c in S1], "timestamp": time,
          "nodata": nodata, "crs": crs}  # fmt: skip
    write_metadata(tmp_path / "S1", s1)
    climate = write_map(tmp_path / "climate.tif", np.full((9, 18), 1, np.uint8))
    landcover = write_map(tmp_path / "landcover.tif", np.full((9, 18), 10, np.uint8))
    return [
        "annotate", "--s2", str(tmp_path / "S2"), "--s1", str(tmp_path / "S1"),
        "--climate", str(climate), "--landcover", str(landcover),
        "--out", str(tmp_path / "a.parquet"), "--json",
    ]  # fmt: skip


def annotated(arguments, capsys, *more):
    assert run(app, [*arguments, "--overwrite", *more]) == 0, capsys.readouterr().err
    summary = json.loads(capsys.readouterr().out)
    rows = {row["grid_cell"]: row for row in pq.read_table(summary["out"]).to_pylist()}
    return summary, rows


def test_a_tile_is_a_cell_that_both_archives_have(arguments, capsys):
    summary, rows = annotated(arguments, capsys)
    assert set(rows) == {"3D_2L", "0U_20R", "5U_1R", "9U_9R"}
    assert (summary["cells_in"], summary["removed"]) == (5, {"without_s1": 1})
    assert summary["unknown"] == {"s2_timestamp": 1, "s2_cloud_cover": 1}


def test_the_products_of_both_sensors_come_along(arguments, capsys):
    summary, rows = annotated(arguments, capsys)
    schema = pq.read_schema(summary["out"])
    assert {name: schema.field(name).type for name in ARCHIVE_COLUMNS} == ARCHIVE_COLUMNS
    assert schema.names[-1] == "geometry"
    row = rows["5U_1R"]
    assert (row["s2_product_id"], row["s1_product_id"]) == ("S2:5U_1R", "S1:5U_1R")
    assert row["s2_timestamp"] == datetime(2020, 1, 1, tzinfo=UTC)
    assert row["dt_days"] == 3.5
    assert (row["s2_part"], row["s2_row"], row["s1_row"]) == ("part_00001.parquet", 0, 0)
    assert rows["9U_9R"]["s2_timestamp"] is None
    assert rows["9U_9R"]["dt_days"] is None


@pytest.mark.parametrize(
    ("rule", "removed", "left"),
    [
        (["--max-cloud", "50"], {"max_cloud": 1}, ["0U_20R", "5U_1R", "9U_9R"]),
        (
            ["--max-cloud", "50", "--require-known"],
            {"max_cloud": 1, "require_known_s2": 1},
            ["5U_1R", "9U_9R"],
        ),
        (["--max-nodata", "50"], {"max_nodata_s1": 1}, ["3D_2L", "0U_20R", "5U_1R"]),
        (
            ["--max-nodata", "20"],
            {"max_nodata_s2": 1, "max_nodata_s1": 1},
            ["3D_2L", "5U_1R"],
        ),
        (["--max-dt", "3"], {"max_dt": 2}, ["3D_2L", "9U_9R"]),
        (["--same-crs"], {"same_crs": 1}, ["3D_2L", "5U_1R", "9U_9R"]),
        (["--since", "2020-03-01"], {"since": 2}, ["3D_2L", "0U_20R", "9U_9R"]),
        (["--until", "2020-03-01"], {"until": 1}, ["3D_2L", "5U_1R", "9U_9R"]),
        (["--until", "2020-03-01T11:00"], {"until": 2}, ["5U_1R", "9U_9R"]),
        (["--bbox", "-1,-1,1,1"], {"bbox": 1}, ["3D_2L", "5U_1R", "9U_9R"]),
    ],
)
def test_each_rule_removes_what_it_says_and_counts_it(arguments, capsys, rule, removed, left):
    summary, rows = annotated(arguments, capsys, *rule)
    assert sorted(rows) == sorted(left)
    assert {name: n for name, n in summary["removed"].items() if n and name != "without_s1"} == (
        removed
    )
    counted = sum(summary["removed"].values()) + sum(summary["dropped"].values())
    assert summary["cells_in"] == 5 == counted + summary["tiles"]


def test_a_region_keeps_cells_that_it_touches(arguments, tmp_path, capsys):
    square = [[0.5, 0.2], [1.0, 0.2], [1.0, 1.0], [0.5, 1.0], [0.5, 0.2]]
    aoi = {"type": "Polygon", "coordinates": [square]}
    (tmp_path / "aoi.geojson").write_text(json.dumps(aoi))
    summary, rows = annotated(arguments, capsys, "--region", str(tmp_path / "aoi.geojson"))
    assert list(rows) == ["9U_9R"]
    assert summary["removed"]["region"] == 3
    record = json.loads(pq.read_schema(summary["out"]).metadata[b"minortom"])
    assert record["inputs"]["region"] == sha256_of(tmp_path / "aoi.geojson")
    assert "region_layer" not in record["options"]


def test_the_layer_of_a_region_is_recorded(arguments, tmp_path, capsys):
    for layer, area in (("here", box(0.5, 0.2, 1, 1)), ("there", box(20, 0, 21, 1))):
        geopandas.GeoSeries([area], crs=4326).to_file(tmp_path / "aoi.gpkg", layer=layer)
    chosen = ("--region", str(tmp_path / "aoi.gpkg"), "--region-layer", "here")
    summary, rows = annotated(arguments, capsys, *chosen)
    assert list(rows) == ["9U_9R"]
    record = json.loads(pq.read_schema(summary["out"]).metadata[b"minortom"])
    assert record["options"]["region_layer"] == "here"


def test_lists_choose_among_the_archives_cells(arguments, tmp_path, capsys):
    (tmp_path / "cells.txt").write_text("5U_1R\n100U_1R\n")
    summary, rows = annotated([arguments[0], str(tmp_path / "cells.txt"), *arguments[1:]], capsys)
    assert list(rows) == ["5U_1R"]
    assert summary["removed"]["cells"] == 4
    assert summary["not_in_archive"] == 1


def test_a_tile_carries_the_licence_of_the_archive_and_the_hash_of_its_metadata(
    arguments, tmp_path, capsys
):
    from minortom.io.provenance import sha256_of

    summary, _ = annotated(arguments, capsys, "--max-dt", "30")
    record = json.loads(pq.read_schema(summary["out"]).metadata[b"minortom"])
    assert any("CC-BY-SA-4.0" in line for line in record["licences"])
    for name in ("S2", "S1"):
        digest = sha256_of(tmp_path / name / "metadata.parquet")
        assert record["inputs"][f"{name.lower()}_metadata"] == digest
    assert record["options"]["max_dt_days"] == 30
    assert str(tmp_path) not in json.dumps(record)


def test_a_selection_of_such_tiles_keeps_their_products(arguments, tmp_path, capsys):
    summary, rows = annotated(arguments, capsys)
    out = tmp_path / "selection.parquet"
    assert run(app, ["sample", summary["out"], "--out", str(out), "--workers", "1"]) == 0
    chosen = {row["grid_cell"]: row for row in pq.read_table(out).to_pylist()}
    assert chosen["5U_1R"]["s1_product_id"] == rows["5U_1R"]["s1_product_id"] == "S1:5U_1R"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--s1"], "--s1 is missing"),
        (["--s2", "--s1"], "expected tiles to annotate, found none"),
    ],
)
def test_one_archive_alone_or_nothing_at_all_is_one_line(arguments, capsys, change, message):
    words = list(arguments)
    for option in change:
        at = words.index(option)
        del words[at : at + 2]
    assert run(app, words) == 1
    assert message in json_error(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--max-nodata", "107"], "expected --max-nodata of 0 to 100 percent, found 107"),
        (["--max-nodata", "0.3"], "expected --max-nodata in percent, 0 or at least 1, found 0.3"),
        (["--since", "yesterday"], "(UTC), found 'yesterday'"),
        (["--until", ""], "(UTC), found ''"),
        (["--require-known"], "expected a rule with --require-known, found none"),
        (["--bbox", "50,50,51,51"], "found none of 5 (removed by bbox 5)"),
        (["--region", "nowhere.geojson"], "nowhere.geojson"),
    ],
)
def test_an_unusable_rule_is_one_line(arguments, capsys, more, message):
    assert run(app, [*arguments, *more]) == 1
    assert message in json_error(capsys.readouterr().err)


def test_an_archive_without_places_of_images_is_an_error(arguments, tmp_path, capsys):
    path = tmp_path / "S2" / "metadata.parquet"
    table = pq.read_table(path)
    nowhere = pa.nulls(len(table), pa.int64())
    place = table.column_names.index("parquet_row")
    pq.write_table(table.set_column(place, "parquet_row", nowhere), path)
    assert run(app, arguments) == 1
    assert "in the archive of Sentinel-2, found none" in capsys.readouterr().err


def test_a_column_that_metadata_have_twice_is_one_line(arguments, tmp_path, capsys):
    path = tmp_path / "S1" / "metadata.parquet"
    table = pq.read_table(path)
    pq.write_table(table.append_column("crs", table["nodata"]), path)
    assert run(app, arguments) == 1
    assert "S1 have the column crs more than once; keep one" in capsys.readouterr().err


def test_rules_about_products_need_an_archive(arguments, tmp_path, capsys):
    (tmp_path / "cells.txt").write_text("5U_1R\n")
    words = ["annotate", str(tmp_path / "cells.txt"), *arguments[5:], "--max-cloud", "5"]
    assert run(app, words) == 1
    assert "give --s2 and --s1" in capsys.readouterr().err
