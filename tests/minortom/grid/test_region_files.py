import io
import json
import logging
import zipfile

import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely
from shapely.geometry import box, mapping

from minortom.errors import InputError, UsageError
from minortom.grid.area_cells import cells
from minortom.grid.regions import Region, region_of

SQUARE = box(5, 45, 6, 46)
CELLS = 106
"""Cells that overlap the square: 12 rows of 10 to 8 columns each, as the test below counts."""


def feature(geometry):
    return {"type": "Feature", "properties": {}, "geometry": geometry}


def write_geojson(path, *geometries):
    features = [feature(geometry) for geometry in geometries]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def polygon(*rings):
    return {"type": "Polygon", "coordinates": rings}


def notes(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def kml(*folders):
    body = "".join(f"<Folder><name>{name}</name>{inside}</Folder>" for name, inside in folders)
    return (
        '<?xml version="1.0" encoding="UTF-8"?><kml xmlns="http://www.opengis.net/kml/2.2">'
        f"<Document><name>d</name>{body}</Document></kml>"
    )


KML_PIN = "<Point><coordinates>5.5,45.5,0</coordinates></Point>"
KML_SQUARE = (
    "<Polygon><outerBoundaryIs><LinearRing><coordinates>5,45,0 6,45,0 6,46,0 5,46,0 5,45,0"
    "</coordinates></LinearRing></outerBoundaryIs></Polygon>"
)


def placemark(inside):
    return f"<Placemark><name>p</name>{inside}</Placemark>"


def shapefile_members(folder, shape=SQUARE, name="aoi"):
    geopandas.GeoSeries([shape], crs=4326).to_file(folder / f"{name}.shp")
    return {path.name: path.read_bytes() for path in folder.glob(f"{name}.*")}


def write_zip(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_the_square_overlaps_as_many_cells_as_there_are_by_arithmetic():
    rows = np.arange(int(45 * 2004 / 180), int(np.ceil(46 * 2004 / 180)))
    # A row has as many cells as fit round its southern edge, each as wide as a cell is high.
    counts = np.ceil(4008 * np.cos(np.radians(rows * 180 / 2004))).astype(int)
    width_deg = 360 / counts
    wanted = np.ceil(6 / width_deg) - np.floor(5 / width_deg)

    found = cells(bbox=(5, 45, 6, 46)).names

    assert len(found) == CELLS
    assert abs(wanted.sum() - CELLS) <= len(rows)


def test_a_collection_of_polygons_is_its_polygons(tmp_path, caplog):
    inner = {"type": "GeometryCollection", "geometries": [mapping(SQUARE)]}
    outer = {"type": "GeometryCollection", "geometries": [inner, mapping(box(7, 45, 8, 46))]}
    region = Region.read(write_geojson(tmp_path / "a.geojson", outer))

    assert region.area.equals(shapely.union(SQUARE, box(7, 45, 8, 46)))
    assert notes(caplog) == []


@pytest.mark.parametrize(
    "folders",
    [
        [("A", placemark(f"<MultiGeometry>{KML_PIN}{KML_SQUARE}</MultiGeometry>"))],
        [("A", placemark(KML_PIN) + placemark(KML_SQUARE))],
        [("pins", placemark(KML_PIN)), ("areas", placemark(KML_SQUARE))],
    ],
)
def test_a_pin_beside_the_polygon_is_left_out(tmp_path, caplog, folders):
    (tmp_path / "a.kml").write_text(kml(*folders))

    region = Region.read(tmp_path / "a.kml")

    assert region.area.equals(SQUARE)
    said = [f"{tmp_path / 'a.kml'}: points beside the polygons have been left out, 1 in all"]
    assert notes(caplog) == (said if len(folders) == 1 else [])


def test_an_open_ring_is_closed_with_a_note(tmp_path, caplog):
    ring = [[5, 45], [6, 45], [6, 46], [5, 46]]
    path = write_geojson(tmp_path / "a.geojson", polygon(ring), mapping(box(7, 45, 8, 46)))

    assert Region.read(path).area.area == pytest.approx(2)
    assert notes(caplog) == [
        f"{path}: rings that were not closed have been closed, in 1 of 2 features"
    ]


@pytest.mark.parametrize("ring", [[[5, 45], [6, 46]], [[5, 45], [6, 46], [5, 45]], [[5, 45]]])
def test_a_ring_of_two_corners_is_one_line(tmp_path, ring):
    path = write_geojson(tmp_path / "a.geojson", mapping(box(7, 45, 8, 46)), polygon(ring))
    with pytest.raises(InputError, match="three corners or more in .*, found feature 2|without"):
        region = Region.read(path)
        raise InputError("without") if region.area.equals(box(7, 45, 8, 46)) else AssertionError


@pytest.mark.parametrize("suffix", ["geojson", "gpkg", "parquet"])
@pytest.mark.parametrize("crs", [4326, 32632])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_coordinate_that_is_no_number_is_one_line_and_no_warning(tmp_path, suffix, crs, value):
    if suffix == "geojson":
        text = json.dumps(polygon([[0, 0], [value, 1], [1, 1], [0, 0]]))
        (tmp_path / "a.geojson").write_text(text)
    else:
        wkb = shapely.to_wkb(shapely.Polygon([(0, 0), (1, 0), (1, 1), (0, 0)]))
        corner, other = (np.array([x, 0.0]).tobytes() for x in (1, value))
        with np.errstate(invalid="ignore"):
            shape = shapely.from_wkb(wkb.replace(corner, other))
            frame = geopandas.GeoDataFrame(geometry=[shape], crs=crs)
            (frame.to_parquet if suffix == "parquet" else frame.to_file)(tmp_path / f"a.{suffix}")
    with pytest.raises(InputError, match="expected numbers as coordinates in .*NaN or infinity"):
        Region.read(tmp_path / f"a.{suffix}")


def test_an_open_ring_in_geoparquet_is_one_line(tmp_path):
    path = tmp_path / "a.parquet"
    geopandas.GeoDataFrame(geometry=[SQUARE], crs=4326).to_parquet(path)
    table = pq.read_table(path)
    wkb = bytearray(table["geometry"][0].as_py())
    wkb[-16:-8] = np.float64(7).tobytes()
    column = pa.array([bytes(wkb)], table.schema.field("geometry").type)
    pq.write_table(table.set_column(0, table.schema.field("geometry"), column), path)
    with pytest.raises(InputError, match="cannot read the region .*closed"):
        Region.read(path)


def two_layers(path):
    for layer, shape in (("land", SQUARE), ("sea", box(7, 45, 9, 46))):
        geopandas.GeoSeries([shape], crs=4326).to_file(path, layer=layer)
    return path


def test_several_layers_need_a_choice(tmp_path):
    path = two_layers(tmp_path / "a.gpkg")

    wanted = r"expected one layer of polygons in .*, found 2 \(land, sea\); choose one by --region-"
    with pytest.raises(InputError, match=wanted):
        Region.read(path)
    with pytest.raises(InputError, match="layer lake in .*, found 0 .* layers are land, sea; corr"):
        Region.read(path, "lake")

    assert Region.read(path, "land").area.equals(SQUARE)
    assert Region.read(path, "sea").area.equals(box(7, 45, 9, 46))


def test_layers_without_polygons_need_no_choice(tmp_path):
    path = tmp_path / "a.gpkg"
    geopandas.GeoSeries([SQUARE], crs=4326).to_file(path, layer="aoi")
    geopandas.GeoSeries([shapely.Point(1, 2)], crs=4326).to_file(path, layer="towns")
    geopandas.GeoSeries([shapely.MultiPoint([(1, 2)])], crs=4326).to_file(path, layer="trees")
    geopandas.GeoSeries([shapely.LineString([(1, 2), (3, 4)])], crs=4326).to_file(path, layer="r")
    pyogrio.write_dataframe(pd.DataFrame({"styleQML": ["<qgis/>"]}), path, layer="layer_styles")

    assert len(pyogrio.list_layers(path)) == 5
    assert Region.read(path).area.equals(SQUARE)


def test_the_choice_of_a_layer_is_recorded_and_the_default_changes_nothing(tmp_path):
    path = two_layers(tmp_path / "a.gpkg")
    one = tmp_path / "one.geojson"
    geopandas.GeoSeries([SQUARE], crs=4326).to_file(one)

    found = cells(region=path, region_layer="land")

    assert len(found.names) == CELLS
    assert found.provenance.options == {"bbox": None, "region_layer": "land"}
    assert cells(region=one).provenance.options == {"bbox": None}
    with pytest.raises(UsageError, match="expected --region beside --region-layer"):
        region_of(None, "land")
    with pytest.raises(InputError, match="region_layer must be the name of a layer, found 3"):
        region_of(one, 3)


def test_geoparquet_has_no_layers(tmp_path):
    path = tmp_path / "a.parquet"
    geopandas.GeoDataFrame(geometry=[SQUARE], crs=4326).to_parquet(path)
    with pytest.raises(InputError, match="which has no layers; omit --region-layer"):
        Region.read(path, "land")


@pytest.mark.parametrize("folder", ["", "sub/", "a/b c/ü/"])
def test_a_file_in_any_folder_of_a_zip_is_found(tmp_path, folder):
    members = {folder + name: content for name, content in shapefile_members(tmp_path).items()}
    members |= {f"__MACOSX/{folder}._aoi.shp": b"x", f"{folder}.DS_Store": b"x", "read.me": b"x"}
    assert Region.read(write_zip(tmp_path / "a.zip", members)).area.equals(SQUARE)

    geojson = json.dumps(mapping(SQUARE)).encode()
    other = write_zip(tmp_path / "b.zip", {f"{folder}aoi.geojson": geojson})
    assert Region.read(other).area.equals(SQUARE)


def test_several_files_of_a_zip_are_chosen_by_their_names(tmp_path):
    members = shapefile_members(tmp_path) | shapefile_members(tmp_path, box(7, 45, 8, 46), "sea")
    path = write_zip(tmp_path / "a.zip", {f"sub/{name}": text for name, text in members.items()})

    with pytest.raises(
        InputError, match=r"found 2 \((aoi, sea|sea, aoi)\); choose one by --region-"
    ):
        Region.read(path)
    assert Region.read(path, "sea").area.equals(box(7, 45, 8, 46))


def test_a_zip_without_a_vector_file_or_of_damaged_bytes_is_one_line(tmp_path):
    write_zip(tmp_path / "a.zip", {"read.me": b"x"})
    (tmp_path / "b.zip").write_bytes(b"PK\x03\x04" + bytes(50))
    whole = io.BytesIO()
    write_zip(whole, shapefile_members(tmp_path))
    (tmp_path / "c.zip").write_bytes(whole.getvalue()[:200])
    for name in ("a.zip", "b.zip", "c.zip"):
        with pytest.raises(InputError, match="cannot read the region"):
            Region.read(tmp_path / name)


def test_an_unknown_system_is_one_line(tmp_path):
    geopandas.GeoSeries([SQUARE], crs=4326).to_file(tmp_path / "a.shp")
    (tmp_path / "a.prj").write_text('PROJCS["nonsense"]')
    with pytest.raises(InputError, match="cannot read the region"):
        Region.read(tmp_path / "a.shp")
