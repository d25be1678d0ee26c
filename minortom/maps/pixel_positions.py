"""Longitudes and latitudes (WGS 84) of the pixels of a map in any coordinate system.

In degrees of WGS 84, and of datums that PROJ takes for equal to it, such as ETRS89, all pixels of a
column have one longitude and all pixels of a row one latitude. Of other maps each pixel is
transformed.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.transform import Affine
from rasterio.windows import Window

from minortom.maps.rasters import Raster, pixel_size, pixels_of, transformer, unit_deg

_WITHIN_PX = 1e-6
_SHIFT_PX = 1e-3
"""Largest shift of a datum that is ignored, in pixels."""
_PROBES = 65
_BOX_PROBES = 17
_BOX = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelPositions:
    """Positions of the pixels of an open map, or of a level of it."""

    transform: Affine
    """From columns and rows of this level to coordinates of the map."""
    unit_deg: float
    """Unit of these coordinates on the ground, in degrees of a meridian."""
    to_lonlat: Any
    """Transformation of these coordinates to WGS 84; None if they are equal to it."""
    is_regular: bool
    """Whether columns have one longitude and rows one latitude."""
    turns: tuple[float, ...]
    """Shifts of a map in degrees or grads that lead to the same place: a turn to either side and
    none; no shift alone for a projection."""

    @classmethod
    def of(cls, source: Raster, *, shrink: int) -> "PixelPositions":
        """Return the positions of an open map whose pixels are ``shrink`` of its pixels wide.

        Raises:
            InputError: If its coordinates cannot be transformed to longitude and latitude.
        """
        a, k = source.transform, shrink
        unit = unit_deg(source)
        turn = 360 / unit
        to_lonlat = transformer(source, from_map=True)
        if to_lonlat is not None and _is_equal(source, to_lonlat):
            to_lonlat = None
        return cls(
            transform=Affine(a.a * k, a.b * k, a.c, a.d * k, a.e * k, a.f),
            unit_deg=unit,
            to_lonlat=to_lonlat,
            is_regular=to_lonlat is None and a.b == a.d == 0,
            turns=(-turn, 0.0, turn) if source.crs.is_geographic else (0.0,),
        )

    @cached_property
    def turn_columns(self) -> int | None:
        """Columns of a turn around the globe, after which a map repeats; None for other maps."""
        a = self.transform
        if len(self.turns) == 1 or a.b or a.d:
            return None
        turn_px: float = self.turns[-1] / abs(a.a)
        return math.ceil(turn_px - _WITHIN_PX)

    def without_repeats(self, window: Window) -> Window:
        """Return a window without the columns that repeat others; all of them may be repeats."""
        if self.turn_columns is None:
            return window
        width = max(min(window.width, self.turn_columns - window.col_off), 0)
        return Window(window.col_off, window.row_off, width, window.height)

    @cached_property
    def pixel_deg(self) -> tuple[float, float]:
        """Width and height of a pixel, in degrees of a meridian."""
        width, height = pixel_size(self.transform)
        return width * self.unit_deg, height * self.unit_deg

    def centres_deg(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the centres of a window's pixels, in degrees, if the positions are regular.

        Returns:
            Longitudes of its columns, from -180 to below 180; latitudes of its rows.
        """
        a = self.transform
        lon_deg = _centres(a.c, a.a, window.col_off, window.width, turn_deg=360.0)
        return lon_deg, _centres(a.f, a.e, window.row_off, window.height)

    def each_centre_deg(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the centre of each pixel [h, w] of a window, longitudes and latitudes.

        They are infinite where the map's coordinates have no place on WGS 84.
        """
        columns = window.col_off + np.arange(window.width) + 0.5
        rows = window.row_off + np.arange(window.height) + 0.5
        return self._lonlat(*np.meshgrid(columns, rows))

    def box_deg(self, window: Window) -> _BOX:
        """Return west, south, east and north of a window; longitudes may be beyond 180."""
        a = self.transform
        col = [window.col_off, window.col_off + window.width]
        row = [window.row_off, window.row_off + window.height]
        if self.is_regular:
            x, y = [a.c + a.a * i for i in col], [a.f + a.e * i for i in row]
            return min(x), min(y), max(x), max(y)
        columns = np.linspace(col[0], col[1], _BOX_PROBES)
        rows = np.linspace(row[0], row[1], _BOX_PROBES)
        lon_deg, lat_deg = self._lonlat(*np.meshgrid(columns, rows))
        poles = [pole for pole in (-90.0, 90.0) if self._contains(window, pole)]
        known = np.isfinite(lon_deg) & np.isfinite(lat_deg)
        if not known.any() or not known.all() or np.ptp(lon_deg) > 180 or poles:
            # Across the antimeridian, around a pole, or partly outside the projection.
            west, east = -180.0, 180.0
        else:
            margin = self._margin_deg(lon_deg)
            west, east = float(lon_deg.min()) - margin, float(lon_deg.max()) + margin
        if not known.all():
            return west, -90.0, east, 90.0
        margin = self._margin_deg(lat_deg)
        south, north = float(lat_deg.min()) - margin, float(lat_deg.max()) + margin
        return west, max(min(south, *poles, 90), -90.0), east, min(max(north, *poles, -90), 90.0)

    def _margin_deg(self, probes: NDArray[np.float64]) -> float:
        """Return how far values between probes [n, n] may exceed them, generously."""
        bends = [float(np.abs(np.diff(probes, 2, axis=axis)).max()) for axis in (0, 1)]
        return max(self.pixel_deg) + 1e-4 + sum(bends)

    def coordinates(
        self, lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return points in coordinates of the map; infinite where they have no place there.

        In degrees or grads, neighbours along the last axis have neighbouring coordinates: there is
        no jump at the antimeridian.
        """
        if self.to_lonlat is None:
            return lon_deg, lat_deg
        x, y = self.to_lonlat.transform(lon_deg, lat_deg, direction="INVERSE")
        if len(self.turns) > 1:
            x = np.unwrap(x, period=self.turns[-1])
        return np.asarray(x), np.asarray(y)

    def pixels(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the columns and rows of this level at coordinates of the map."""
        return pixels_of(self.transform, x, y)

    def _contains(self, window: Window, pole_deg: float) -> bool:
        """Return whether a window has a pole in it, or beside it."""
        x, y = self.coordinates(np.zeros(1), np.full(1, pole_deg))
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            return False
        col, row = self.pixels(x, y)
        col, row = col - window.col_off, row - window.row_off
        inside = (col >= -1) & (col <= window.width + 1) & (row >= -1) & (row <= window.height + 1)
        return bool(inside.all())

    def _lonlat(
        self, col: NDArray[np.float64], row: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the longitude and latitude of points in columns and rows of this level."""
        a = self.transform
        x, y = a.a * col + a.b * row + a.c, a.d * col + a.e * row + a.f
        if self.to_lonlat is None:
            return x, y
        lon_deg, lat_deg = self.to_lonlat.transform(x, y)
        return np.asarray(lon_deg), np.asarray(lat_deg)


def _is_equal(source: Raster, to_lonlat: Any) -> bool:  # noqa: ANN401  (of pyproj, without types)
    """Return whether coordinates of the map are those of WGS 84, at points all over the map."""
    if not source.crs.is_geographic:
        return False
    box = source.bounds
    x, y = np.meshgrid(
        np.linspace(box.left, box.right, _PROBES), np.linspace(box.bottom, box.top, _PROBES)
    )
    lon_deg, lat_deg = to_lonlat.transform(x, y)
    shift_deg = np.maximum(np.abs((lon_deg - x + 180) % 360 - 180), np.abs(lat_deg - y))
    pixel = min(abs(source.transform.a), abs(source.transform.e))
    return bool((shift_deg[np.isfinite(shift_deg)] <= _SHIFT_PX * pixel).all())


def _centres(
    origin_deg: float, step_deg: float, first: int, size: int, *, turn_deg: float | None = None
) -> NDArray[np.float64]:
    """Return the centres of ``size`` pixels from pixel ``first`` on, in degrees.

    If a degree has a whole number of pixels, the centres are whole numbers divided once, and
    therefore the nearest floats. A tile and a mosaic of tiles then give the same centres, so that
    a centre exactly on a cell's edge belongs to the same cell in both.
    """
    per_degree = round(1 / abs(step_deg))
    start = origin_deg * per_degree
    exact = (
        abs(abs(step_deg) * per_degree - 1) * (first + size) < _WITHIN_PX
        and abs(start - round(start)) < _WITHIN_PX
    )
    unit = per_degree if exact else 1
    begin, step = (round(start), np.sign(step_deg)) if exact else (origin_deg, step_deg)
    centres = begin + step * (np.arange(first, first + size) + 0.5)
    if turn_deg is not None:
        half = turn_deg / 2 * unit
        outside = (centres < -half) | (centres >= half)
        centres[outside] = (centres[outside] + half) % (2 * half) - half
    degrees: NDArray[np.float64] = centres / unit
    return degrees
