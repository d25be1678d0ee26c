import json

import geopandas
import numpy as np
import pytest
import shapely
from pyproj import Transformer
from shapely.geometry import box, mapping

from minortom.errors import InputError
from minortom.grid.bbox import BBox
from minortom.grid.cells import cells_at, cells_from_names, columns_of_rows, whole_grid
from minortom.grid.footprints import cell_polygons
from minortom.grid.regions import Region, touched


def geojson(path, *shapes):
    features = [{"type": "Feature", "properties": {}, "geometry": mapping(s)} for s in shapes]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def names_in(region, *boxes_deg):
    """Name the cells of the whole grid near the boxes that the region touches."""
    cells = whole_grid()
    near = np.zeros(len(cells), bool)
    for one in boxes_deg:
        west, south, east, north = one
        near |= BBox(west=west, south=south, east=east, north=north).touches_boxes(
            *cells.bounds_deg()
        )
    cells = cells.take(near)
    return sorted(cells.take(region.touches(cells)).names().tolist())


@pytest.fixture
def l_shaped():
    return shapely.union(box(10, 40, 14, 41), box(10, 40, 11, 44))


@pytest.mark.parametrize(
    ("name", "crs"),
    [("a.geojson", 4326), ("a.gpkg", 4326), ("a.shp", 4326), ("a.gpkg", 32632), ("a.shp", 3035),
     ("a.parquet", 4258)],
)  # fmt: skip
def test_any_vector_file_in_any_system_gives_the_same_cells(tmp_path, l_shaped, name, crs):
    frame = geopandas.GeoDataFrame(geometry=[l_shaped.segmentize(0.01)], crs=4326).to_crs(crs)
    (frame.to_parquet if name.endswith("parquet") else frame.to_file)(tmp_path / name)
    cells = whole_grid()
    cells = cells.take(BBox.parse("9,39,15,45").touches_boxes(*cells.bounds_deg()))
    polygons = cell_polygons(cells)
    share = shapely.area(shapely.intersection(polygons, l_shaped)) / shapely.area(polygons)

    found = Region.read(tmp_path / name).touches(cells)

    assert found[share > 1e-4].all()
    assert not found[shapely.distance(polygons, l_shaped) > 1e-4].any()
    assert found.sum() > 500


def test_the_whole_grid_agrees_with_one_comparison_a_cell(tmp_path):
    rng = np.random.default_rng(3)
    angles = np.sort(rng.random(400)) * 2 * np.pi
    radii = 20 + 15 * rng.random(400)
    star = shapely.polygons(np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1))
    holed = shapely.difference(star, box(-3, -3, 3, 3))
    cells = whole_grid().take(rng.integers(0, 5_094_350, 20_000))
    polygons = cell_polygons(cells)

    found = Region.read(geojson(tmp_path / "a.json", holed)).touches(cells)

    wanted = shapely.area(shapely.intersection(polygons, holed)) > 0
    assert (found == wanted).all()
    assert 500 < found.sum() < 5000


def test_a_cell_that_shares_an_edge_alone_is_not_in_the_area(tmp_path):
    cell = cells_from_names(["5U_1R"])
    region = Region.read(geojson(tmp_path / "a.json", cell_polygons(cell)[0]))
    assert names_in(region, (-1, 0, 1, 1)) == ["5U_1R"]


def test_a_region_smaller_than_a_cell_finds_the_cell_around_it(tmp_path):
    region = Region.read(geojson(tmp_path / "a.json", box(18.42, -33.92, 18.421, -33.919)))
    assert names_in(region, (18, -35, 19, -33)) == cells_at(18.42, -33.92).names().tolist()


