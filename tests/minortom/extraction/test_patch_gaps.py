"""Patches with gaps or cloud: which are kept, and how gaps are filled."""

import numpy as np
import pytest
from archive_maker import geotiff, s1_pixels, s2_pixels
from patch_maker import cut, places

from minortom.errors import ArchiveError, InputError
from minortom.extraction.gaps import fill
from minortom.extraction.options import ExportOptions

ALL = [(row, col) for row in range(4) for col in range(4)]
S2_VALUES = 4 * 12 * 12 + 6 * 6 * 6
"""Values of Sentinel-2 in a patch of 12 px, over its bands."""


def test_a_patch_with_few_gaps_is_kept_and_says_how_many():
    s2, s1 = s2_pixels(), s1_pixels()
    s2["B08"][0, :5] = 0  # five values of the first patch
    s2["B11"][0, 0] = 0  # and one of 20 m
    s1["vh"][13, 13:16] = np.nan  # three of row 1, column 1
    patches = cut(s2, s1, max_invalid=2)

    assert places(patches) == ALL
    wanted = np.zeros(16)
    wanted[0] = 6 / S2_VALUES
    np.testing.assert_allclose(patches.s2_invalid, wanted, rtol=1e-6)
    wanted = np.zeros(16)
    wanted[5] = 3 / (2 * 144)
    np.testing.assert_allclose(patches.s1_invalid, wanted, rtol=1e-6)
    assert patches.num_dropped == 0


def test_each_sensor_has_to_have_enough():
    s1 = s1_pixels()
    s1["vh"][13, 13:16] = np.nan  # 3 of 288 values: 1.04 %
    assert (1, 1) not in places(cut(s1=s1, max_invalid=1.04))
    kept = cut(s1=s1, max_invalid=1.05)
    assert places(kept) == ALL
    assert kept.s1_invalid[5] == pytest.approx(3 / 288)


def test_gaps_hold_the_nearest_value_of_their_band_and_patch():
    s2 = s2_pixels()
    s2["B02"][0, 0:3] = 0
    whole, filled = cut(), cut(s2, max_invalid=10)
    band = filled.tensors["s2_10m"][0, 0]
    assert band[0, 2] in (whole.tensors["s2_10m"][0, 0][0, 3], whole.tensors["s2_10m"][0, 0][1, 2])
    assert band[0, 0] == whole.tensors["s2_10m"][0, 0][1, 0]
    same = np.ones((12, 12), bool)
    same[0, 0:3] = False
    np.testing.assert_array_equal(band[same], whole.tensors["s2_10m"][0, 0][same])
    for column, array in filled.tensors.items():
        assert (array[1:] == whole.tensors[column][1:]).all()


def test_filling_looks_across_a_gap_to_the_nearer_side():
    pixels = np.zeros((1, 1, 1, 7), np.uint16)
    pixels[..., 0], pixels[..., 6] = 5, 9
    fill(pixels, 0)
    np.testing.assert_array_equal(pixels[0, 0, 0, [0, 1, 2, 4, 5, 6]], [5, 5, 5, 9, 9, 9])


def test_a_band_without_a_pixel_cannot_be_filled():
    s2 = s2_pixels()
    s2["B11"][:6, :6] = 0  # all of B11 in the first patch: 36 of 792 values
    assert (0, 0) not in places(cut(s2, max_invalid=50))


def test_no_patch_with_a_gap_is_kept_by_default():
    s2 = s2_pixels()
    s2["B11"][0, 0] = 0
    patches = cut(s2)
    assert places(patches) == ALL[1:]
    assert not patches.s2_invalid.any()


def clouded(codes):
    return s2_pixels() | {"cloud_mask": geotiff(codes)}


def test_patches_under_more_cloud_than_wanted_are_dropped():
    codes = np.zeros((48, 48), np.uint8)
    codes[0:3, 0:12] = 1  # 36 of 144 pixels of the first patch: 25 %
    codes[0:3, 12:24] = 2  # the same of the second, thin
    codes[0:12, 24:36] = 3  # the third lies in shadow
    codes[12, 0:1] = 1  # one pixel of row 1
    assert places(cut(clouded(codes), max_cloud=25)) == ALL
    patches = cut(clouded(codes), max_cloud=24.9)
    assert places(patches) == ALL[2:]
    assert (patches.num_cloudy, patches.num_dropped) == (2, 0)
    assert places(cut(clouded(codes), max_cloud=0)) == [p for p in ALL[2:] if p != (1, 0)]


def test_a_patch_with_gaps_and_cloud_counts_as_dropped():
    codes = np.ones((48, 48), np.uint8)
    tile = clouded(codes)
    tile["B02"][0, 0] = 0
    patches = cut(tile, max_cloud=50)
    assert (patches.num_dropped, patches.num_cloudy) == (1, 15)


def test_a_missing_mask_or_one_on_another_grid_is_an_error():
    with pytest.raises(ArchiveError, match="cloud_mask must be a GeoTIFF, found no bytes"):
        cut(s2_pixels() | {"cloud_mask": b""}, max_cloud=10)
    far = geotiff(np.zeros((48, 48), np.uint8), west_m=0.0)
    with pytest.raises(ArchiveError, match="cloud_mask must lie on Grid.*, found Grid"):
        cut(s2_pixels() | {"cloud_mask": far}, max_cloud=10)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_invalid": 100.0}, "expected --max-invalid of 0 to below 100 percent, found 100"),
        (
            {"max_invalid": 0.05},
            "in percent, .* found 0.05; for a share of 0.05 give 5",
        ),
        ({"max_invalid": -1}, "expected --max-invalid of 0 to below 100 percent, found -1"),
        ({"max_invalid": float("nan")}, "expected --max-invalid of 0 to below 100 percent, f"),
        ({"max_cloud": 101}, "must be a percentage from 0 to 100, found 101"),
        ({"max_cloud": float("nan")}, "must be a percentage"),
    ],
)
def test_a_wrong_limit_is_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        ExportOptions(**wrong)


def test_few_bands_are_cut_as_among_all():
    few, whole = cut(bands=("vh", "B11", "B03")), cut()
    assert sorted(few.tensors) == ["s1", "s2_10m", "s2_20m"]
    np.testing.assert_array_equal(few.tensors["s2_10m"], whole.tensors["s2_10m"][:, [1]])
    np.testing.assert_array_equal(few.tensors["s2_20m"], whole.tensors["s2_20m"][:, [4]])
    np.testing.assert_array_equal(few.tensors["s1"], whole.tensors["s1"][:, [1]])


def test_bands_of_20_m_alone_lie_on_the_same_grid():
    few, whole = cut(bands=("B12", "vv")), cut()
    np.testing.assert_array_equal(few.tensors["s2_20m"], whole.tensors["s2_20m"][:, [5]])
    np.testing.assert_array_equal(few.tensors["s1"], whole.tensors["s1"][:, [0]])
    np.testing.assert_array_equal(few.ulx_m, whole.ulx_m)


def test_a_gap_in_a_band_that_is_not_stored_does_not_matter():
    s2 = s2_pixels()
    s2["B11"][0, 0] = 0
    assert places(cut(s2, bands=("B02", "vv"))) == ALL
