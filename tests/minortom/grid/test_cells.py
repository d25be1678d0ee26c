from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from majortom_eg import MajorTomGrid

from minortom.grid.cells import (
    N_KEYS,
    N_ROWS,
    Cells,
    cells_at,
    cells_from_names,
    cells_of_keys,
    columns_of_rows,
    merged,
    whole_grid,
)


@pytest.fixture(scope="module")
def grid() -> Cells:
    return whole_grid()


@pytest.fixture(scope="module")
def some(grid) -> Cells:
    """Every 97th cell, and all of the rows next to the equator and next to 85 degrees."""
    at_rims = np.isin(grid.row, [-946, -1, 0, 1, 945, 946])
    return grid.take(at_rims | (np.arange(len(grid)) % 97 == 0))


@pytest.fixture(scope="module")
def oracle() -> MajorTomGrid:
    return MajorTomGrid(d=10_000, overlap=False)


def test_the_published_grid_has_1893_rows_and_5094350_cells(grid):
    assert len(grid) == 5_094_350
    assert len(np.unique(grid.row)) == 1893
    assert (grid.row.min(), grid.row.max()) == (-946, 946)


def test_the_whole_sphere_has_5113745_cells():
    assert len(whole_grid(extent_deg=90)) == 5_113_745


def test_the_grid_is_ordered_by_row_then_column(grid):
    assert (np.diff(grid.keys()) > 0).all()


def test_a_name_is_the_south_west_corner():
    cells = cells_from_names(["922D_249L", "0U_0R", "1D_1L", "990D_3R"])

    assert cells.row.tolist() == [-922, 0, -1, -990]
    assert cells.col.tolist() == [-249, 0, -1, 3]


def test_a_row_at_the_equator_has_4008_cells():
    # 2 pi 6378.137 km / 10 km = 4007.5
    assert columns_of_rows(0) == 4008
    west, south, east, north = cells_from_names(["0U_2003R"]).bounds_deg()
    assert (west[0], south[0]) == (2003 * 360 / 4008, 0)
    assert (east[0], north[0]) == (180, 180 / 2004)


def test_names_are_written_as_one_would_by_hand(some):
    by_hand = [
        f"{abs(k)}{'U' if k >= 0 else 'D'}_{abs(j)}{'R' if j >= 0 else 'L'}"
        for k, j in zip(some.row.tolist(), some.col.tolist(), strict=True)
    ]
    assert some.names().tolist() == by_hand


def test_a_cell_comes_back_from_its_name(some):
    assert_same(cells_from_names(some.names()), some)
    assert_same(cells_from_names(some.names().tolist()), some)


@pytest.mark.soak
def test_every_cell_of_the_sphere_comes_back_from_its_name_and_its_corner():
    sphere = whole_grid(extent_deg=90)
    west, south, _, _ = sphere.bounds_deg()
    assert_same(cells_from_names(sphere.names()), sphere)
    assert_same(cells_at(west, south), sphere)
    assert_same(cells_at(*sphere.centres()), sphere)


def test_an_empty_list_of_names_gives_no_cells():
    assert len(cells_from_names([])) == 0


@pytest.mark.parametrize("row", [502, 518, 521, 581, 794, 800])
@pytest.mark.parametrize("side", ["U", "D"])
def test_the_published_name_at_the_antimeridian_is_an_alias(row, side):
    half = int(columns_of_rows(row)) // 2
    assert_same(
        cells_from_names([f"{row}{side}_{half}R"]), cells_from_names([f"{row}{side}_{half}L"])
    )


