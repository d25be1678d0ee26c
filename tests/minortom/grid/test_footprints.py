import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from rasterio.io import MemoryFile

from minortom.errors import InputError
from minortom.grid.cells import Cells, cells_at, cells_from_names, columns_of_rows
from minortom.grid.footprints import cell_polygons, tile_bounds_m, tile_polygons


def tiles(real_data, sensor, band):
    """Return (cell name, EPSG code, bounds) of each tile of the sample archive."""
    for part in sorted((real_data / "majortom-sample" / sensor / "images").glob("*.parquet")):
        rows = pq.read_table(part, columns=["grid_cell", band]).to_pylist()
        for row in rows:
            with MemoryFile(row[band]) as file, file.open() as tiff:
                yield row["grid_cell"], tiff.crs.to_epsg(), tuple(tiff.bounds)


def test_a_cell_is_a_rectangle_in_degrees():
    (polygon,) = cell_polygons(cells_from_names(["1U_2R"]))
    step = 360 / columns_of_rows(1)
    expected = shapely.box(2 * step, 180 / 2004, 3 * step, 2 * 180 / 2004)
    assert shapely.equals(polygon, expected)


def test_a_cell_over_the_antimeridian_has_a_part_on_either_side():
    row = next(k for k in range(200, 300) if columns_of_rows(k) % 2)
    cell = cells_at(180, row * 180 / 2004)
    (polygon,) = cell_polygons(cell)
    west, south, east, north = (v[0] for v in cell.bounds_deg())

    assert polygon.geom_type == "MultiPolygon"
    assert polygon.bounds[::2] == (-180, 180)
    assert polygon.area == pytest.approx((east - west) * (north - south))


def test_full_real_tiles_lie_where_the_formula_says(real_data):
    full = list(tiles(real_data, "Core-S2L2A", "B02"))[:2]
    cells = cells_from_names([name for name, _, _ in full])

    bounds = tile_bounds_m(cells, [epsg for _, epsg, _ in full])

    np.testing.assert_allclose(bounds, [b for _, _, b in full], atol=1e-6)
    np.testing.assert_array_equal(cells.utm_epsg(), [epsg for _, epsg, _ in full])


@pytest.mark.parametrize(("sensor", "band"), [("Core-S2L2A", "B04"), ("Core-S1RTC", "vv")])
def test_every_real_tile_lies_in_the_cell_it_is_named_after(real_data, sensor, band):
    from pyproj import Transformer

    for name, epsg, bounds in tiles(real_data, sensor, band):
        cell = cells_from_names([name])
        left, bottom, right, top = tile_bounds_m(cell, epsg)[0]
        window = shapely.box(*bounds)
        tile = shapely.box(left - 1e-3, bottom - 1e-3, right + 1e-3, top + 1e-3)
        assert tile.contains(window), name
        to_lonlat = Transformer.from_crs(epsg, 4326, always_xy=True)
        middle = to_lonlat.transform(window.centroid.x, window.centroid.y)
        assert cells_at(*middle).names() == [name]


def test_a_tile_reaches_340_m_beyond_its_corner_and_is_10680_m_wide():
    from pyproj import Transformer

    cell = cells_from_names(["500D_100L"])
    left, bottom, right, top = tile_bounds_m(cell)[0]
    lon_deg, lat_deg = Transformer.from_crs(
        int(cell.utm_epsg()[0]), 4326, always_xy=True
    ).transform(left + 340, bottom + 340)

    assert (right - left, top - bottom) == (10_680, 10_680)
    west, south, _, _ = cell.bounds_deg()
    np.testing.assert_allclose([lon_deg, lat_deg], [west[0], south[0]], atol=1e-9)


def test_tiles_next_to_each_other_overlap_by_some_680_m():
    bounds = tile_bounds_m(cells_from_names(["0U_33R", "0U_34R"]))
    # Near the middle of a zone, on the equator: cells of 360 / 4008 degrees, 9,999 m wide on the
    # ellipsoid, shrunk by 4 in 10,000.
    assert bounds[0, 2] - bounds[1, 0] == pytest.approx(680, abs=10)


def test_a_tile_in_degrees_has_the_corners_of_its_square():
    from pyproj import Transformer

    cells = cells_at([10.0, -70.0, 25.0], [45.0, -33.0, 78.0])
    for polygon, epsg, bounds in zip(
        tile_polygons(cells), cells.utm_epsg(), tile_bounds_m(cells), strict=True
    ):
        to_zone = Transformer.from_crs(4326, int(epsg), always_xy=True)
        x_m, y_m = to_zone.transform(*shapely.get_coordinates(polygon).T)
        np.testing.assert_allclose([x_m.min(), y_m.min(), x_m.max(), y_m.max()], bounds, atol=1e-3)


@pytest.mark.parametrize("lon_deg", [179.999, -179.999])
def test_a_tile_over_the_antimeridian_has_a_part_on_either_side(lon_deg):
    cell = cells_at(lon_deg, -16.5)
    (polygon,) = tile_polygons(cell)

    assert polygon.geom_type == "MultiPolygon"
    assert polygon.is_valid
    assert polygon.bounds[::2] == (-180, 180)
    # 10,680 m a side, at 16.5 degrees south
    degree_m = 111_000
    area_m2 = polygon.area * degree_m**2 * np.cos(np.radians(16.5))
    assert area_m2 == pytest.approx(10_680**2, rel=0.02)


def test_a_single_zone_applies_to_all_cells():
    cells = cells_from_names(["0U_66R", "0U_67R"])  # on either side of 6 degrees east
    assert cells.utm_epsg().tolist() == [32631, 32632]
    bounds = tile_bounds_m(cells, 32631)
    assert bounds[1, 0] - bounds[0, 0] == pytest.approx(10_000, abs=40)


@pytest.mark.parametrize(
    ("epsg", "message"),
    [
        (4326, "a UTM zone .* found 4326 .* not in metres"),
        (3, "found 3, which is unknown"),
        (2263, "which is not in metres"),
    ],
)
def test_another_code_than_that_of_a_zone_in_metres_is_an_error(epsg, message):
    cells = Cells(row=np.array([0]), col=np.array([0]))
    with pytest.raises(InputError, match=message):
        tile_polygons(cells, epsg)
