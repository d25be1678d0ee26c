import duckdb
import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest
from geoparquet_checks import failures, row_groups_of
from points_files import write_points

import minortom
from minortom.errors import InputError
from minortom.grid.cells import whole_grid
from minortom.io.covering import BBOX, bbox_column, is_covering, spatial_order
from minortom.io.crs84 import CRS, PROJJSON
from minortom.io.geoparquet import box_of, points_table, points_writer
from minortom.io.provenance import Provenance

PROVENANCE = Provenance(command="annotate", options={})
ALPS = {"west": 5, "south": 45, "east": 15, "north": 50}


@pytest.fixture(scope="module")
def grid():
    """200,000 cells of the grid."""
    cells = whole_grid()
    cells = cells.take(np.sort(np.random.default_rng(0).choice(len(cells), 200_000, replace=False)))
    return cells.take(spatial_order(*cells.centres()))


@pytest.fixture(scope="module")
def file(grid, tmp_path_factory):
    lon_deg, lat_deg = grid.centres()
    table = pa.table({"grid_cell": grid.names(), "lat": lat_deg, "lon": lon_deg})
    path = tmp_path_factory.mktemp("covering") / "points.parquet"
    write_points(table, path, PROVENANCE)
    return path


def test_a_box_is_the_smallest_in_float32_around_the_geometry():
    rng = np.random.default_rng(1)
    west, south = rng.uniform(-180, 180, 999), rng.uniform(-90, 90, 999)
    corners = np.array([0.0, 0.25, 180.0, -180.0])  # these are float32 already
    west, south = np.concatenate([west, corners]), np.concatenate([south, corners / 2])

    box = bbox_column(west, south, west, south)

    for axis, value in (("x", west), ("y", south)):
        low, high = (box.field(f"{axis}{end}").to_numpy() for end in ("min", "max"))
        assert low.dtype == np.float32
        assert (low <= value).all()
        assert (value <= high).all()
        exact = value == value.astype(np.float32)
        np.testing.assert_array_equal(low == high, exact)
        np.testing.assert_array_equal(np.nextafter(low, np.float32(999))[~exact], high[~exact])


def test_neighbours_in_the_order_are_neighbours_on_the_map():
    """Of one point a tile, each step goes to one of the four tiles around it."""
    row, column = np.divmod(np.random.default_rng(2).permutation(256 * 256), 256)

    order = spatial_order((column + 0.5) * 360 / 256 - 180, (row + 0.5) * 180 / 256 - 90)

    steps = np.abs(np.diff(row[order])) + np.abs(np.diff(column[order]))
    assert set(steps) == {1}


def test_a_quarter_of_the_world_is_a_quarter_of_the_order(grid):
    lon_deg, lat_deg = grid.centres()
    quarter = 2 * (lon_deg >= 0) + (lat_deg >= 0)
    assert len(quarter) - 1 - np.count_nonzero(np.diff(quarter) == 0) == 3


def test_points_of_a_tile_keep_their_order_also_at_the_edges_of_the_world():
    lon_deg, lat_deg = np.repeat([180.0, -180.0], 5), np.repeat([90.0, -90.0], 5)
    assert sorted(spatial_order(lon_deg, lat_deg)[:5]) == list(spatial_order(lon_deg, lat_deg)[:5])
    assert len(spatial_order(np.empty(0), np.empty(0))) == 0


def test_a_reader_of_a_box_reads_few_row_groups(file):
    read, of = row_groups_of(file, **ALPS)
    assert read <= 2
    assert of == 13


def test_geopandas_and_duckdb_read_the_same_box(file, grid):
    lon_deg, lat_deg = grid.centres()
    west, south, east, north = ALPS.values()
    inside = (lon_deg >= west) & (lon_deg <= east) & (lat_deg >= south) & (lat_deg <= north)

    frame = geopandas.read_parquet(file, bbox=tuple(ALPS.values()))
    counted = duckdb.sql(
        f"SELECT count(*) FROM '{file}' WHERE bbox.xmin <= {east} AND bbox.xmax >= {west} "
        f"AND bbox.ymin <= {north} AND bbox.ymax >= {south}"
    ).fetchall()

    assert frame["grid_cell"].tolist() == grid.take(inside).names().tolist()
    assert counted == [(inside.sum(),)]


def test_a_validator_finds_nothing(file):
    assert failures(file) == []


def test_a_validator_accepts_cells_across_the_antimeridian(tmp_path):
    out = tmp_path / "cells.parquet"
    minortom.cells(bbox=(179, -1, -179, 1), out=out)

    assert failures(out) == []
    types = set(geopandas.read_parquet(out).geom_type)
    assert types == {"Polygon", "MultiPolygon"}


def test_a_large_area_of_cells_is_in_spatial_order_by_the_validator(tmp_path):
    out = tmp_path / "cells.parquet"
    assert minortom.cells(bbox=(-20, -35, 52, 38), out=out).as_dict()["cells"] > 5 * 16 * 1024
    assert failures(out) == []


def test_a_file_in_parts_is_the_file_of_one_part(file, tmp_path):
    table = pq.read_table(file).drop_columns(["bbox", "geometry"])
    box_deg = box_of(table)
    with points_writer(table.schema, tmp_path / "p", PROVENANCE, box_deg=box_deg) as append:
        for start in range(0, len(table), 20_000):
            append(table.slice(start, 20_000))

    assert failures(tmp_path / "p") == []
    assert pq.read_table(tmp_path / "p").equals(pq.read_table(file))


def test_the_stored_coordinate_system_is_that_of_proj():
    assert pyproj.CRS.from_json_dict(PROJJSON) == pyproj.CRS(CRS)


def test_a_table_has_one_covering_however_often_it_is_written(file):
    once = pq.read_table(file)
    again = points_table(once, PROVENANCE)
    assert again.column_names == ["grid_cell", "lat", "lon", "bbox", "geometry"]
    assert again.equals(once)
    assert is_covering(again.schema.field(BBOX))


def test_another_column_with_the_name_of_the_covering_is_refused():
    table = pa.table({"lat": [1.0], "lon": [2.0], "bbox": ["Alps"]})
    with pytest.raises(InputError, match="the column bbox must have .* found string; rename it"):
        points_table(table, PROVENANCE)