def test_columns_and_edges_are_those_of_the_published_recipe_in_every_row(grid):
    # The recipe: divide 360 degrees from -180, shift by 180 round the globe, sort, and count
    # from 0. Its rounding makes the aliases.
    west, _, _, _ = grid.bounds_deg()
    aliased = []
    for row in range(-946, 947):
        mine = west[slice(*np.searchsorted(grid.row, [row, row + 1]))]
        recipe = np.sort(np.linspace(-180, 180, len(mine) + 1)[:-1] % 360 - 180)
        if recipe[-1] == 180:
            aliased.append(row)
            recipe = np.roll(recipe, 1)
            recipe[0] = -180
        np.testing.assert_allclose(mine, recipe, rtol=0, atol=1e-12)
    assert aliased == [-800, -794, -581, -521, -518, -502, 502, 518, 521, 581, 794, 800]


def test_rows_and_widths_agree_with_an_independent_grid(oracle):
    rows = np.arange(-990, 991)  # nearer the poles the other one has no further cells
    first = Cells(row=rows, col=np.zeros_like(rows))
    _, south, east, _ = first.bounds_deg()

    assert oracle.row_count == N_ROWS
    lats = [oracle.get_row_lat(k) for k in range(12, 1993)]
    np.testing.assert_allclose(south, lats, atol=1e-9)
    # Its row is laid out by its own southern edge as well, but for rounding.
    widths = [oracle.get_lon_spacing(lat) for lat in lats]
    np.testing.assert_allclose(east, widths, rtol=1e-12)


def test_cells_agree_with_an_independent_grid_where_both_begin_at_the_same_meridian(oracle):
    from shapely.geometry import box

    # Its columns are counted from -180, ours from 0: the same where their number is even.
    found = [c.geom.bounds for c in oracle.generate_grid_cells(box(9.5, 40.01, 12.5, 43.0))]
    west, south, east, north = np.array(found).T
    cells = cells_at((west + east) / 2, (south + north) / 2)
    even = columns_of_rows(cells.row) % 2 == 0

    assert even.sum() > 200
    np.testing.assert_allclose(
        np.array(cells.take(even).bounds_deg()), np.array([west, south, east, north])[:, even],
        atol=1e-9,
    )  # fmt: skip


def test_the_cells_of_a_row_lie_side_by_side_and_go_once_round(grid):
    west, _, east, _ = grid.bounds_deg()
    same_row = np.diff(grid.row) == 0
    np.testing.assert_array_equal(east[:-1][same_row], west[1:][same_row])
    starts = np.flatnonzero(np.diff(grid.row, prepend=-9999))
    ends = np.append(starts[1:], len(grid)) - 1
    np.testing.assert_allclose(east[ends] - west[starts], 360, rtol=1e-15)


def test_a_centre_lies_in_its_cell(some):
    lon_deg, lat_deg = some.centres()
    west, south, east, north = some.bounds_deg()
    np.testing.assert_allclose(lon_deg, (west + east) / 2, rtol=1e-14)
    np.testing.assert_allclose(lat_deg, (south + north) / 2, rtol=1e-14)
    assert_same(cells_at(lon_deg, lat_deg), some)


def test_the_cell_over_the_antimeridian_has_its_middle_at_180():
    row = next(k for k in range(200, 300) if columns_of_rows(k) % 2)
    half = int(columns_of_rows(row)) // 2
    cell = cells_from_names([f"{row}U_{half}R"])

    west, _, east, _ = cell.bounds_deg()
    assert west[0] < 180 < east[0]
    assert cell.centres()[0][0] == 180
    lat_deg = cell.centres()[1]
    for lon_deg in (180.0, -180.0, -179.97, west[0], east[0] - 360.0001):
        assert_same(cells_at(lon_deg, lat_deg), cell)
    assert cells_at(east[0] - 359.9999, lat_deg).names() == [f"{row}U_{half}L"]


def test_a_cell_owns_its_south_west_corner_and_no_other(some):
    west, south, east, north = some.bounds_deg()
    inner = (west > -179) & (east < 179) & (some.row < 946)
    west, south, east, north = (v[inner] for v in (west, south, east, north))
    cells = some.take(inner)

    assert_same(cells_at(west, south), cells)
    assert (cells_at(east, south).col == cells.col + 1).all()
    assert (cells_at(west, north).row == cells.row + 1).all()
    assert (cells_at(np.nextafter(west, -999), south).col == cells.col - 1).all()
    assert (cells_at(west, np.nextafter(south, -999)).row == cells.row - 1).all()