def test_an_area_in_two_parts_at_the_antimeridian_finds_the_cell_that_reaches_over(tmp_path):
    row = next(k for k in range(100) if columns_of_rows(k) % 2)
    half = int(columns_of_rows(row)) // 2
    over, next_to_it = f"{row}U_{half}R", f"{row}U_{half}L"
    west, south, east, north = cells_from_names([over, next_to_it]).bounds_deg()
    assert (east > 180).tolist() == [True, False]
    parts = box(west[0], south[0], 180, north[0]), box(-180, south[0], east[0] - 360, north[0])
    around = (179, south[0], 180, north[0]), (-180, south[0], -179, north[0])
    both = Region.read(geojson(tmp_path / "a.json", shapely.MultiPolygon(parts)))
    eastern_part = Region.read(geojson(tmp_path / "b.json", parts[1]))

    assert names_in(both, *around) == names_in(eastern_part, *around) == [over]


@pytest.mark.parametrize(
    ("crs", "shape"),
    [
        (3031, shapely.Point(0, 0).buffer(2_000_000)),  # round the south pole
        (3413, box(-1_500_000, -1_500_000, 500_000, 500_000)),  # round the north pole
        (3413, shapely.Point(0, 0).buffer(2.2e6).difference(shapely.Point(0, 0).buffer(1.5e6))),
        (3832, box(2_500_000, -1e6, 4_500_000, 1e6)),  # over the antimeridian
        (32601, box(100_000, 5e6, 500_000, 6e6)),  # the same, in UTM
        (6933, box(-17_367_530, -1e6, 17_367_530, 1e6)),  # all round the equator
        (54009, box(-1e6, -1e6, 1e6, 1e6)),
    ],
)
def test_projected_areas_contain_the_same_points_in_degrees(tmp_path, crs, shape):
    authority = "ESRI" if crs == 54009 else "EPSG"
    frame = geopandas.GeoSeries([shape], crs=f"{authority}:{crs}")
    frame.to_file(tmp_path / "a.gpkg")
    rng = np.random.default_rng(1)
    lon_deg, lat_deg = rng.uniform(-180, 180, 20_000), rng.uniform(-89.9, 89.9, 20_000)
    xy = Transformer.from_crs(4326, frame.crs, always_xy=True).transform(lon_deg, lat_deg)
    wanted = shapely.contains_xy(shape, *(np.where(np.isfinite(v), v, 1e12) for v in xy))
    points = shapely.points(*(np.where(np.isfinite(v), v, 1e12) for v in xy))
    clear = shapely.distance(shape.boundary, points) > 5_000

    area = Region.read(tmp_path / "a.gpkg").area

    found = shapely.contains_xy(area, lon_deg, lat_deg)
    assert (found == wanted)[clear].all()
    assert wanted.any()


def test_a_bow_tie_is_mended_and_overlaps_are_joined(tmp_path):
    tie = shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    region = Region.read(geojson(tmp_path / "a.json", tie, box(0, 0, 2, 0.5), box(0, 0, 1, 0.5)))
    assert region.area.area == pytest.approx(2 + 1 - 2 * 0.125)


def test_region_and_box_must_both_be_touched(tmp_path):
    region = Region.read(geojson(tmp_path / "a.json", box(0, 0, 10, 1)))
    edges = tuple(
        map(np.array, ([1.0, 5.0, 5.0], [0.2, 0.2, 3.0], [2.0, 6.0, 6.0], [1.0] * 2 + [4]))
    )
    bbox = BBox.parse("4,0,8,9")
    assert touched(edges, region=None, bbox=None).tolist() == [True, True, True]
    assert touched(edges, region=region, bbox=None).tolist() == [True, True, False]
    assert touched(edges, region=None, bbox=bbox).tolist() == [False, True, True]
    assert touched(edges, region=region, bbox=bbox).tolist() == [False, True, False]


