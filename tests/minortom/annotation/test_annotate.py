import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
from annotating import annotate_lists
from geoparquet_checks import failures
from map_maker import write_map

from minortom.errors import InputError, OutputExistsError
from minortom.grid.bbox import BBox
from minortom.grid.cells import cells_at, cells_from_names
from minortom.io.covering import BBOX_TYPE, spatial_order
from minortom.io.provenance import sha256_of

COLUMNS = {
    "grid_cell": pa.string(),
    "lat": pa.float64(),
    "lon": pa.float64(),
    "climate": pa.dictionary(pa.int32(), pa.string()),
    "landcover": pa.dictionary(pa.int32(), pa.string()),
    "climate_code": pa.uint8(),
    "landcover_code": pa.uint8(),
    "stratum": pa.dictionary(pa.int32(), pa.string()),
    "bbox": BBOX_TYPE,
    "geometry": pa.binary(),
}


class Planet:
    """Two maps of a few classes, of unlike size and extent, and two lists of cells."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(11)
        self.folder = folder
        self.climate_values = rng.choice(np.uint8([0, 5, 26, 30]), (90, 180))
        self.landcover_values = rng.choice(np.uint8([0, 10, 40, 80]), (120, 240))
        self.climate = write_map(folder / "climate.tif", self.climate_values)
        # One degree a pixel, from 60 south to 60 north and from 120 west to 120 east.
        self.landcover = write_map(
            folder / "landcover.tif", self.landcover_values, west=-120, north=60, step=1
        )
        points = rng.uniform(-180, 180, 900), rng.uniform(-84, 84, 900)
        self.names = cells_at(*points).names().tolist()
        (folder / "one.txt").write_text("\n".join(self.names[:500]))
        (folder / "two.csv").write_text("grid_cell\n" + "\n".join(self.names[400:]) + "\n")

    def annotate(self, out="a.parquet", *, lists=("one.txt", "two.csv"), **more):
        lists = [self.folder / name for name in lists]
        maps = {"climate": self.climate, "landcover": self.landcover} | more
        return annotate_lists(lists, out=self.folder / out, **maps)

    def table(self, out="a.parquet") -> pa.Table:
        return pq.read_table(self.folder / out)


@pytest.fixture
def planet(tmp_path) -> Planet:
    return Planet(tmp_path)


def test_rows_are_those_of_the_algorithm_written_out(planet):
    summary = planet.annotate()

    climate_names = {5: "BWk", 26: "Dfb", 30: "EF"}
    landcover_names = {10: "tree_cover", 40: "cropland", 80: "permanent_water"}
    expected, dropped = [], Counter()
    for name in set(planet.names):
        cell = cells_from_names([name])
        (lon,), (lat,) = cell.centres()
        u = planet.climate_values[int((90 - lat) // 2), int((lon + 180) // 2)]
        if u == 0:
            dropped["no_climate_class"] += 1
            continue
        if not (-120 <= lon < 120 and -60 < lat <= 60):
            dropped["outside_landcover_map"] += 1
            continue
        v = planet.landcover_values[int(60 - lat), int(lon + 120)]
        if v == 0:
            dropped["no_landcover_class"] += 1
            continue
        names = climate_names[u], landcover_names[v]
        expected.append((cell.keys()[0], name, lat, lon, *names, u, v, "/".join(names)))
    expected = [row[1:] for row in sorted(expected)]

    table = planet.table().drop(["bbox", "geometry"])
    keys = cells_from_names(table["grid_cell"].to_pylist()).keys()
    rows = [tuple(row.values()) for row in table.take(np.argsort(keys)).to_pylist()]
    assert rows == expected
    assert summary["dropped"] == {"outside_climate_map": 0, **dropped}
    assert summary["cells_in"] == len(set(planet.names))
    assert summary["tiles"] == len(expected) == summary["cells_in"] - dropped.total()
    assert summary["strata"] == len({row[-1] for row in expected}) == 9


def test_columns_have_their_names_types_and_order(planet):
    planet.annotate()
    schema = planet.table().schema
    assert {field.name: field.type for field in schema} == COLUMNS
    assert schema.names == list(COLUMNS)
    assert not any(column.null_count for column in planet.table().columns)


def test_a_dictionary_has_only_names_that_occur_in_the_order_of_their_codes(planet):
    planet.annotate()
    column = planet.table()["stratum"].chunk(0)
    assert column.dictionary.to_pylist()[:4] == [
        "BWk/tree_cover", "BWk/cropland", "BWk/permanent_water", "Dfb/tree_cover",
    ]  # fmt: skip
    assert len(column.dictionary) == 9


def test_rows_are_in_spatial_order_and_then_by_grid_row_and_column(planet):
    planet.annotate()
    cells = cells_from_names(planet.table()["grid_cell"].to_pylist())
    sorted_cells = cells.take(np.argsort(cells.keys()))
    expected = sorted_cells.take(spatial_order(*sorted_cells.centres()))
    np.testing.assert_array_equal(cells.keys(), expected.keys())
    assert failures(planet.folder / "a.parquet") == []


def test_the_order_of_the_lists_does_not_matter_to_a_single_byte(planet):
    planet.annotate("a.parquet", lists=("one.txt", "two.csv"))
    planet.annotate("b.parquet", lists=("two.csv", "one.txt", "two.csv"))
    assert sha256_of(planet.folder / "a.parquet") == sha256_of(planet.folder / "b.parquet")


def test_geopandas_and_duckdb_read_the_centres(planet):
    import duckdb
    import geopandas

    planet.annotate()
    frame = geopandas.read_parquet(planet.folder / "a.parquet")
    assert frame.crs.to_epsg() == 4326 or frame.crs.to_string() == "OGC:CRS84"
    assert (frame.geometry.x == frame["lon"]).all()
    assert (frame.geometry.y == frame["lat"]).all()
    counted = duckdb.sql(
        f"SELECT count(DISTINCT stratum) FROM '{planet.folder / 'a.parquet'}'"
    ).fetchall()
    assert counted == [(9,)]


def test_a_box_keeps_cells_whose_centre_lies_inside(planet):
    planet.annotate("all.parquet")
    summary = planet.annotate("box.parquet", bbox=BBox.parse("-20,-30,40,10"))
    rows = planet.table("all.parquet").to_pylist()
    inside = [r for r in rows if -20 <= r["lon"] <= 40 and -30 <= r["lat"] <= 10]
    assert planet.table("box.parquet").to_pylist() == inside
    assert summary["cells_in"] == len(set(planet.names))
    left = summary["cells_in"] - summary["removed"]["bbox"]
    assert 0 < summary["tiles"] < left < len(set(planet.names))


def test_a_box_without_any_cell_is_an_error(planet):
    with pytest.raises(InputError, match=r"found none of 1 \(removed by bbox 1\)"):
        (planet.folder / "c.txt").write_text("0U_0R")
        planet.annotate(lists=["c.txt"], bbox=BBox.parse("5,5,6,6"))


def test_a_legend_with_a_crosswalk_gives_codes_and_names_of_worldcover(planet):
    igbp = write_map(planet.folder / "igbp.tif", np.full((9, 18), 8, np.uint8))
    planet.annotate(lists=["one.txt"], landcover=igbp, landcover_legend="igbp")
    table = planet.table()
    assert set(table["landcover"].to_pylist()) == {"tree_cover"}
    assert set(table["landcover_code"].to_pylist()) == {10}


def test_the_file_contains_hashes_options_and_licences(planet):
    planet.annotate(bbox=BBox.parse("-100,-60,100,60"))
    record = json.loads(planet.table().schema.metadata[b"minortom"])

    assert record["command"] == "annotate"
    assert record["options"] == {
        "climate_legend": "koppen", "landcover_legend": "worldcover", "bbox": [-100, -60, 100, 60],
        "landcover_mode": "center", "keep_unmapped": False,
    }  # fmt: skip
    assert record["inputs"]["climate"] == sha256_of(planet.climate)
    assert record["inputs"]["landcover"] == sha256_of(planet.landcover)
    lists = {sha256_of(planet.folder / name) for name in ("one.txt", "two.csv")}
    assert {record["inputs"]["cells 1"], record["inputs"]["cells 2"]} == lists
    assert any("Beck et al. (2023)" in line for line in record["licences"])
    assert any("© ESA WorldCover project" in line for line in record["licences"])
    assert str(planet.folder) not in json.dumps(record)


def test_licences_follow_the_legend(planet):
    igbp = write_map(planet.folder / "igbp.tif", np.full((9, 18), 8, np.uint8))
    planet.annotate(lists=["one.txt"], landcover=igbp, landcover_legend="igbp")
    licences = json.loads(planet.table().schema.metadata[b"minortom"])["licences"]
    assert any("MCD12C1" in line for line in licences)
    assert not any("© ESA" in line for line in licences)


def test_a_map_that_names_its_own_copyright_is_taken_at_its_word(planet):
    with rasterio.open(planet.climate, "r+") as file:
        file.update_tags(TIFFTAG_COPYRIGHT="made up (CC0-1.0)")
    result = planet.annotate()
    assert [line.split(",")[0] for line in result["citations"]] == ["Zanaga"]
    licences = json.loads(planet.table().schema.metadata[b"minortom"])["licences"]
    assert licences[0] == "made up (CC0-1.0)"
    assert not any("Beck et al." in line for line in licences)
    assert any("© ESA WorldCover project" in line for line in licences)


def test_the_same_inputs_again_are_up_to_date_and_touch_nothing(planet):
    first = planet.annotate()
    before = (planet.folder / "a.parquet").stat().st_mtime_ns
    again = planet.annotate(overwrite=True)
    assert again["status"] == "up to date"
    assert first["status"] == "written"
    assert (again["tiles"], again["strata"]) == (first["tiles"], first["strata"])
    assert (planet.folder / "a.parquet").stat().st_mtime_ns == before


@pytest.mark.parametrize("change", ["box", "cells", "climate", "landcover"])
def test_other_inputs_or_options_are_refused_unless_overwritten(planet, change):
    planet.annotate()
    before = sha256_of(planet.folder / "a.parquet")
    options = {"bbox": BBox.parse("-20,-30,40,10")} if change == "box" else {}
    if change == "cells":
        (planet.folder / "one.txt").write_text(planet.names[0])
    if change in ("climate", "landcover"):
        values = getattr(planet, f"{change}_values")[::-1]
        options_of = {"west": -120, "north": 60, "step": 1} if change == "landcover" else {}
        write_map(planet.folder / f"{change}.tif", values, **options_of)

    with pytest.raises(OutputExistsError, match="give --overwrite"):
        planet.annotate(**options)
    assert sha256_of(planet.folder / "a.parquet") == before
    planet.annotate(**options, overwrite=True)
    assert sha256_of(planet.folder / "a.parquet") != before


def test_a_failure_leaves_nothing_behind(planet):
    present = sorted(path.name for path in planet.folder.iterdir())
    write_map(planet.folder / "landcover.tif", np.full((9, 18), 77, np.uint8))
    with pytest.raises(InputError, match=", found 77;"):
        planet.annotate()
    assert sorted(path.name for path in planet.folder.iterdir()) == present


def test_no_tile_at_all_is_an_error_that_says_why(planet):
    (planet.folder / "sea.txt").write_text("0U_1900R\n0U_1901R")
    write_map(planet.folder / "climate.tif", np.full((9, 18), 5, np.uint8))
    with pytest.raises(InputError, match=r"none of 2 cells .* \(2 outside landcover map\)"):
        planet.annotate(lists=["sea.txt"])


def test_a_climate_map_of_a_region_drops_what_lies_outside(planet):
    write_map(planet.folder / "climate.tif", np.uint8([[5] * 40] * 40), west=0, north=40, step=1)
    summary = planet.annotate()
    lon, lat = (planet.table()[name].to_numpy() for name in ("lon", "lat"))
    assert ((lon >= 0) & (lon < 40) & (lat > 0) & (lat <= 40)).all()
    assert summary["dropped"]["outside_climate_map"] > 800
    assert summary["dropped"]["no_climate_class"] == 0


def test_progress_grows_to_two_look_ups_a_cell(planet):
    told = []
    planet.annotate(on_progress=lambda done, total: told.append((done, total)))
    n = len(set(planet.names))
    assert told[-1] == (2 * n, 2 * n)
    assert told == sorted(told)


def test_the_run_record_describes_the_run(planet):
    planet.annotate()
    record = json.loads((planet.folder / "a.parquet.run.json").read_text())
    assert record["summary"]["cells_in"] == len(set(planet.names))
    assert record["libraries"]["rasterio"]
