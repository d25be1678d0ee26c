"""GeoTIFFs of a user: names, windows, gaps and units, compared with rasterio."""

import numpy as np
import pytest
import rasterio
from geotiff_maker import tiff

from minortom.errors import InputError
from minortom.scenes.geotiffs import open_bands, read_bands, sensor_of
from minortom.scenes.image_reader import ImageReader


@pytest.fixture
def values():
    return np.random.default_rng(0).uniform(100, 5000, (3, 6, 8)).astype(np.float32)


def test_bands_are_named_by_their_descriptions_or_by_the_caller(tmp_path, values):
    path = tiff(tmp_path / "a.tif", values, names=("B04", "vv", "VH"))
    stack = read_bands(path)
    assert stack.names == ("B04", "vv", "VH")
    np.testing.assert_array_equal(stack.values, values)
    assert stack.valid.all()
    assert (stack.epsg, stack.transform) == (32631, (10, 0, 500_000, 0, -10, 4_000_000))
    assert read_bands(path, ["x", "y", "z"]).names == ("x", "y", "z")
    assert [sensor_of(name) for name in stack.names] == ["s2", "s1", "s1"]


def test_a_window_is_the_part_of_the_whole_at_its_place(tmp_path, values):
    path = tiff(tmp_path / "a.tif", values, names=("B02", "B03", "B04"))
    with open_bands(path) as opened:
        assert (opened.height_px, opened.width_px) == (6, 8)
        part = opened.read(row_px=2, col_px=5, height_px=3, width_px=2)
    np.testing.assert_array_equal(part.values, values[:, 2:5, 5:7])
    with rasterio.open(path) as source:
        west, north = source.transform @ (5, 2)
    assert (part.transform[2], part.transform[5]) == (west, north)


def test_nodata_and_nan_are_not_measured(tmp_path, values):
    values[0, 0, 0], values[1, 2, 3] = -9999, np.nan
    stack = read_bands(tiff(tmp_path / "a.tif", values, names=("a", "b", "c"), nodata=-9999))
    wanted = np.ones(values.shape, bool)
    wanted[0, 0, 0] = wanted[1, 2, 3] = False
    np.testing.assert_array_equal(stack.valid, wanted)


def test_bands_without_names_are_one_line(tmp_path, values):
    path = tiff(tmp_path / "a.tif", values)
    with pytest.raises(
        InputError, match="each of the 3 bands of .*a.tif, found 3 without a name; give --s2-bands"
    ):
        read_bands(path)
    with pytest.raises(InputError, match="expected 3 names, .* in order, found 2: B02, B03"):
        read_bands(path, ["B02", "B03"])


def test_a_file_that_is_not_a_raster_is_one_line(tmp_path):
    (tmp_path / "a.tif").write_text("no picture")
    with pytest.raises(InputError, match=r"cannot read .*a.tif \(.*\); give a raster"):
        read_bands(tmp_path / "a.tif")
    with pytest.raises(InputError, match="cannot read .*b.tif"):
        read_bands(tmp_path / "b.tif")


def test_one_file_is_split_by_sensor(tmp_path, values):
    values[1:] *= -0.01
    path = tiff(tmp_path / "a.tif", values, names=("B04", "VV", "VH"))
    found = ImageReader()({"file": path})
    assert {sensor: names for sensor, (names, _) in found.items()} == {
        "s2": ("B04",), "s1": ("VV", "VH"),
    }  # fmt: skip
    np.testing.assert_array_equal(found["s1"][1], values[1:])


def test_two_files_are_one_image_with_the_names_that_a_user_gives(tmp_path, values):
    s1_db = -values[:2] / 250
    s2, s1 = tiff(tmp_path / "s2.tif", values), tiff(tmp_path / "s1.tif", s1_db)
    reader = ImageReader(s2_bands=("B02", "B03", "B04"), s1_bands=("vv", "vh"))
    found = reader({"s2": s2, "s1": s1})
    assert found["s2"][0] == ("B02", "B03", "B04")
    np.testing.assert_array_equal(found["s1"][1], s1_db)


def test_gaps_get_the_mean_of_the_band(tmp_path, values):
    values[2, :, 0] = 0
    path = tiff(tmp_path / "a.tif", values, names=("B02", "B03", "B04"), nodata=0)
    filled = ImageReader()({"file": path})["s2"][1]
    np.testing.assert_allclose(filled[2, :, 0], values[2, :, 1:].mean(), rtol=1e-5)
    np.testing.assert_array_equal(filled[:2], values[:2])
    values[1] = 0
    tiff(path, values, names=("B02", "B03", "B04"), nodata=0)
    with pytest.raises(InputError, match="expected measured pixels in B03, found none"):
        ImageReader()({"file": path})
