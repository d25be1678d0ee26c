"""Windows of a map that contain cells, and the cells in a box of degrees."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from minortom.grid.cells import N_ROWS, Cells, columns_of_rows
from minortom.maps.overviews import CELL_DEG
from minortom.maps.pixel_positions import PixelPositions

_TOLERANCE = 1e-9
"""Rounding error of an edge, as a fraction of a cell: such an edge counts as that of the cell."""


def windows_with_cells(
    positions: PixelPositions, block: tuple[int, int], window: Window, keys: NDArray[np.int64]
) -> Iterator[Window]:
    """Split a window into the parts that contain cells, if the cells are few.

    Args:
        positions: Positions of the pixels of the map.
        block: Height and width of a stored block, in these pixels.
        window: Window of whole blocks.
        keys: [m] keys of the cells as in ``Cells.keys``, ascending.

    Yields:
        Windows of whole blocks that do not overlap. Together they contain all pixels of the
        cells in ``window``. Columns after a turn around the globe, which repeat the first ones,
        are left out.
    """
    window = positions.without_repeats(window)
    if not window.width:
        return
    here = slots_in(keys, *positions.box_deg(window))
    if not len(here):
        return
    width_deg, height_deg = positions.pixel_deg
    needed_px = len(here) * CELL_DEG**2 / (width_deg * height_deg)
    down = window.height / block[0] >= window.width / block[1]
    side, step = (window.height, block[0]) if down else (window.width, block[1])
    if side <= step or 2 * needed_px > window.width * window.height:
        yield window
        return
    first = step * -(-side // (2 * step))
    col, row, width, height = (int(v) for v in window.flatten())
    if down:
        halves = (col, row, width, first), (col, row + first, width, height - first)
    else:
        halves = (col, row, first, height), (col + first, row, width - first, height)
    for half in halves:
        yield from windows_with_cells(positions, block, Window(*half), keys[here])


def slots_in(
    keys: NDArray[np.int64], west: float, south: float, east: float, north: float
) -> NDArray[np.intp]:
    """Return the indices of the cells whose bounds overlap a box in degrees.

    Args:
        keys: [m] keys of cells as in ``Cells.keys``, ascending.
        west: West edge of the box, at any multiple of 360 degrees.
        south: South edge of the box.
        east: East edge of the box, more than ``west``.
        north: North edge of the box.

    Returns:
        Indices into ``keys``, ascending.
    """
    half = N_ROWS // 2
    lowest = int(np.floor(south * N_ROWS / 180 + _TOLERANCE))
    highest = int(np.ceil(north * N_ROWS / 180 - _TOLERANCE)) - 1
    row = np.arange(max(lowest, -half), min(highest, half - 1) + 1)
    columns = columns_of_rows(row)
    first_column, last_column = -(columns // 2), (columns + 1) // 2 - 1
    left = np.floor(west * columns / 360 + _TOLERANCE).astype(np.int64)
    right = np.ceil(east * columns / 360 - _TOLERANCE).astype(np.int64) - 1
    around = right - left + 1 >= columns
    left = np.where(around, first_column, (left - first_column) % columns + first_column)
    right = np.where(around, last_column, (right - first_column) % columns + first_column)
    split = left > right  # across the antimeridian: two runs of columns
    starts = np.concatenate([left, first_column[split]])
    stops = np.concatenate([np.where(split, last_column, right), right[split]])
    rows = np.concatenate([row, row[split]])
    begin = np.searchsorted(keys, Cells(row=rows, col=starts).keys())
    end = np.searchsorted(keys, Cells(row=rows, col=stops).keys(), side="right")
    runs = [np.arange(a, b) for a, b in zip(begin, end, strict=True) if b > a]
    return np.sort(np.concatenate(runs)) if runs else np.empty(0, dtype=np.intp)
