"""Scenes in files: bands by sensor, pixel grids, and measured pixels."""

import numpy as np
import pytest
from affine import Affine
from geotiff_maker import UTM, tiff
from rasterio.shutil import copy

from minortom.errors import InputError
from minortom.scenes.scene import open_scene


@pytest.fixture
def s2():
    return np.random.default_rng(0).uniform(100, 5000, (3, 20, 30)).astype(np.float32)


@pytest.fixture
def s1():
    return np.random.default_rng(1).uniform(-20, -1, (2, 20, 30)).astype(np.float32)


def test_one_file_is_split_by_sensor_for_any_order_of_bands(tmp_path, s2, s1):
    both = np.concatenate([s1[:1], s2, s1[1:]])
    path = tiff(tmp_path / "a.tif", both, names=("VH", "B04", "B03", "B02", "VV"))
    with open_scene(path) as scene:
        assert scene.bands == {"s2": ("B04", "B03", "B02"), "s1": ("VH", "VV")}
        assert (scene.height_px, scene.width_px, scene.pixel_m) == (20, 30, 10.0)
        values, valid = scene.read("s1", [1, 0], row_px=4, height_px=6)
        np.testing.assert_array_equal(values, s1[::-1, 4:10])
        assert valid.all()
        np.testing.assert_array_equal(scene.read("s2", [2], row_px=19, height_px=1)[0], s2[2:, 19:])


def test_two_files_are_one_scene_with_the_names_that_a_user_gives(tmp_path, s2, s1):
    paths = tiff(tmp_path / "s2.tif", s2), tiff(tmp_path / "s1.tif", s1)
    names = {"s2_bands": ("B02", "B03", "B04"), "s1_bands": ("vv", "vh")}
    with open_scene(paths[0], s1=paths[1], **names) as scene:
        assert scene.bands == {"s2": ("B02", "B03", "B04"), "s1": ("vv", "vh")}
        assert scene.files == paths
        np.testing.assert_array_equal(scene.read("s1", [0, 1], row_px=0, height_px=20)[0], s1)


def test_given_names_of_one_file_are_those_of_sentinel_2_and_then_1(tmp_path, s2, s1):
    path = tiff(tmp_path / "a.tif", np.concatenate([s2, s1]))
    with open_scene(path, s2_bands=("B02", "B03", "B04"), s1_bands=("vv", "vh")) as scene:
        np.testing.assert_array_equal(scene.read("s1", [0, 1], row_px=0, height_px=20)[0], s1)


def test_zeros_in_all_bands_of_a_sensor_were_not_measured(tmp_path, s2, s1):
    s2[:, 0, :5], s2[1, 1], s1[:, 2], s1[0, 3, 3] = 0, 0, 0, -9999
    names = ("B02", "B03", "B04", "VV", "VH")
    both = np.concatenate([s2, s1])
    with open_scene(tiff(tmp_path / "a.tif", both, names=names, nodata=-9999)) as scene:
        of_s2 = scene.read("s2", [0, 1, 2], row_px=0, height_px=20)[1]
        of_s1 = scene.read("s1", [0, 1], row_px=0, height_px=20)[1]
    assert not of_s2[:, 0, :5].any()
    assert of_s2.sum() == of_s2.size - 15
    assert not of_s1[0, 3, 3]
    assert not of_s1[:, 2].any()
    assert of_s1.sum() == of_s1.size - 1 - 2 * 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transform": UTM @ Affine.translation(0.5, 0)}, "0.5 pixels apart"),
        ({"transform": UTM @ Affine.scale(1.001)}, "pixels apart"),
        ({"crs": "EPSG:32632"}, "EPSG 32631 and 32632"),
        ({"transform": None}, "EPSG 32631 and None"),
    ],
)
def test_two_files_on_other_grids_are_one_line(tmp_path, s2, s1, change, message):
    paths = tiff(tmp_path / "s2.tif", s2), tiff(tmp_path / "s1.tif", s1, **change)
    names = {"s2_bands": ("B02", "B03", "B04"), "s1_bands": ("vv", "vh")}
    with pytest.raises(InputError, match=message), open_scene(paths[0], s1=paths[1], **names):
        pass


def test_two_files_of_other_sizes_are_one_line(tmp_path, s2, s1):
    paths = tiff(tmp_path / "s2.tif", s2), tiff(tmp_path / "s1.tif", s1[:, :, 1:])
    names = {"s2_bands": ("B02", "B03", "B04"), "s1_bands": ("vv", "vh")}
    with (
        pytest.raises(
            InputError, match=r"s1.tif on the pixel grid of .*s2.tif, found 20 × 30 px and 20 ×"
        ),
        open_scene(paths[0], s1=paths[1], **names),
    ):
        pass


def test_a_scene_without_a_place_is_one_line(tmp_path, s2):
    path = tiff(tmp_path / "a.tif", s2, names=("B02", "B03", "B04"), transform=None)
    with (
        pytest.raises(
            InputError, match="expected a georeferenced file, found no coordinate system"
        ),
        open_scene(path),
    ):
        pass


@pytest.mark.parametrize(
    ("transform", "crs", "wanted"),
    [
        (Affine(20, 0, 0, 0, -20, 0), "EPSG:32631", 20.0),
        (Affine.rotation(30) @ Affine.scale(10, -10), "EPSG:32631", 10.0),
        (Affine(10, 0, 0, 0, -10, 0), "EPSG:2263", 3.048006),  # feet of the United States
        (Affine(1e-4, 0, 0, 0, -1e-4, 0), "EPSG:4326", None),
        (Affine(10, 0, 0, 0, -11, 0), "EPSG:32631", None),
    ],
)
def test_the_side_of_a_pixel_is_in_metres(tmp_path, s2, transform, crs, wanted):
    names = ("B02", "B03", "B04")
    path = tiff(tmp_path / "a.tif", s2, names=names, transform=transform, crs=crs)
    with open_scene(path) as scene:
        assert scene.pixel_m == (wanted and pytest.approx(wanted))


def test_a_virtual_raster_counts_its_sources_but_no_auxiliary_files(tmp_path, s2):
    path = tiff(tmp_path / "a.tif", s2, names=("B02", "B03", "B04"))
    copy(path, tmp_path / "a.vrt", driver="VRT")
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset></PAMDataset>")
    with open_scene(tmp_path / "a.vrt") as scene:
        assert scene.files == (tmp_path / "a.vrt", path)
    with open_scene(path) as scene:
        assert scene.files == (path,)
