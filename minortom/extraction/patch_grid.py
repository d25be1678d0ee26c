"""Position of the patches in a tile: a block with an origin and a stride."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from minortom.extraction.options import BLOCK_PX, ExportOptions, Origin
from minortom.extraction.pixel_grid import Box

_ORIGIN_STEP_PX = 6
"""60 m: pixels of 10, 20 and 60 m share corners at its multiples."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """The ``num_rows`` × ``num_cols`` patches of a tile, ``stride_px`` apart, in 10 m pixels."""

    patch_px: int
    stride_px: int
    row_px: int
    """First pixel row of the block in the tile."""
    col_px: int
    num_rows: int
    num_cols: int

    @property
    def box(self) -> Box:
        """The 10 m pixels from the first patch to the last."""
        height_px, width_px = (
            (count - 1) * self.stride_px + self.patch_px for count in (self.num_rows, self.num_cols)
        )
        return Box(row_px=self.row_px, col_px=self.col_px, height_px=height_px, width_px=width_px)

    def cut(self, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
        """Cut [band, row, column] over the block into [patch, band, row, column], row by row.

        Args:
            pixels: All pixels of the box, of any size that divides its sides.
        """
        factor = self.box.height_px // pixels.shape[1]
        side, step = self.patch_px // factor, self.stride_px // factor
        windows = sliding_window_view(pixels, (side, side), axis=(1, 2))[:, ::step, ::step]
        return windows.transpose(1, 2, 0, 3, 4).reshape(-1, len(pixels), side, side)


def block_of(height_px: int, width_px: int, options: ExportOptions) -> Block:
    """Place as many patches as fit into a tile, over at most 10 km.

    The block lies in the north-west corner of the tile or in its middle. In the middle it starts at
    a multiple of 60 m: at pixel 54 of a full tile for patches of 120 px.
    """
    patch_px, stride_px = options.patch_px, options.step_px
    sides = []
    for side_px in (height_px, width_px):
        count = count_along(side_px, options)
        rest_px = side_px - ((count - 1) * stride_px + patch_px)
        centred_px = rest_px // 2 // _ORIGIN_STEP_PX * _ORIGIN_STEP_PX
        sides.append((count, centred_px if options.origin == Origin.CENTER else 0))
    (num_rows, row_px), (num_cols, col_px) = sides
    return Block(
        patch_px=patch_px, stride_px=stride_px, row_px=row_px, col_px=col_px,
        num_rows=num_rows, num_cols=num_cols,
    )  # fmt: skip


def count_along(side_px: int, options: ExportOptions) -> int:
    """Return the number of patches along a side of a tile of ``side_px`` pixels."""
    room_px = min(side_px, BLOCK_PX) - options.patch_px
    return room_px // options.step_px + 1 if room_px >= 0 else 0


def patches_per_tile(options: ExportOptions) -> int:
    """Return the number of patches of a full tile, at least one."""
    return count_along(BLOCK_PX, options) ** 2
