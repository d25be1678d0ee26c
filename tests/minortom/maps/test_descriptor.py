import numpy as np
import pytest
import rasterio
from map_maker import codes_at, described, write_map
from rasterio.transform import Affine

from minortom.grid.cells import whole_grid
from minortom.maps.class_table import NO_CLASS, OUTSIDE
from minortom.maps.rasters import opened_map, pixels_at, windows_with


@pytest.fixture
def some_points():
    """1,000 points, up to 80 degrees of latitude."""
    rng = np.random.default_rng(5)
    return rng.uniform(-180, 180, 1000), rng.uniform(-80, 80, 1000)


def test_a_point_has_the_class_of_the_pixel_that_contains_it(tmp_path):
    path = write_map(
        tmp_path / "a.tif", np.uint8([[1, 2, 3], [4, 5, 6]]), west=10, north=50, step=1
    )
    lon_deg = [10.5, 11.5, 12.99, 10.01, 11.5, 12.5]
    lat_deg = [49.5, 49.01, 49.5, 48.99, 48.5, 48.01]
    assert codes_at(path, lon_deg, lat_deg) == [1, 2, 3, 4, 5, 6]


def test_a_point_beside_the_map_is_outside(tmp_path):
    path = write_map(tmp_path / "a.tif", np.uint8([[1, 2]]), west=10, north=50, step=1)
    beside = [(9.99, 49.5), (12.01, 49.5), (11, 50.01), (11, 48.99), (-170, -49), (11, -49.5)]
    assert codes_at(path, *zip(*beside, strict=True)) == [OUTSIDE] * 6


def test_nodata_of_the_legend_and_of_the_file_have_no_class(tmp_path):
    values = np.int16([[1, 0, -9999, 30]])
    path = write_map(tmp_path / "a.tif", values, west=0, north=1, step=1, nodata=-9999)
    assert codes_at(path, [0.5, 1.5, 2.5, 3.5], [0.5] * 4) == [1, NO_CLASS, NO_CLASS, 30]


def test_nodata_may_be_more_than_a_code_can_be(tmp_path):
    values = np.uint16([[1, 65535]])
    path = write_map(tmp_path / "a.tif", values, west=0, north=1, step=1, nodata=65535)
    assert codes_at(path, [0.5, 1.5], [0.5, 0.5]) == [1, NO_CLASS]


def test_a_value_that_is_nodata_of_the_file_has_no_class(tmp_path):
    path = write_map(tmp_path / "a.tif", np.uint8([[0, 12]]), west=0, north=1, step=1, nodata=0)
    assert codes_at(path, [0.5, 1.5], [0.5, 0.5], legend="igbp") == [NO_CLASS, 40]


def test_the_crosswalk_of_the_legend_applies(tmp_path):
    path = write_map(tmp_path / "a.tif", np.arange(17, dtype=np.uint8)[None], west=0, step=1)
    lon_deg = np.arange(17) + 0.5
    assert codes_at(path, lon_deg, np.full(17, 89.5), legend="igbp") == [
        80, 10, 10, 10, 10, 10, 20, 20, 10, 30, 30, 90, 40, 50, 40, 70, 60,
    ]  # fmt: skip
    assert described(path, legend="igbp").names[80] == "permanent_water"


def test_a_map_of_the_globe_owns_both_sides_of_the_antimeridian(tmp_path):
    path = write_map(tmp_path / "a.tif", np.uint8([[1, 2, 3, 4], [5, 6, 7, 8]]))
    assert codes_at(path, [-180, -179.9, 179.9, 180], [45] * 4) == [1, 1, 4, 4]


@pytest.mark.parametrize("west", [0.0, -30.0, 170.0])
def test_a_map_may_begin_at_any_meridian(tmp_path, some_points, west):
    values = np.random.default_rng(1).integers(0, 31, (18, 36), dtype=np.uint8)
    usual = write_map(tmp_path / "usual.tif", values)
    moved = write_map(
        tmp_path / "moved.tif", np.roll(values, -round((west + 180) / 10), axis=1), west=west
    )
    assert codes_at(moved, *some_points) == codes_at(usual, *some_points)


def test_a_regional_map_may_lie_over_the_antimeridian(tmp_path):
    path = write_map(tmp_path / "a.tif", np.uint8([[1, 2, 3, 4]]), west=178, north=1, step=1)
    lon_deg = [178.5, 179.5, 180, -180, -179.5, -178.5, 177.9, -177.9]
    assert codes_at(path, lon_deg, [0.5] * 8) == [1, 2, 3, 3, 3, 4, OUTSIDE, OUTSIDE]


