"""Cells as polygons of pixels, in maps of any coordinate system.

The edges of a cell are curves in such a map, which are followed through a few points. A cell that
is torn apart there, as at the antimeridian, is divided until its parts are whole.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from minortom.grid.cells import Cells
from minortom.maps.pixel_positions import PixelPositions
from minortom.maps.polygon_coverage import add_polygons

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_ALONG = np.arange(4) / 4
"""Points of a side, as shares of its length from its first corner."""
_MAX_WIDTH_DEG = 1.0
"""Wider cells, near the poles, are divided, so that four points follow their edges."""
_MAX_SEGMENT = 0.25
"""Longest segment of a part that is whole, as a share of its outline; usually it is 1/16."""
_MAX_DIVISIONS = 6
"""Times that a torn part is halved in both directions."""


def outline_sums(
    values: FloatArray, positions: PixelPositions, window: Window, cells: Cells
) -> tuple[FloatArray, FloatArray]:
    """Sum the pixels of a window in cells, each weighted by its area in the cell.

    Args:
        values: [h, w] pixels of the window, NaN without a value.
        positions: Positions of the pixels of the map.
        window: The window, in pixels of the map.
        cells: [m] cells.

    Returns:
        [m] sums of value times weight, [m] sums of weights.
    """
    totals, weights = np.zeros(len(cells)), np.zeros(len(cells))
    parts = _Parts.of(cells)
    for _ in range(_MAX_DIVISIONS):
        x, y = parts.outlines(positions)
        is_torn, reached = _are_torn(x, y), np.zeros(len(x), np.bool_)
        for turn in positions.turns:
            col, row = _in_window(positions, window, x + turn, y)
            near = _overlaps(col, window.width) & _overlaps(row, window.height)
            here = near & ~is_torn
            add_polygons(
                values, col[here], row[here], parts.owner[here], parts.areas[here], totals, weights
            )
            reached |= near
        parts = parts.take(is_torn & reached).quarters()
    _add_points(values, positions, window, parts, totals, weights)
    return totals, weights


def _add_points(
    values: FloatArray,
    positions: PixelPositions,
    window: Window,
    parts: "_Parts",
    totals: FloatArray,
    weights: FloatArray,
) -> None:
    """Add parts of cells that are too small to be divided, each with the value at its centre."""
    x, y = positions.coordinates((parts.west + parts.east) / 2, (parts.south + parts.north) / 2)
    for turn in positions.turns:
        col, row = _in_window(positions, window, x + turn, y)
        inside = (col >= 0) & (col < window.width) & (row >= 0) & (row < window.height)
        found = values[row[inside].astype(np.intp), col[inside].astype(np.intp)]
        has_value = ~np.isnan(found)
        here = np.flatnonzero(inside)[has_value]
        np.add.at(totals, parts.owner[here], parts.areas[here] * found[has_value])
        np.add.at(weights, parts.owner[here], parts.areas[here])


def _in_window(
    positions: PixelPositions, window: Window, x: FloatArray, y: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return columns and rows of points, in pixels from the top left of a window."""
    col, row = positions.pixels(x, y)
    return col - window.col_off, row - window.row_off


def _overlaps(side_px: FloatArray, size_px: int) -> BoolArray:
    """Return which outlines [p, v] reach into the pixels from 0 to ``size_px``."""
    known = np.where(np.isfinite(side_px), side_px, np.nan)
    found: BoolArray = np.fmin.reduce(known, axis=1) < size_px
    found &= np.fmax.reduce(known, axis=1) > 0
    return found


def _are_torn(x: FloatArray, y: FloatArray) -> BoolArray:
    """Return which outlines [p, v] jump from one place of the map to another, or leave it."""
    with np.errstate(invalid="ignore"):
        lengths = np.hypot(x - np.roll(x, 1, axis=1), y - np.roll(y, 1, axis=1))
        is_whole: BoolArray = lengths.max(axis=1) <= _MAX_SEGMENT * lengths.sum(axis=1)
    return ~(is_whole & np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Parts:
    """Boxes in degrees that make up cells: [p] edges, and the index of each one's cell."""

    west: FloatArray
    south: FloatArray
    east: FloatArray
    north: FloatArray
    owner: NDArray[np.intp]

    @classmethod
    def of(cls, cells: Cells) -> "_Parts":
        """Return cells, wide ones in several parts."""
        west, south, east, north = cells.bounds_deg()
        whole = cls(west=west, south=south, east=east, north=north, owner=np.arange(len(cells)))
        pieces = np.ceil((east - west) / _MAX_WIDTH_DEG).astype(np.intp)
        owner = np.repeat(whole.owner, pieces)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        wide = ((east - west) / pieces)[owner]
        return cls(
            west=west[owner] + number * wide, south=south[owner],
            east=west[owner] + (number + 1) * wide, north=north[owner], owner=owner,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.owner)

    @property
    def areas(self) -> FloatArray:
        """[p] areas on the sphere, but for a factor."""
        middle, half = np.radians((self.south + self.north) / 2), (self.north - self.south) / 2
        found: FloatArray = (self.east - self.west) * np.cos(middle) * np.sin(np.radians(half))
        return found

    def take(self, which: BoolArray) -> "_Parts":
        """Return some of the parts."""
        return _Parts(
            west=self.west[which], south=self.south[which], east=self.east[which],
            north=self.north[which], owner=self.owner[which],
        )  # fmt: skip

    def quarters(self) -> "_Parts":
        """Return the parts halved in both directions."""
        lon, lat = (self.west + self.east) / 2, (self.south + self.north) / 2
        return _Parts(
            west=np.concatenate([self.west, lon] * 2), east=np.concatenate([lon, self.east] * 2),
            south=np.concatenate([self.south, self.south, lat, lat]),
            north=np.concatenate([lat, lat, self.north, self.north]),
            owner=np.tile(self.owner, 4),
        )  # fmt: skip

    def outlines(self, positions: PixelPositions) -> tuple[FloatArray, FloatArray]:
        """Return [p, v] points along the edges, in coordinates of the map."""
        wide, high = (self.east - self.west)[:, None], (self.north - self.south)[:, None]
        west, south, east, north = (
            side[:, None] + 0 * _ALONG for side in (self.west, self.south, self.east, self.north)
        )
        lon = [west + wide * _ALONG, east, east - wide * _ALONG, west]
        lat = [south, south + high * _ALONG, north, north - high * _ALONG]
        return positions.coordinates(np.concatenate(lon, axis=1), np.concatenate(lat, axis=1))
