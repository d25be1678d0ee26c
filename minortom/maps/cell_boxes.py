"""Cells as boxes of pixels, in maps whose columns follow meridians and whose rows parallels."""

import math

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from minortom.engine.numba_jit import compiled
from minortom.grid.cells import Cells
from minortom.maps.pixel_positions import PixelPositions

FloatArray = NDArray[np.float64]

_SNAP_PX = 1e-6
"""Rounding error of an edge, in pixels: such an edge counts as that of the pixel."""


def box_sums(
    values: FloatArray, positions: PixelPositions, window: Window, cells: Cells
) -> tuple[FloatArray, FloatArray]:
    """Sum the pixels of a window in cells, each weighted by its area in the cell, on the sphere.

    Args:
        values: [h, w] pixels of the window, NaN without a value.
        positions: Positions of the pixels of the map, which are regular.
        window: The window, in pixels of the map.
        cells: [m] cells.

    Returns:
        [m] sums of value times weight, [m] sums of weights.
    """
    west, south, east, north = cells.bounds_deg()
    a = positions.transform
    turn_px = 360 / abs(a.a)
    left, right = _ordered((west - a.c) / a.a, (east - a.c) / a.a)
    top, bottom = _ordered((north - a.f) / a.e, (south - a.f) / a.e)
    first_row, high = window.row_off, window.height
    upper, lower = _within(top, first_row, high), _within(bottom, first_row, high)
    north_deg = a.f + a.e * first_row
    totals, weights = np.zeros(len(cells)), np.zeros(len(cells))
    turns = np.floor(left / turn_px) * turn_px
    for turn in (turns, turns + turn_px):  # a cell may be at both ends of the map
        first = _within(left - turn, window.col_off, window.width)
        last = _within(right - turn, window.col_off, window.width)
        add_boxes(values, first, last, upper, lower, north_deg, a.e, totals, weights)
    return totals, weights


def _ordered(one: FloatArray, other: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the lower and the higher of two edges of each box; a map may run either way."""
    return np.minimum(one, other), np.maximum(one, other)


def _within(side_px: FloatArray, first: int, size: int) -> FloatArray:
    """Return edges relative to the first pixel of a window, and not beyond the window."""
    nearest = np.rint(side_px)
    snapped = np.where(np.abs(side_px - nearest) < _SNAP_PX, nearest, side_px)
    inside: FloatArray = np.clip(snapped - first, 0, size)
    return inside


@compiled
def add_boxes(
    values: FloatArray,
    left: FloatArray,
    right: FloatArray,
    top: FloatArray,
    bottom: FloatArray,
    north_deg: float,
    step_deg: float,
    totals: FloatArray,
    weights: FloatArray,
) -> None:
    """Add the pixels [h, w] in [m] boxes to their sums.

    A pixel weighs (width of the overlap in pixels) * (difference of the sines of the latitudes of
    its edges), its area on the sphere but for a factor.

    Args:
        values: Pixels, NaN without a value.
        left: Western or eastern edges, in columns from 0 to w.
        right: The opposite edges, at least ``left``.
        top: Northern or southern edges, in rows from 0 to h.
        bottom: The opposite edges, at least ``top``.
        north_deg: Latitude of row 0.
        step_deg: Latitude of a row minus that of the row before.
        totals: [m] sums of value times weight, to which is added.
        weights: [m] sums of weights, to which is added.
    """
    for k in range(len(left)):
        first, end = math.floor(left[k]), math.ceil(right[k])
        for i in range(math.floor(top[k]), math.ceil(bottom[k])):
            upper, lower = max(top[k], i), min(bottom[k], i + 1)
            middle = math.radians(north_deg + step_deg * (upper + lower) / 2)
            half = math.radians(step_deg * (upper - lower) / 2)
            area = abs(math.cos(middle) * math.sin(half))  # half the difference of the sines
            total = weight = 0.0
            for j in range(first, end):
                value = values[i, j]
                if value == value:  # not NaN
                    wide = min(right[k], j + 1) - max(left[k], j)
                    total += wide * value
                    weight += wide
            totals[k] += area * total
            weights[k] += area * weight
