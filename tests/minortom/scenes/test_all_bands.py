"""Readers that need all bands of the model: they check the bands before the values."""

import numpy as np
import pytest
from geotiff_maker import tiff

from minortom.errors import InputError
from minortom.scenes.image_reader import ImageReader
from minortom.scenes.scene import open_scene
from minortom.sensors import MODEL_BANDS

DECIBELS = np.random.default_rng(0).normal(-12, 2, (12, 20, 30)).astype(np.float32)


def of_image(path):
    return tuple(ImageReader(all_bands=True).read({"file": path}))


def of_scene(path):
    with open_scene(path, all_bands=True) as scene:
        return tuple(scene.bands)


@pytest.mark.parametrize("read", [of_image, of_scene])
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("B02", "B03"), r"a\.tif: the model needs the s2 bands .*found B02 B03; add B04, B05"),
        (("vv", "hh"), r"a\.tif: the model needs the s1 bands vv vh, found vv hh; add vh$"),
        (("B02", "vv"), r"needs the s2 bands .*found B02 vv; add B03, B04"),
    ],
)
def test_missing_bands_are_named_before_the_unit_of_the_values(
    tmp_path, read, names, message, caplog
):
    path = tiff(tmp_path / "a.tif", DECIBELS[: len(names)], names=names)
    with pytest.raises(InputError, match=message):
        read(path)
    assert not caplog.records


@pytest.mark.parametrize("read", [of_image, of_scene])
def test_all_bands_of_one_sensor_are_enough(tmp_path, read):
    pixels = np.concatenate([np.exp(DECIBELS[:10] / 10 + 8), DECIBELS[10:11]])
    path = tiff(tmp_path / "a.tif", pixels, names=(*MODEL_BANDS["s2"], "vv"))
    assert read(path) == ("s2", "s1")
