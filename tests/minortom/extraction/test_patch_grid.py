"""Positions of patches in a tile, compared with arithmetic."""

import numpy as np
import pytest
from archive_maker import NORTH_M, WEST_M, s1_pixels, s2_pixels
from patch_maker import cut, places

from minortom.errors import InputError
from minortom.extraction.options import BLOCK_PX, ExportOptions, Origin
from minortom.extraction.patch_grid import block_of, patches_per_tile
from minortom.extraction.plan import bytes_per_tile


def block(height_px, width_px, **options):
    return block_of(height_px, width_px, ExportOptions(**options))


@pytest.mark.parametrize(
    ("side_px", "patch_px", "count", "origin_px"),
    [(1068, 120, 8, 54), (224, 56, 4, 0), (224, 120, 1, 48), (1068, 1000, 1, 30),
     (1067, 120, 8, 48), (1424, 120, 8, 228), (119, 120, 0, 54), (1068, 256, 3, 150)],
)  # fmt: skip
def test_the_block_is_centred_and_starts_at_a_multiple_of_60_m(side_px, patch_px, count, origin_px):
    found = block(side_px, side_px, patch_px=patch_px)
    assert (found.num_rows, found.num_cols) == (count, count)
    assert (found.row_px, found.col_px) == (origin_px, origin_px)


def test_an_oblong_tile_has_as_many_rows_and_columns_as_fit():
    found = block(60, 30, patch_px=12)
    assert (found.num_rows, found.num_cols, found.row_px, found.col_px) == (5, 2, 0, 0)


def test_blocks_of_neighbouring_cells_do_not_overlap():
    # Full tiles are 1068 px and their origins at least a cell, 1000 px, apart.
    for patch_px in range(2, 1001, 2):
        found = block(1068, 1068, patch_px=patch_px)
        assert found.num_cols * patch_px <= BLOCK_PX == 1000
        assert found.col_px + found.num_cols * patch_px <= 1068


@pytest.mark.parametrize(
    ("stride_px", "count", "origin_px"),
    # (1000 - 120) // stride + 1 patches; the middle of what 1068 px leave, at a multiple of 6.
    [(60, 15, 54), (120, 8, 54), (200, 5, 72), (500, 2, 222), (1000, 1, 474)],
)
def test_a_stride_counts_from_patch_to_patch(stride_px, count, origin_px):
    found = block(1068, 1068, stride_px=stride_px)
    assert (found.num_rows, found.num_cols) == (count, count)
    assert (found.row_px, found.col_px) == (origin_px, origin_px)
    assert patches_per_tile(ExportOptions(stride_px=stride_px)) == count**2


def test_patches_that_overlap_hold_the_same_pixels_where_they_do():
    s2 = s2_pixels(60)
    patches = cut(s2, s1_pixels(60), patch_px=16, stride_px=8)
    # (60 - 16) // 8 + 1 = 6 along a side, 56 px with them: a margin of 2 px, at 0.
    assert places(patches) == [(row, col) for row in range(6) for col in range(6)]
    for number, (row, col) in enumerate(places(patches)):
        fine = np.s_[8 * row : 8 * row + 16, 8 * col : 8 * col + 16]
        coarse = np.s_[4 * row : 4 * row + 8, 4 * col : 4 * col + 8]
        np.testing.assert_array_equal(patches.tensors["s2_10m"][number, 3], s2["B08"][fine])
        np.testing.assert_array_equal(patches.tensors["s2_20m"][number, 5], s2["B12"][coarse])
        assert patches.ulx_m[number] == WEST_M + 80 * col
        assert patches.uly_m[number] == NORTH_M - 80 * row


def test_patches_may_have_gaps_between_them():
    s2 = s2_pixels(60)
    patches = cut(s2, s1_pixels(60), patch_px=12, stride_px=20)
    # Three along a side, 52 px with the gaps: a margin of 4 px, at 0.
    assert len(places(patches)) == 9
    np.testing.assert_array_equal(patches.tensors["s2_10m"][5, 0], s2["B02"][20:32, 40:52])


def test_from_the_north_west_corner_there_is_no_margin():
    s2 = s2_pixels(60)
    patches = cut(s2, s1_pixels(60), patch_px=16, origin=Origin.TOPLEFT)
    assert (patches.ulx_m[0], patches.uly_m[0]) == (WEST_M, NORTH_M)
    np.testing.assert_array_equal(patches.tensors["s2_10m"][8, 0], s2["B02"][32:48, 32:48])
    np.testing.assert_array_equal(patches.tensors["s2_20m"][8, 0], s2["B05"][16:24, 16:24])


@pytest.mark.parametrize("stride_px", [0, -2, 5])
def test_a_stride_that_cuts_no_whole_pixels_is_refused(stride_px):
    with pytest.raises(InputError, match="must be an even number of at least 2 px"):
        ExportOptions(stride_px=stride_px)


def test_more_patches_than_can_be_mixed_are_refused():
    # 221² patches of 216 kB.
    with pytest.raises(
        InputError, match=r"at most 0.5 GB, found 10.5 GB: 48,841 patches .* a longer --stride"
    ):
        bytes_per_tile(ExportOptions(stride_px=4))
