"""Longitudes and latitudes (WGS 84) of the pixels of a map with geographic coordinates.

On WGS 84 and on datums that PROJ takes for equal to it, such as ETRS89, all pixels of a column have
one longitude and all pixels of a row one latitude. On other datums each pixel is transformed.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.transform import Affine
from rasterio.windows import Window

from minortom.maps.rasters import Raster, transformer, unit_deg

_WITHIN_PX = 1e-6
_SHIFT_PX = 1e-3
"""Largest shift of a datum that is ignored, in pixels."""
_PROBES = 65
_BOX = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelPositions:
    """Positions of the pixels of an open map, or of a level of it."""

    transform: Affine
    """From columns and rows of this level to coordinates of the map."""
    unit_deg: float
    """Unit of these coordinates, in degrees."""
    to_lonlat: Any
    """Transformation of these coordinates to WGS 84; None if they are equal to it."""

    @classmethod
    def of(cls, source: Raster, *, shrink: int) -> "PixelPositions":
        """Return the positions of an open map whose pixels are ``shrink`` of its pixels wide."""
        a = source.transform
        to_lonlat = transformer(source, from_map=True)
        if to_lonlat is not None and _is_equal(source, to_lonlat):
            to_lonlat = None
        return cls(
            transform=Affine(a.a * shrink, a.b, a.c, a.d, a.e * shrink, a.f),
            unit_deg=unit_deg(source),
            to_lonlat=to_lonlat,
        )

    @property
    def is_regular(self) -> bool:
        """Return whether columns have one longitude and rows one latitude."""
        return self.to_lonlat is None

    @cached_property
    def pixel_deg(self) -> tuple[float, float]:
        """Width and height of a pixel, degrees."""
        return abs(self.transform.a) * self.unit_deg, abs(self.transform.e) * self.unit_deg

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
        x, y = self._edges(window)
        width, height = (x[1] - x[0]) / window.width, (y[1] - y[0]) / window.height
        columns = x[0] + width * (np.arange(window.width) + 0.5)
        rows = y[0] + height * (np.arange(window.height) + 0.5)
        return self._transformed(*np.meshgrid(columns, rows))

    def box_deg(self, window: Window) -> _BOX:
        """Return west, south, east and north of a window; longitudes may be beyond 180."""
        x, y = self._edges(window)
        if self.is_regular:
            return min(x), min(y), max(x), max(y)
        lon_deg, lat_deg = self._transformed(*np.meshgrid(np.linspace(*x, 17), np.linspace(*y, 17)))
        here = np.isfinite(lon_deg) & np.isfinite(lat_deg)
        if not here.any():
            return 0.0, 0.0, 0.0, 0.0
        # Between the probes a datum's shift changes by less than a pixel and these 11 m.
        margin = max(self.pixel_deg) + 1e-4
        west, east = float(lon_deg[here].min()) - margin, float(lon_deg[here].max()) + margin
        south, north = float(lat_deg[here].min()) - margin, float(lat_deg[here].max()) + margin
        if east - west > abs(x[1] - x[0]) * self.unit_deg + 1:  # across the antimeridian
            west, east = -180.0, 180.0
        return west, max(south, -90.0), east, min(north, 90.0)

    def _edges(self, window: Window) -> tuple[tuple[float, float], tuple[float, float]]:
        a = self.transform
        west, east = (a.c + a.a * (window.col_off + i) for i in (0, window.width))
        north, south = (a.f + a.e * (window.row_off + i) for i in (0, window.height))
        return (west, east), (north, south)

    def _transformed(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self.to_lonlat is None:
            return x, y
        lon_deg, lat_deg = self.to_lonlat.transform(x, y)
        return np.asarray(lon_deg), np.asarray(lat_deg)


def _is_equal(source: Raster, to_lonlat: Any) -> bool:  # noqa: ANN401  (of pyproj, without types)
    """Return whether coordinates of the map are those of WGS 84, at points all over the map."""
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