def test_a_pixel_size_that_was_rounded_leaves_no_gap_at_the_antimeridian(tmp_path):
    values = np.arange(1, 31, dtype=np.uint8)[None].repeat(6, axis=1)
    for step in (1.99999999, 2.00000001):
        path = write_map(tmp_path / "a.tif", values, step=step, north=1)
        assert codes_at(path, [-179.99, 179.99], [0, 0]) == [1, 30]
        assert OUTSIDE not in codes_at(path, [-180, 180], [0, 0])


@pytest.mark.parametrize(
    "transform",
    [
        Affine(10, 0, -180, 0, 10, -90),  # the first row in the south
        Affine(-10, 0, 180, 0, -10, 90),  # the first column in the east
        Affine(7, 3, -120, -2, -8, 70),  # turned
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_map_may_be_flipped_or_turned(tmp_path, some_points, transform):
    values = np.random.default_rng(1).integers(0, 31, (18, 36), dtype=np.uint8)
    path = write_map(tmp_path / "a.tif", values, transform=transform)
    lon_deg, lat_deg = some_points

    a, b, c, d, e, f = tuple(~transform)[:6]
    col, row = a * lon_deg + b * lat_deg + c, d * lon_deg + e * lat_deg + f
    inside = (col > 0) & (col < 36) & (row > 0) & (row < 18)
    expected = np.full(len(col), OUTSIDE)
    expected[inside] = values[row[inside].astype(int), col[inside].astype(int)]
    expected[expected == 0] = NO_CLASS
    assert codes_at(path, lon_deg, lat_deg) == expected.tolist()


def projected_by_gdal(crs, lon_deg, lat_deg):
    from rasterio._err import CPLE_BaseError
    from rasterio.warp import transform

    try:
        ((x,), (y,)) = transform("EPSG:4326", crs, [lon_deg], [lat_deg])
    except CPLE_BaseError:  # no place in this projection
        return np.inf, np.inf
    return x, y


@pytest.mark.parametrize(
    ("crs", "bounds"),
    [
        ("EPSG:3857", (-20037508, -15000000, 20037508, 15000000)),  # web Mercator
        ("EPSG:6933", (-17367530, -7314540, 17367530, 7314540)),  # EASE 2, equal area
        ("EPSG:3413", (-4000000, -4000000, 4000000, 4000000)),  # polar stereographic
        ("EPSG:32633", (100000, 0, 900000, 8000000)),  # UTM
        ("EPSG:3035", (2500000, 1400000, 7500000, 5500000)),  # LAEA Europe
        ("EPSG:4269", (-170, 10, -50, 80)),  # degrees of another datum
        ("+proj=sinu +R=6371007.181 +units=m", (-20015109, -10007554, 20015109, 10007554)),  # MODIS
        ("+proj=ortho +lat_0=40 +lon_0=10", (-6400000, -6400000, 6400000, 6400000)),  # half a globe
    ],
)
def test_points_are_projected_to_the_map(tmp_path, some_points, crs, bounds):
    values = np.random.default_rng(1).integers(1, 31, (60, 80), dtype=np.uint8)
    left, bottom, right, top = bounds
    cells = Affine((right - left) / 80, 0, left, 0, (bottom - top) / 60, top)
    path = write_map(tmp_path / "a.tif", values, crs=crs, transform=cells)
    x, y = np.array([projected_by_gdal(crs, *point) for point in zip(*some_points, strict=True)]).T
    with rasterio.open(path) as source:
        inside = (x > bounds[0]) & (x < bounds[2]) & (y > bounds[1]) & (y < bounds[3])
        sampled = [v[0] for v in source.sample(zip(x[inside], y[inside], strict=True))]
    expected = np.full(len(x), OUTSIDE)
    expected[inside] = sampled

    found = np.array(codes_at(path, *some_points))
    assert inside.sum() > 10
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "layout",
    [{}, {"tiled": True, "blockxsize": 256, "blockysize": 256}, {"blockysize": 1},
     {"tiled": True, "blockxsize": 2048, "blockysize": 16, "compress": "deflate"}],
    ids=["strips", "tiles", "rows", "wide tiles"],
)  # fmt: skip
def test_the_layout_of_the_file_does_not_matter(tmp_path, some_points, layout):
    values = np.random.default_rng(1).integers(1, 31, (1500, 3000), dtype=np.uint8)
    path = write_map(tmp_path / "a.tif", values, north=90, **layout)
    lon_deg, lat_deg = some_points
    step = 360 / 3000
    expected = values[
        np.floor((90 - lat_deg) / step).astype(int), np.floor((lon_deg + 180) / step).astype(int)
    ]
    assert codes_at(path, lon_deg, lat_deg) == expected.tolist()


def test_each_window_with_pixels_is_read_once_and_no_other_window(tmp_path):
    path = write_map(
        tmp_path / "a.tif", np.ones((3000, 5000), np.uint8), tiled=True, blockxsize=512,
        blockysize=512,
    )  # fmt: skip
    row = np.array([0, 2999, 1500, 1500, 10])
    col = np.array([0, 4999, 2500, 2501, 4999])
    with opened_map(path) as source:
        windows = list(windows_with(source, row, col))

    assert sorted(np.concatenate([here for _, here in windows]).tolist()) == [0, 1, 2, 3, 4]
    assert len(windows) == 4
    for window, here in windows:
        assert ((row[here] >= window.row_off) & (row[here] < window.row_off + window.height)).all()
        assert ((col[here] >= window.col_off) & (col[here] < window.col_off + window.width)).all()
        assert window.height * window.width <= 1024 * 1024
        assert window.row_off % 512 == window.col_off % 512 == 0
        assert window.row_off + window.height <= 3000


def test_no_point_on_the_map_reads_nothing(tmp_path):
    path = write_map(tmp_path / "a.tif", np.uint8([[99]]), west=0, north=1, step=1)
    assert codes_at(path, [50.0], [50.0]) == [OUTSIDE]
    assert codes_at(path, [], []) == []


def test_progress_ends_at_all_points(tmp_path):
    path = write_map(tmp_path / "a.tif", np.ones((1500, 3000), np.uint8), blockysize=1)
    told = []
    described(path, legend="koppen").codes_at(
        np.linspace(-170, 170, 50), np.linspace(80, -80, 50),
        on_progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told[-1] == (50, 50)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_real_maps_give_what_rasterio_samples(real_data):
    grid = whole_grid()
    lon_deg, lat_deg = grid.take(np.arange(0, len(grid), 2003)).centres()
    for name, legend in (
        ("koppen_geiger_0p1.tif", "koppen"),
        ("MCD12C1_2019_v006_igbp_0p05_epsg4326.tif", "igbp"),
    ):
        path = real_data / "descriptors" / name
        descriptor = described(path, legend=legend)
        with rasterio.open(path) as source:
            points = zip(lon_deg, lat_deg, strict=True)
            expected = [descriptor.classes.table[v[0]] for v in source.sample(points)]
        assert descriptor.codes_at(lon_deg, lat_deg).tolist() == expected


def test_the_real_worldcover_tile_gives_what_rasterio_samples(real_data):
    path = real_data / "descriptors" / "ESA_WorldCover_10m_2021_v200_N00E006_Map.tif"
    rng = np.random.default_rng(3)
    lon_deg, lat_deg = rng.uniform(5.9, 9.1, 300), rng.uniform(-0.1, 3.1, 300)
    inside = (lon_deg > 6) & (lon_deg < 9) & (lat_deg > 0) & (lat_deg < 3)
    with rasterio.open(path) as source:
        points = zip(lon_deg[inside], lat_deg[inside], strict=True)
        sampled = np.array([v[0] for v in source.sample(points)], dtype=int)
    expected = np.full(300, OUTSIDE)
    expected[inside] = np.where(sampled == 0, NO_CLASS, sampled)

    assert codes_at(path, lon_deg, lat_deg, legend="worldcover") == expected.tolist()
    assert (expected > 0).any()


def test_points_without_a_place_in_the_projection_are_outside(tmp_path):
    path = write_map(
        tmp_path / "a.tif", np.ones((4, 4), np.uint8), crs="+proj=ortho +lat_0=0 +lon_0=0",
        transform=Affine(3.5e6, 0, -7e6, 0, -3.5e6, 7e6),
    )  # fmt: skip
    with opened_map(path) as source:
        points, _, _ = pixels_at(source, np.array([0.0, 180.0, 120.0]), np.zeros(3))
    assert points.tolist() == [0]
