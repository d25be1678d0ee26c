"""GeoTIFF bytes, one a band, to arrays on the Sentinel-2 grid of the tile."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import ProjError
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from minortom.errors import ArchiveError
from minortom.extraction.options import Resampling

_SAME_PLACE_PX = 0.01
"""Grids that differ by less, in pixels, are one grid."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """North-up pixels in a projection, as a GeoTIFF has them."""

    epsg: int
    pixel_m: float
    west_m: float
    north_m: float
    height_px: int
    width_px: int

    def part(self, box: "Box") -> "Grid":
        """Give the grid of the pixels of a box."""
        return replace(
            self, west_m=self.west_m + box.col_px * self.pixel_m,
            north_m=self.north_m - box.row_px * self.pixel_m,
            height_px=box.height_px, width_px=box.width_px,
        )  # fmt: skip

    def finer(self, factor: int) -> "Grid":
        """Give the grid that cuts each pixel into ``factor`` × ``factor``."""
        return replace(
            self, pixel_m=self.pixel_m / factor, height_px=self.height_px * factor,
            width_px=self.width_px * factor,
        )  # fmt: skip

    def coarser(self, factor: int) -> "Grid":
        """Give the grid of pixels ``factor`` times as large, as many as are whole."""
        return replace(
            self, pixel_m=self.pixel_m * factor, height_px=self.height_px // factor,
            width_px=self.width_px // factor,
        )  # fmt: skip

    def starts_with(self, other: "Grid") -> bool:
        """Say whether both have one projection, north-west corner and pixel size."""
        apart_m = max(abs(self.west_m - other.west_m), abs(self.north_m - other.north_m))
        longest_px = max(self.height_px, self.width_px)
        return (
            self.epsg == other.epsg
            and abs(self.pixel_m - other.pixel_m) * longest_px < _SAME_PLACE_PX * self.pixel_m
            and apart_m < _SAME_PLACE_PX * self.pixel_m
        )


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle of pixels of a grid."""

    row_px: int
    col_px: int
    height_px: int
    width_px: int

    def scaled(self, factor: int) -> "Box":
        """Give the same ground in pixels ``factor`` times as large; all sides must divide."""
        sides = (self.row_px, self.col_px, self.height_px, self.width_px)
        assert not any(side % factor for side in sides), (sides, factor)
        row, col, height, width = (side // factor for side in sides)
        return Box(row_px=row, col_px=col, height_px=height, width_px=width)


class Band:
    """One opened GeoTIFF of one band."""

    def __init__(self, name: str, dataset: rasterio.DatasetReader) -> None:
        """Read the georeference; see :func:`opened` for the errors."""
        self.name = name
        self._dataset = dataset
        self.nodata: float | None = dataset.nodata
        self.dtype: str = dataset.dtypes[0]
        transform, epsg = dataset.transform, dataset.crs and dataset.crs.to_epsg()
        square = transform.a > 0 and abs(transform.a + transform.e) < 1e-6 * transform.a
        if not epsg or not dataset.crs.is_projected or not square or transform.b or transform.d:
            raise ArchiveError(
                f"{name} is not georeferenced as a tile is: CRS {dataset.crs}, "
                f"transform {tuple(transform)[:6]}; wanted a projection with an EPSG code, north up"
            )
        self.grid = Grid(
            epsg=epsg, pixel_m=transform.a, west_m=transform.c, north_m=transform.f,
            height_px=dataset.height, width_px=dataset.width,
        )  # fmt: skip

    def read(self, box: Box) -> NDArray[Any]:
        """Read the pixels of a box, which must lie inside."""
        bottom, right = box.row_px + box.height_px, box.col_px + box.width_px
        if bottom > self.grid.height_px or right > self.grid.width_px:
            raise ArchiveError(
                f"{self.name} has {self.grid.height_px} × {self.grid.width_px} px; "
                f"wanted at least {bottom} × {right}"
            )
        window = Window(box.col_px, box.row_px, box.width_px, box.height_px)
        with _named(self.name, self._dataset.name):
            pixels: NDArray[Any] = self._dataset.read(1, window=window)
        return pixels

    def resampled(
        self,
        target: Grid,
        how: Resampling,
        *,
        is_valid: Callable[[NDArray[Any]], NDArray[np.bool_]],
    ) -> NDArray[np.float64]:
        """Give the band's value at each pixel centre of another grid.

        Args:
            target: The grid, in any projection.
            how: The nearest pixel's value; or what the four around it come to by their distance,
                those that are valid.
            is_valid: Says which pixels were measured.

        Returns:
            Values, NaN where the nearest pixel is not there or not valid.
        """
        row, col = _places_in(target, self.grid)
        with _named(self.name, self._dataset.name):
            pixels = self._dataset.read(1)
        valid = is_valid(pixels)
        values = np.where(valid, pixels, 0).astype(np.float64)
        nearest = _corner(valid, np.floor(row), np.floor(col))
        if how == Resampling.NEAREST:
            found = _corner(values, np.floor(row), np.floor(col))
            return np.where(nearest, found, np.nan)
        # Pixels have their value at their centre.
        top, left = np.floor(row - 0.5), np.floor(col - 0.5)
        down, right = row - 0.5 - top, col - 0.5 - left
        total, weights = np.zeros(row.shape), np.zeros(row.shape)
        for below, part in ((0, 1 - down), (1, down)):
            for beside, share in ((0, 1 - right), (1, right)):
                weight = part * share * _corner(valid, top + below, left + beside)
                total += weight * _corner(values, top + below, left + beside)
                weights += weight
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(nearest, total / weights, np.nan)


@contextmanager
def opened(name: str, geotiff: bytes | None) -> Iterator[Band]:
    """Open the bytes of a band.

    Raises:
        ArchiveError: If there are no bytes, they are no GeoTIFF or damaged, or the image has
            not one band, a CRS with an EPSG code and square pixels with north up.
    """
    if not geotiff:
        raise ArchiveError(f"{name} holds no bytes")
    with rasterio.MemoryFile(geotiff) as file:
        with _named(name, file.name):
            dataset = file.open(driver="GTiff")
        with dataset:
            if dataset.count != 1:
                raise ArchiveError(f"{name} has {dataset.count} bands in one GeoTIFF; wanted one")
            with _named(name, file.name):
                band = Band(name, dataset)
            yield band


@contextmanager
def _named(name: str, memory_name: str) -> Iterator[None]:
    """Turn what rasterio says about bytes into an error that names the band."""
    try:
        yield
    except (RasterioError, CRSError, NotGeoreferencedWarning) as error:
        found = str(error.__cause__ or error).splitlines()[0]
        # The bytes' name in memory is random, and the message goes into the record of an export.
        for random_name in (memory_name, memory_name.rsplit("/", 1)[-1]):
            found = found.replace(random_name, name)
        raise ArchiveError(f"{name} is no readable GeoTIFF ({found})") from None


def _corner(
    pixels: NDArray[Any], row: NDArray[np.float64], col: NDArray[np.float64]
) -> NDArray[Any]:
    """Give the pixels at whole rows and columns; 0 where there is none."""
    height, width = pixels.shape
    with np.errstate(invalid="ignore"):
        inside = (row >= 0) & (row < height) & (col >= 0) & (col < width)
    rows, cols = (np.where(inside, axis, 0).astype(np.intp) for axis in (row, col))
    found: NDArray[Any] = np.where(inside, pixels[rows, cols], pixels.dtype.type(0))
    return found


@lru_cache(maxsize=1)  # both polarisations lie on one grid
def _places_in(target: Grid, source: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give row and column in the source, from its corner, of each centre of the target's pixels.

    By each pixel's own projection: GDAL's warper interpolates it, and is off at some edges. NaN
    where the source's projection ends.
    """
    x_m = target.west_m + target.pixel_m * (np.arange(target.width_px) + 0.5)
    y_m = target.north_m - target.pixel_m * (np.arange(target.height_px) + 0.5)
    eastings, northings = np.meshgrid(x_m, y_m)
    if source.epsg != target.epsg:
        try:
            to_source = Transformer.from_crs(target.epsg, source.epsg, always_xy=True)
            eastings, northings = to_source.transform(eastings, northings)
        except ProjError as error:
            raise ArchiveError(
                f"no way from EPSG:{target.epsg} to EPSG:{source.epsg} is known ({error})"
            ) from None
    row = (source.north_m - northings) / source.pixel_m
    col = (eastings - source.west_m) / source.pixel_m
    placed = np.isfinite(row) & np.isfinite(col)
    return np.where(placed, row, np.nan), np.where(placed, col, np.nan)
