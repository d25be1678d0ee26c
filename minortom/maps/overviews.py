"""Resolution levels of a map: the map at full resolution, or one of its overviews."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from minortom.errors import InputError
from minortom.grid.cells import N_ROWS
from minortom.maps.class_band import ClassBand
from minortom.maps.gdal_http import title_of
from minortom.maps.pixel_positions import PixelPositions
from minortom.maps.rasters import (
    METRES_PER_DEGREE,
    Raster,
    opened_map,
    pixel_size,
    unit_deg,
    windows_of,
)

CELL_DEG = 180 / N_ROWS
"""Height of a cell, in degrees. Its area is at most that of such a square at the equator."""
MIN_PIXELS_PER_CELL = 16
"""Minimum number of pixels in a cell for meaningful shares of classes."""
FULL_RESOLUTION = 0.0
"""Value of ``resolution_m`` at which no overview is read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """Map that is open at one of its resolution levels."""

    band: ClassBand
    """Classes of the map, or of one of its overviews."""
    full: ClassBand
    """Classes of the map at full resolution."""
    factor: int
    """Width of a pixel of this level in pixels of the map; 1 at full resolution."""
    shrink: int
    """Width of a pixel of this level in pixels of ``band``. If fewer pixels are requested, GDAL
    reads them from the overviews of the open map, so the map is not opened again."""
    block: tuple[int, int]
    """Height and width of a stored block, in pixels of this level."""
    positions: PixelPositions
    """Positions of the pixels of this level."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the level, in its pixels."""
        source = self.band.source
        return source.height // self.shrink, source.width // self.shrink

    @property
    def nodata(self) -> float | None:
        """Value of pixels without data in the arrays that ``read`` returns."""
        return self.band.nodata

    def windows(self) -> Iterator[Window]:
        """Return windows of whole blocks that cover the level, from the top left."""
        return windows_of(self.size, self.block, self.band.dtype.itemsize)

    def read(self, window: Window) -> NDArray[Any]:
        """Read the pixels of a window of this level; see ``ClassBand.read``."""
        k = self.shrink
        whole = Window(window.col_off * k, window.row_off * k, window.width * k, window.height * k)
        return self.band.read(whole, (window.height, window.width))


@contextmanager
def opened_level(place: Path | str, *, resolution_m: float) -> Iterator[Level]:
    """Open a map at its coarsest overview whose pixels are at most ``resolution_m`` in size.

    Without such an overview the map is opened at full resolution. Overviews with fewer than
    ``MIN_PIXELS_PER_CELL`` pixels in a cell are not used.

    Raises:
        InputError: As :func:`minortom.maps.rasters.opened_map` and ``ClassBand.of`` do; also if
            the coordinates of the map cannot be transformed to longitude and latitude, or it is
            too coarse for shares of classes.
        RemoteError: If the map is behind a URL and cannot be read.
    """
    title = title_of(str(place))
    with opened_map(place) as source:
        full = ClassBand.of(source, title)
        _require_small_pixels(source, title)
        factors, block = _stored(full)
        factor = max(f for f in (1, *factors) if _fits(source, f, resolution_m))
        if not (source.width % factor or source.height % factor):
            positions = PixelPositions.of(source, shrink=factor)
            yield Level(
                band=full, full=full, factor=factor, shrink=factor, block=block,
                positions=positions,
            )  # fmt: skip
            return
        overview = full.overviews.index(factor)
        with opened_map(place, overview=overview) as small:
            band = ClassBand.of(small, title)
            positions = PixelPositions.of(small, shrink=1)
            yield Level(
                band=band, full=full, factor=factor, shrink=1, block=band.block,
                positions=positions,
            )  # fmt: skip


def _stored(full: ClassBand) -> tuple[list[int], tuple[int, int]]:
    """Return the overview factors of a map, and the size of its stored blocks.

    For a virtual raster these are the values of its first file. If other files differ, reading is
    slower. Only overviews that divide its sides can be used there.
    """
    source = full.source
    if source.driver != "VRT" or full.overviews or len(source.files) < 2:
        return full.overviews, full.block
    with rasterio.open(source.files[1]) as part:
        same = (part.transform.a, part.transform.e) == (source.transform.a, source.transform.e)
        factors = [f for f in part.overviews(1) if not (source.width % f or source.height % f)]
        return (factors if same else []), part.block_shapes[0]


def size_deg(source: Raster) -> tuple[float, float]:
    """Return the width and height of a pixel at full resolution, in degrees of a meridian."""
    unit, (width, height) = unit_deg(source), pixel_size(source.transform)
    return width * unit, height * unit


def _fits(source: Raster, factor: int, resolution_m: float) -> bool:
    """Return whether a level is fine enough; full resolution always is."""
    if factor == 1:
        return True
    width_deg, height_deg = (size * factor for size in size_deg(source))
    pixel_m = max(width_deg, height_deg) * METRES_PER_DEGREE
    enough = MIN_PIXELS_PER_CELL * width_deg * height_deg <= CELL_DEG**2
    return bool(enough and pixel_m <= resolution_m * (1 + 1e-9))


def _require_small_pixels(source: Raster, title: str) -> None:
    crs = source.crs
    if not (crs.is_geographic or crs.is_projected):
        raise InputError(
            "expected a map in a geographic or projected coordinate system to count classes, found "
            f"that the map {title} is in {crs.to_string()[:60]}; warp it with `gdalwarp -t_srs "
            "EPSG:4326 -r near`"
        )
    width_deg, height_deg = size_deg(source)
    if MIN_PIXELS_PER_CELL * width_deg * height_deg > CELL_DEG**2:
        pixels = CELL_DEG**2 / (width_deg * height_deg)
        raise InputError(
            f"expected at least {MIN_PIXELS_PER_CELL} pixels in a cell of 10 km to count classes, "
            f"found {pixels:.2g} in the map {title}; give a finer map or the mode center"
        )
