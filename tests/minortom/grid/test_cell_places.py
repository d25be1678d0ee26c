import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import pytest

from minortom.errors import InputError
from minortom.grid.cell_places import check_places
from minortom.grid.cells import cells_at, cells_from_names, whole_grid
from minortom.grid.footprints import tile_bounds_m


def check(names, lon_deg, lat_deg):
    column = pa.chunked_array([pa.array(names, pa.string())])
    lon_deg, lat_deg = np.atleast_1d(lon_deg).astype(float), np.atleast_1d(lat_deg).astype(float)
    check_places(column, lon_deg, lat_deg, source="the table", advice="run it again")


@pytest.fixture(scope="module")
def some_cells():
    """Cells of all latitudes, with those at the antimeridian."""
    grid = whole_grid()
    west, _, east, _ = grid.bounds_deg()
    edge = (west == -180) | (east >= 180)
    drawn = np.random.default_rng(3).random(len(grid)) < 0.0004
    return grid.take(edge | drawn)


def test_centres_corners_and_all_points_of_a_cell_fit(some_cells):
    names = some_cells.names()
    west, south, east, north = some_cells.bounds_deg()
    east = np.where(east > 180, east - 360, east)
    check(names, *some_cells.centres())
    for lon_deg in (west, east):
        for lat_deg in (south, north):
            check(names, lon_deg, lat_deg)


@pytest.mark.parametrize("zones_away", [-1, 0, 1])
def test_the_centres_of_tiles_in_any_zone_fit(some_cells, zones_away):
    """A product may be in a neighbouring zone, where the axes are turned most."""
    some_cells = some_cells.take(np.arange(0, len(some_cells), 4))
    own = some_cells.utm_epsg()
    epsg = own // 100 * 100 + (own % 100 - 1 + zones_away) % 60 + 1
    left, bottom, right, top = tile_bounds_m(some_cells, epsg).T
    lon_deg, lat_deg = np.empty(len(epsg)), np.empty(len(epsg))
    for zone in np.unique(epsg):
        here = epsg == zone
        back = pyproj.Transformer.from_crs(int(zone), 4326, always_xy=True)
        lon_deg[here], lat_deg[here] = back.transform(
            (left + right)[here] / 2, (bottom + top)[here] / 2
        )

    check(some_cells.names(), lon_deg, lat_deg)


@pytest.mark.parametrize("sensor", ["Core-S2L2A", "Core-S1RTC"])
def test_the_centres_of_real_products_fit(real_data, sensor):
    table = pq.read_table(real_data / "majortom-sample" / sensor / "metadata.parquet")
    check(table["grid_cell"], table["centre_lon"].to_numpy(), table["centre_lat"].to_numpy())


@pytest.mark.parametrize(
    ("name", "lon_deg", "lat_deg"),
    [
        ("1U_0R", 0.04, 0.04),  # the cell to the north
        ("0D_1R", 0.04, 0.04),
        ("0U_1R", 0.04, 0.04),  # the cell to the east
        ("543U_17R", 48.86, 2.35),  # the other way round
        ("543U_17R", -2.35, 48.86),
        ("0U_0R", 0.04, -0.04),
        ("0U_2004L", 0.0, 0.04),  # half the world away
    ],
)
def test_a_point_in_another_cell_is_refused(name, lon_deg, lat_deg):
    with pytest.raises(InputError, match=r"^the table: .*; run it again$") as error:
        check([name], lon_deg, lat_deg)
    assert "\n" not in str(error.value)


def test_each_wrong_row_is_counted_and_the_first_is_shown(some_cells):
    lon_deg, lat_deg = some_cells.centres()
    lat_deg[[7, 9]] = -lat_deg[[7, 9]]
    with pytest.raises(InputError, match=f"found 2 of .* first row 7: {some_cells.names()[7]} has"):
        check(some_cells.names(), lon_deg, lat_deg)


@pytest.mark.parametrize(
    ("lon_deg", "lat_deg", "message"),
    [
        (181, 0.04, "lon from -180 to 180 degrees, found lat 0.04, lon 181 in row 1"),
        (0.04, 90.5, "found lat 90.5, lon 0.04 in row 1"),
        (np.nan, 0.04, "found lat 0.04, lon nan in row 1"),
        (np.inf, 0.04, "found lat 0.04, lon inf in row 1"),
    ],
)
def test_a_coordinate_out_of_range_is_refused(lon_deg, lat_deg, message):
    with pytest.raises(InputError, match=message):
        check(["0U_0R", "0U_0R"], [0.04, lon_deg], [0.04, lat_deg])


@pytest.mark.parametrize("name", ["0D_5R", "0U_0L", "0U_3000R", "", "0U_5R_1", "0U", "é", "0u_5r"])
def test_a_name_of_no_cell_is_refused(name):
    with pytest.raises(
        InputError, match="names of cells of the Major TOM 10 km grid.*found 1 of 2"
    ):
        check(["0U_0R", name], [0.04, 0.04], [0.04, 0.04])


def test_the_check_of_a_million_rows_takes_less_than_a_second():
    rng = np.random.default_rng(0)
    lon_deg, lat_deg = rng.uniform(-180, 180, 1_400_000), rng.uniform(-85, 85, 1_400_000)
    names = pa.chunked_array([pa.array(cells_at(lon_deg, lat_deg).names())])

    start = time.process_time()
    check_places(names, lon_deg, lat_deg, source="the table", advice="run it again")
    assert time.process_time() - start < 1


def test_names_in_any_form_are_the_same_cells():
    names = ["922D_249L", "0U_5R", "502U_1415R"]
    columns = [
        names, np.array(names), pa.chunked_array([names[:1], names[1:]]),
        pa.chunked_array([pa.array(["x", *names])[1:].dictionary_encode()]),
    ]  # fmt: skip
    keys = [cells_from_names(column).keys().tolist() for column in columns]
    assert keys == [keys[0]] * len(columns)
