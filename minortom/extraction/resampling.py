"""Resampling of a band onto another pixel grid, exactly, pixel by pixel."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from pyproj.exceptions import ProjError

from minortom.errors import ArchiveError
from minortom.extraction.options import Resampling
from minortom.extraction.pixel_grid import Grid


def resample(
    pixels: NDArray[Any], valid: NDArray[np.bool_], source: Grid, target: Grid, how: Resampling
) -> NDArray[np.float64]:
    """Compute the value of a band at each pixel centre of another grid.

    Args:
        pixels: Values of the band [row, column].
        valid: Which pixels were measured [row, column].
        source: Grid of the band.
        target: Grid of the result, in any projection.
        how: ``nearest`` takes the value of the nearest pixel. ``bilinear`` weights the four pixels
            around by their distance; pixels that are not valid have no weight.

    Returns:
        Values [row, column] on the target grid; NaN where the nearest pixel of the source does not
        exist or is not valid.

    Raises:
        ArchiveError: If no transformation between the two projections is known.
    """
    row, col = _positions(target, source)
    values = np.where(valid, pixels, 0).astype(np.float64)
    nearest = _pixels_at(valid, np.floor(row), np.floor(col))
    if how == Resampling.NEAREST:
        found = _pixels_at(values, np.floor(row), np.floor(col))
        return np.where(nearest, found, np.nan)
    # The value of a pixel belongs to its centre.
    top, left = np.floor(row - 0.5), np.floor(col - 0.5)
    down, right = row - 0.5 - top, col - 0.5 - left
    total, weights = np.zeros(row.shape), np.zeros(row.shape)
    for below, row_weight in ((0, 1 - down), (1, down)):
        for beside, col_weight in ((0, 1 - right), (1, right)):
            weight = row_weight * col_weight * _pixels_at(valid, top + below, left + beside)
            total += weight * _pixels_at(values, top + below, left + beside)
            weights += weight
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(nearest, total / weights, np.nan)


def _pixels_at(
    pixels: NDArray[Any], row: NDArray[np.float64], col: NDArray[np.float64]
) -> NDArray[Any]:
    """Return the pixels at whole rows and columns; 0 outside the image."""
    height, width = pixels.shape
    with np.errstate(invalid="ignore"):
        inside = (row >= 0) & (row < height) & (col >= 0) & (col < width)
    rows, cols = (np.where(inside, axis, 0).astype(np.intp) for axis in (row, col))
    found: NDArray[Any] = np.where(inside, pixels[rows, cols], pixels.dtype.type(0))
    return found


@lru_cache(maxsize=1)  # both polarisations lie on one grid
def _positions(target: Grid, source: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return row and column in the source, from its corner, of each pixel centre of the target.

    Each pixel is projected exactly: GDAL's warper interpolates the projection and is wrong at some
    pixel edges. NaN where the projection of the source is not defined.
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
                f"no transformation from EPSG:{target.epsg} to EPSG:{source.epsg} is known "
                f"({error})"
            ) from None
    row = (source.north_m - northings) / source.pixel_m
    col = (eastings - source.west_m) / source.pixel_m
    defined = np.isfinite(row) & np.isfinite(col)
    return np.where(defined, row, np.nan), np.where(defined, col, np.nan)
