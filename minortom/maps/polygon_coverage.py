"""Weighted sums of pixels in polygons: each pixel weighs the part of it that is in the polygon.

An edge adds its height to the pixels on its right, with the sign of its direction. The sum over a
closed outline is the exact part of each pixel inside, as in renderers of fonts.
"""

import math

import numpy as np
from numpy.typing import NDArray

from minortom.engine.numba_jit import compiled

FloatArray = NDArray[np.float64]

_MIN_COVER = 1e-6
"""Smallest part of a pixel that counts: less is a rounding error of an edge."""


@compiled
def add_polygons(
    values: FloatArray,
    col: FloatArray,
    row: FloatArray,
    owner: NDArray[np.intp],
    areas: FloatArray,
    totals: FloatArray,
    weights: FloatArray,
) -> None:
    """Add the pixels [h, w] in [p] polygons to the sums of their owners.

    Args:
        values: Pixels, NaN without a value.
        col: [p, v] columns of the vertices, in pixels from the left edge; some may be outside.
        row: [p, v] rows of the vertices.
        owner: [p] index of each polygon's sums.
        areas: [p] area of each polygon; its pixels share it in proportion to their parts.
        totals: [m] sums of value times weight, to which is added.
        weights: [m] sums of weights, to which is added.
    """
    high, wide = values.shape
    for k in range(len(col)):
        left, right = max(math.floor(col[k].min()), 0), min(math.ceil(col[k].max()), wide)
        top, bottom = max(math.floor(row[k].min()), 0), min(math.ceil(row[k].max()), high)
        if left >= right or top >= bottom:
            continue
        cover, size = covered(col[k] - left, row[k] - top, bottom - top, right - left)
        if size == 0:
            continue
        for i in range(bottom - top):
            part = 0.0
            for j in range(right - left):
                part += cover[i, j]
                value = values[top + i, left + j]
                if abs(part) > _MIN_COVER and value == value:  # not NaN
                    weight = abs(part) * areas[k] / size
                    totals[owner[k]] += weight * value
                    weights[owner[k]] += weight


@compiled
def covered(x: FloatArray, y: FloatArray, high: int, wide: int) -> tuple[FloatArray, float]:
    """Return the parts of pixels in a polygon, and the polygon's area, in pixels.

    Args:
        x: [v] columns of the vertices.
        y: [v] rows of the vertices.
        high: Number of rows of pixels.
        wide: Number of columns of pixels.

    Returns:
        [high, wide + 1] differences of the parts along each row, the first from 0: the running
        sum along a row is the part of each pixel, with the sign of the outline's direction. Then
        the area of the whole polygon.
    """
    cover, twice = np.zeros((high, wide + 1)), 0.0
    for v in range(len(x)):
        twice += x[v - 1] * y[v] - x[v] * y[v - 1]
        if y[v - 1] < y[v]:
            _add_edge(cover, x[v - 1], y[v - 1], x[v], y[v], 1.0)
        elif y[v - 1] > y[v]:
            _add_edge(cover, x[v], y[v], x[v - 1], y[v - 1], -1.0)
    return cover, abs(twice) / 2


@compiled
def _add_edge(cover: FloatArray, x0: float, y0: float, x1: float, y1: float, sign: float) -> None:
    """Add an edge from a row ``y0`` to a row ``y1`` below it, row by row of pixels."""
    slope = (x1 - x0) / (y1 - y0)
    for i in range(max(math.floor(y0), 0), min(math.ceil(y1), len(cover))):
        upper, lower = max(y0, float(i)), min(y1, float(i + 1))
        xs = x0 + (upper - y0) * slope, x0 + (lower - y0) * slope
        _add_span(cover[i], sign * (lower - upper), min(xs), max(xs))


@compiled
def _add_span(line: FloatArray, height: float, left: float, right: float) -> None:
    """Add the part of an edge in one row of pixels, from a column ``left`` to ``right``."""
    wide, first, last = len(line) - 1, math.floor(left), math.floor(right)
    for j in range(first, min(last, wide - 1) + 1):  # nothing is on the right of the last pixel
        part, middle = height, (left + right) / 2
        if first < last:
            start, stop = max(left, float(j)), min(right, float(j + 1))
            part, middle = height * (stop - start) / (right - left), (start + stop) / 2
        if j < 0:
            line[0] += part
        else:
            line[j] += part * (j + 1 - middle)
            line[j + 1] += part * (middle - j)