def test_an_area_in_the_middle_of_a_large_box_touches_it(tmp_path):
    region = Region.read(geojson(tmp_path / "a.json", box(7.4, 1.4, 7.6, 1.6)))
    edges = np.array([[6.0, 9.0], [0.0, 0.0], [9.0, 12.0], [3.0, 3.0]])
    assert region.touches_boxes(*edges).tolist() == [True, False]


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([], "has no geometry"),
        ([shapely.Polygon()], "has no geometry"),
        (
            [shapely.Point(1, 2)],
            "expected polygons .* found Point in .* locate --points`",
        ),
        ([shapely.LineString([(0, 0), (1, 1)]), box(0, 0, 1, 1)], "found LineString in"),
        (
            [box(179, 0, 181, 1)],
            "found the longitude 181; cut polygons in two at the antimeridian",
        ),
        ([box(0, 0, 1, 91)], "expected degrees from -90 to 90 in .* found the latitude 91"),
        ([shapely.Polygon([(0, 0), (1, 1), (0, 0)])], "polygons without area"),
    ],
)
def test_other_geometries_than_areas_are_an_error(tmp_path, shapes, message):
    with pytest.raises(InputError, match=message):
        Region.read(geojson(tmp_path / "a.json", *shapes))


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(InputError, match="does not exist; expected polygons in a vector file"):
        Region.read(tmp_path / "nowhere.gpkg")
    for name in ("a.geojson", "a.parquet", "a.txt"):
        (tmp_path / name).write_text("tiles")
        with pytest.raises(InputError, match="cannot read the region") as caught:
            Region.read(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_the_geometry_may_have_another_name(tmp_path):
    frame = geopandas.GeoDataFrame(geometry=[box(0, 0, 1, 1)], crs=4326).rename_geometry("geom")
    frame.to_parquet(tmp_path / "a.parquet")
    assert Region.read(tmp_path / "a.parquet").area.area == pytest.approx(1)


def test_a_table_without_geometry_is_an_error(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="a.csv has no geometry"):
        Region.read(tmp_path / "a.csv")


def test_a_shapefile_without_a_system_is_an_error(tmp_path):
    geopandas.GeoSeries([box(0, 0, 1, 1)], crs=4326).to_file(tmp_path / "a.shp")
    (tmp_path / "a.prj").unlink()
    with pytest.raises(InputError, match="has no coordinate system"):
        Region.read(tmp_path / "a.shp")


def test_coordinates_without_a_place_on_the_globe_are_an_error(tmp_path):
    geopandas.GeoSeries([box(1e9, 1e9, 2e9, 2e9)], crs=32632).to_file(tmp_path / "a.gpkg")
    with pytest.raises(InputError, match="no place on the globe; correct the coordinate system"):
        Region.read(tmp_path / "a.gpkg")


@pytest.mark.parametrize(("west", "east"), [(179, -179), (-100, 100), (-179.9, 179.9)])
def test_an_edge_with_two_readings_is_an_error_that_says_how_to_write_both(tmp_path, west, east):
    ring = [[west, -17], [east, -17], [east, -16], [west, -16], [west, -17]]
    path = geojson(tmp_path / "a.json", shapely.Polygon(ring))

    with pytest.raises(InputError, match=f"found one from {west} to {east}; cut an area") as caught:
        Region.read(path)

    assert "in two, at 180 and -180" in str(caught.value)
    # The advice holds: the strip in two parts, and the long way round with a corner in its middle.
    strip = shapely.MultiPolygon([box(max(west, east), -17, 180, -16), box(-180, -17, -179, -16)])
    assert Region.read(geojson(path, strip)).area.area == pytest.approx(181 - max(west, east))
    middle = (west + east) / 2
    long_way = shapely.Polygon([*ring[:2], ring[2], [middle, -16], *ring[3:4], ring[0]])
    long_way = shapely.Polygon([ring[0], [middle, -17], *long_way.exterior.coords[1:]])
    assert Region.read(geojson(path, long_way)).area.area == pytest.approx(abs(east - west))


@pytest.mark.parametrize("shape", [box(-180, -90, 180, 90), box(-180, -10, 180, 10)])
def test_an_edge_all_the_way_round_has_one_reading(tmp_path, shape):
    assert Region.read(geojson(tmp_path / "a.json", shape)).area.equals(shape)
