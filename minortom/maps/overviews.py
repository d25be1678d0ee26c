"""Resolution levels of a map in degrees: the map at full resolution, or one of its overviews."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window

from minortom.errors import InputError
from minortom.grid.cells import N_ROWS
from minortom.maps.gdal_http import title_of
from minortom.maps.rasters import Raster, opened_map

CELL_DEG = 180 / N_ROWS
"""Height of a cell, in degrees. Its area is at most that of such a square at the equator."""
METRES_PER_DEGREE = np.pi * 6378137 / 180
"""Length of a degree of a meridian on the sphere of the grid."""
MIN_PIXELS_PER_CELL = 16
"""Minimum number of pixels in a cell for meaningful shares of classes."""

_WINDOW_BYTES = 48 * 1024 * 1024  # more than a row of blocks of a WorldCover tile
_WITHIN_PX = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """Map that is open at one of its resolution levels."""

    source: Raster
    factor: int
    """Width of a pixel of this level in pixels of the map; 1 at full resolution."""
    shrink: int
    """Width of a pixel of this level in pixels of ``source``. If fewer pixels are requested, GDAL
    reads them from the overviews of the open map, so the map is not opened again."""
    block: tuple[int, int]
    """Height and width of a stored block, in pixels of this level."""

    @property
    def pixel_deg(self) -> tuple[float, float]:
        """Width and height of a pixel, degrees."""
        return (
            abs(self.source.transform.a) * self.shrink,
            abs(self.source.transform.e) * self.shrink,
        )

    @property
    def nodata(self) -> float | None:
        """Nodata value of the file."""
        value: float | None = self.source.nodata
        return value

    def windows(self) -> Iterator[Window]:
        """Yield windows of whole blocks that cover the level, from the top left."""
        block_height, block_width = self.block
        wide, high = self.source.width // self.shrink, self.source.height // self.shrink
        window_px = _WINDOW_BYTES // np.dtype(self.source.dtypes[0]).itemsize
        width = block_width * max(1, window_px // (block_width * block_height))
        width = min(width, wide)
        height = block_height * max(1, window_px // (width * block_height))
        for top in range(0, high, height):
            for left in range(0, wide, width):
                yield Window(left, top, min(width, wide - left), min(height, high - top))

    def read(self, window: Window) -> NDArray[Any]:
        """Read the pixels of a window of this level."""
        k = self.shrink
        whole = Window(window.col_off * k, window.row_off * k, window.width * k, window.height * k)
        block: NDArray[Any] = self.source.read(
            1, window=whole, out_shape=(window.height, window.width)
        )
        return block

    def centres_deg(self, window: Window) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the centres of a window's pixels, in degrees.

        Returns:
            Longitudes of its columns, from -180 to below 180; latitudes of its rows.
        """
        transform, k = self.source.transform, self.shrink
        lon_deg = _centres(
            transform.c, transform.a * k, window.col_off, window.width, turn_deg=360.0
        )
        lat_deg = _centres(transform.f, transform.e * k, window.row_off, window.height)
        return lon_deg, lat_deg

    def box_deg(self, window: Window) -> tuple[float, float, float, float]:
        """Return west, south, east and north of a window; longitudes may be beyond 180."""
        transform, k = self.source.transform, self.shrink
        x = [transform.c + transform.a * k * (window.col_off + i) for i in (0, window.width)]
        y = [transform.f + transform.e * k * (window.row_off + i) for i in (0, window.height)]
        return min(x), min(y), max(x), max(y)


@contextmanager
def opened_level(place: Path | str, *, resolution_m: float) -> Iterator[Level]:
    """Open a map at its coarsest overview whose pixels are at most ``resolution_m`` in size.

    Without such an overview the map is opened at full resolution. Overviews with fewer than
    ``MIN_PIXELS_PER_CELL`` pixels in a cell are not used.

    Raises:
        InputError: As :func:`minortom.maps.rasters.opened_map` does; also if the map is not in
            degrees of WGS 84, is rotated, or is too coarse for shares of classes.
        RemoteError: If the map is behind a URL and cannot be read.
    """
    with opened_map(place) as source:
        _require_degrees(source, title_of(str(place)))
        factors, block = _stored(source)
        factor = max(f for f in (1, *factors) if _fits(source, f, resolution_m))
        if not (source.width % factor or source.height % factor):
            yield Level(source=source, factor=factor, shrink=factor, block=block)
            return
        overview = source.overviews(1).index(factor)
    with opened_map(place, overview=overview) as source:
        yield Level(source=source, factor=factor, shrink=1, block=source.block_shapes[0])


def _stored(source: Raster) -> tuple[list[int], tuple[int, int]]:
    """Return the overview factors of a map, and the size of its stored blocks.

    For a virtual raster these are the values of its first file. If other files differ, reading is
    slower. Only overviews that divide its sides can be used there.
    """
    if source.driver != "VRT" or source.overviews(1) or len(source.files) < 2:
        return source.overviews(1), source.block_shapes[0]
    with rasterio.open(source.files[1]) as part:
        same = (part.transform.a, part.transform.e) == (source.transform.a, source.transform.e)
        factors = [f for f in part.overviews(1) if not (source.width % f or source.height % f)]
        return (factors if same else []), part.block_shapes[0]


def _fits(source: Raster, factor: int, resolution_m: float) -> bool:
    """Return whether a level is fine enough; full resolution always is."""
    if factor == 1:
        return True
    width_deg, height_deg = abs(source.transform.a) * factor, abs(source.transform.e) * factor
    pixel_m = max(width_deg, height_deg) * METRES_PER_DEGREE
    enough = MIN_PIXELS_PER_CELL * width_deg * height_deg <= CELL_DEG**2
    return bool(enough and pixel_m <= resolution_m * (1 + 1e-9))


def _require_degrees(source: Raster, title: str) -> None:
    wgs84 = (CRS.from_epsg(4326), CRS.from_string("OGC:CRS84"))
    if source.crs not in wgs84 or source.transform.b or source.transform.d:
        found = "rotated" if source.crs in wgs84 else f"in {source.crs.to_string()[:60]}"
        raise InputError(
            "expected a map in degrees of WGS 84 to count classes, found that the map "
            f"{title} is {found}; warp it with `gdalwarp -t_srs EPSG:4326 -r near`, or give "
            "--landcover-mode center"
        )
    width_deg, height_deg = abs(source.transform.a), abs(source.transform.e)
    if MIN_PIXELS_PER_CELL * width_deg * height_deg > CELL_DEG**2:
        pixels = CELL_DEG**2 / (width_deg * height_deg)
        raise InputError(
            f"expected at least {MIN_PIXELS_PER_CELL} pixels in a cell of 10 km to count classes, "
            f"found {pixels:.2g} in the map {title}; give a finer map or --landcover-mode center"
        )


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
