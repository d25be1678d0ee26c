"""Check of overviews: whether their values occur in the pixels beneath them.

Overviews by mode or nearest neighbour hold classes. Others, such as the cubic ones that GDAL's COG
driver makes by default, hold blends of class codes, which may be codes of other classes.
"""

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from minortom.maps.class_table import NotCategoriesError
from minortom.maps.overviews import Level

MAX_SQUARES = 4
"""Squares that are checked for each part of a map that one process counts."""
_MAX_COMPARISONS = 4_000_000
_ROWS_SEEN = 32  # of a square, to choose the squares


def require_categories(
    level: Level, window: Window, values: NDArray[np.integer], *, max_squares: int
) -> int:
    """Check squares of an overview against the pixels of the map beneath them.

    The squares with the most changes between neighbouring pixels are checked, since blends occur
    where classes meet.

    Args:
        level: Level of a map.
        window: Window of the level.
        values: [h, w] pixels of the window as ``Level.read`` returns them.
        max_squares: Maximum number of squares to check.

    Returns:
        Number of squares that were checked; 0 at full resolution.

    Raises:
        NotCategoriesError: If a pixel has a value that no pixel beneath it has.
    """
    if level.factor == 1 or max_squares < 1:
        return 0
    side = _side_px(level)
    corners = _most_varied(values, side, max_squares)
    for row, col in corners:
        square = values[row : row + side, col : col + side]
        high, wide = square.shape
        _check(level, Window(window.col_off + col, window.row_off + row, wide, high), square)
    return len(corners)


def _side_px(level: Level) -> int:
    """Return the side of a square: a stored block of the map beneath it, or less."""
    largest = int((_MAX_COMPARISONS / (3 * level.factor) ** 2) ** 0.5)
    return max(1, min(min(level.full.block) // level.factor, largest))


def _most_varied(values: NDArray[np.integer], side: int, count: int) -> list[tuple[int, int]]:
    """Return the first rows and columns of the squares with the most changes along their rows.

    Squares without a change are left out, but for the first square if no other is left.
    """
    step = max(1, side // _ROWS_SEEN)
    some = values[::step]
    changes = np.zeros(some.shape, dtype=np.uint8)
    changes[:, 1:] = some[:, 1:] != some[:, :-1]
    high, wide = values.shape
    rows, cols = np.arange(0, high, side), np.arange(0, wide, side)
    across = np.add.reduceat(changes, cols, axis=1, dtype=np.int64)
    score = np.add.reduceat(across, -(-rows // step), axis=0)
    order = np.argsort(-score, axis=None, kind="stable")[:count]
    order = order[: max(1, int((score.ravel()[order] > 0).sum()))]
    return [(int(rows[at // len(cols)]), int(cols[at % len(cols)])) for at in order]


def _check(level: Level, window: Window, values: NDArray[np.integer]) -> None:
    full, (high, wide) = level.full.source, level.size
    rows, first_row = _beneath(window.row_off, window.height, high, full.height)
    cols, first_col = _beneath(window.col_off, window.width, wide, full.width)
    whole = Window(first_col, first_row, cols.max() + 1, rows.max() + 1)
    # [h, n, w, m]: for each pixel the n x m pixels beneath it.
    beneath = level.full.read(whole)[rows[:, :, None, None], cols[None, None]]
    occurs = (beneath == values[:, None, :, None]).any(axis=(1, 3))
    if not occurs.all():
        raise NotCategoriesError(
            f"expected classes of the map in the overviews of {level.full.title}, found the value "
            f"{values[~occurs][0]}, which no pixel beneath has; make them with `gdaladdo -r mode`"
        )


def _beneath(
    first: int, size: int, size_level: int, size_full: int
) -> tuple[NDArray[np.intp], int]:
    """Return the pixels of the map beneath each pixel of a level, along one axis.

    If the level does not divide the map, overviews of overviews may be off by a pixel of theirs, so
    that the neighbours' pixels count too.

    Returns:
        [size, n] pixels of the map, relative to the first one; the first one.
    """
    ratio = size_full / size_level
    step = -(-size_full // size_level)
    margin = 0 if step * size_level == size_full else step
    starts = np.floor((first + np.arange(size)) * ratio).astype(np.intp) - margin
    pixels = np.clip(starts[:, None] + np.arange(step + 2 * margin), 0, size_full - 1)
    lowest = int(pixels.min())
    return pixels - lowest, lowest