@settings(max_examples=300, deadline=None)
@given(st.floats(-180, 180), st.floats(-90, 90))
def test_a_point_lies_in_the_cell_that_exact_fractions_give(lon_deg, lat_deg):
    row = min(Fraction(lat_deg) * N_ROWS // 180, 1001)
    n_columns = int(columns_of_rows(row))
    col = Fraction(lon_deg if lon_deg < 180 else -180) * n_columns // 360
    if col < -(n_columns // 2):
        col += n_columns

    found = cells_at(lon_deg, lat_deg)

    # An edge is the float nearest to it: a point within rounding of it may go to either side.
    west, south, _, _ = found.bounds_deg()
    on_edge = np.isclose(west[0], lon_deg, rtol=0, atol=1e-13) or np.isclose(
        south[0], lat_deg, rtol=0, atol=1e-13
    )
    assert on_edge or (found.row[0], found.col[0]) == (row, col)


def test_longitude_180_is_minus_180():
    assert_same(cells_at(180, 0), cells_at(-180, 0))
    assert cells_at(180, 0).names() == ["0U_2004L"]


def test_the_poles_lie_in_the_outermost_rows():
    assert cells_at([10, 10], [90, -90]).row.tolist() == [1001, -1002]


def test_merged_lists_have_each_cell_once_in_order():
    one = cells_from_names(["5U_1R", "3D_2L"])
    other = cells_from_names(["5U_1L", "5U_1R", "3D_2L"])

    assert merged([one, other]).names().tolist() == ["3D_2L", "5U_1L", "5U_1R"]
    assert_same(merged([other, one]), merged([one, other]))


@pytest.mark.parametrize(
    ("lon_deg", "lat_deg", "epsg"),
    [
        (17.9, 0.05, 32633), (17.9, -0.05, 32733), (-180, 0.05, 32601), (179.9, 5, 32660),
        (5.0, 60.0, 32632), (2.5, 60.0, 32631), (5.0, 55.5, 32631), (5.0, 64.5, 32631),
        (8.0, 78.0, 32631), (10.0, 78.0, 32633), (15.0, 78.0, 32633), (25.0, 78.0, 32635),
        (35.0, 78.0, 32637), (43.0, 78.0, 32638), (8.0, 71.5, 32632), (8.0, 84.5, 32632),
        (-1.0, 78.0, 32630),
    ],
)  # fmt: skip
def test_utm_zones_have_the_exceptions_of_norway_and_svalbard(lon_deg, lat_deg, epsg):
    assert cells_at(lon_deg, lat_deg).utm_epsg().tolist() == [epsg]


@pytest.mark.parametrize("sensor", ["Core-S2L2A", "Core-S1RTC"])
def test_rows_columns_and_centres_of_real_metadata_are_those_of_the_names(real_data, sensor):
    import pyarrow.parquet as pq

    meta = pq.read_table(real_data / "majortom-sample" / sensor / "metadata.parquet").to_pandas()
    cells = cells_from_names(meta["grid_cell"].to_list())

    assert cells.row.tolist() == meta["grid_row_u"].to_list()
    assert cells.col.tolist() == meta["grid_col_r"].to_list()
    assert_same(cells_at(meta["centre_lon"], meta["centre_lat"]), cells)


def assert_same(found: Cells, expected: Cells) -> None:
    np.testing.assert_array_equal(found.row, expected.row)
    np.testing.assert_array_equal(found.col, expected.col)


def test_a_key_stands_for_its_cell():
    everywhere = whole_grid(extent_deg=90)
    keys = everywhere.keys()
    back = cells_of_keys(keys)

    np.testing.assert_array_equal(back.row, everywhere.row)
    np.testing.assert_array_equal(back.col, everywhere.col)
    assert 0 <= keys.min() <= keys.max() < N_KEYS
