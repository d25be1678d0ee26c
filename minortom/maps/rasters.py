"""Rasters: opening, pixels of points, and windows that contain points."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.transform import Affine
from rasterio.windows import Window

from minortom.errors import InputError, RemoteError
from minortom.io.proj_data import require_proj_data
from minortom.maps.gdal_http import settings_for, title_of
from minortom.public_urls import public_url
from minortom.remote.http import is_url

Raster = Any
"""Open ``rasterio.DatasetReader``; rasterio has no published types."""

METRES_PER_DEGREE = np.pi * 6378137 / 180
"""Length of a degree of a meridian on the sphere of the grid."""

_LONLAT = "EPSG:4326"
_WINDOW_PX = 1024 * 1024  # read at a time; a single block if that is larger
_WINDOW_SIDE_PX = 1024
_WINDOW_BYTES = 48 * 1024 * 1024  # more than a row of blocks of a WorldCover tile
_CACHE_BYTES = 128 * 1024 * 1024


@contextmanager
def opened_map(place: Path | str, *, overview: int | None = None) -> Iterator[Raster]:
    """Open a raster with a position; errors in opening and reading become errors of one line.

    :class:`minortom.maps.class_band.ClassBand` checks that it is a map of classes.

    Args:
        place: Path of a file, or its URL. Of a URL only the necessary blocks are read.
        overview: Index of an overview of the file to open in place of the map.

    Raises:
        InputError: If the raster cannot be read, has no band, or has no coordinate system or
            position.
        RemoteError: If the raster is behind a URL and cannot be read.
    """
    require_proj_data()
    url = str(place) if is_url(str(place)) else None
    settings = settings_for(url) if url else {}
    level = {} if overview is None else {"overview_level": overview}
    try:
        # Each block is read once, so the cache of GDAL (5 % of the memory) can be small.
        with rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES, **settings):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)  # _check reports it
                source = rasterio.open(f"/vsicurl/{url}" if url else place, **level)
            with source:
                _check(title_of(str(place)), source)
                yield source
    except RasterioError as error:
        found = str(error.__cause__ or error).splitlines()[0]
        if url:
            raise RemoteError(
                f"{public_url(url)}: reading blocks of this map failed ({found.split('?')[0]}); "
                "run the same command again, or fetch the map first"
            ) from None
        raise InputError(
            f"cannot read the map {place} ({found}); expected a raster file such as a GeoTIFF"
        ) from None


def pixels_at(
    source: Raster, lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the points (WGS 84) that lie on a map, and their pixels.

    Of a map in degrees (or grads), longitudes are shifted by multiples of 360 degrees onto the
    map. Maps from 0 to 360 degrees and maps across the antimeridian therefore work too.

    Returns:
        Indices, pixel rows and pixel columns of the m points on the map, [m] each.

    Raises:
        InputError: If longitude and latitude cannot be transformed to the map's coordinates.
    """
    x, y = _projected(source, lon_deg, lat_deg)
    a = source.transform
    col, row = pixels_of(a, x, y)
    with np.errstate(invalid="ignore"):  # points without a place in the projection are infinite
        if source.crs.is_geographic and a.b == a.d == 0:
            turn_px = 360 / (abs(a.a) * unit_deg(source))
            col = _wrapped_columns(col, turn_px, source.width)
        inside = (col >= 0) & (col < source.width) & (row >= 0) & (row < source.height)
    points = np.flatnonzero(inside)
    return points, row[points].astype(np.intp), col[points].astype(np.intp)


def pixels_of(
    transform: Affine, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the columns and rows, in pixels, at coordinates of a map."""
    a, b, c, d, e, f = tuple(transform)[:6]
    with np.errstate(invalid="ignore"):  # a point without a place in the projection is infinite
        if b == d == 0:
            return (x - c) / a, (y - f) / e
        determinant = a * e - b * d
        return (
            (e * (x - c) - b * (y - f)) / determinant, (a * (y - f) - d * (x - c)) / determinant
        )  # fmt: skip


def windows_with(
    source: Raster, row: NDArray[np.intp], col: NDArray[np.intp]
) -> Iterator[tuple[Window, NDArray[np.intp]]]:
    """Yield the windows of whole blocks that contain some pixels, from the top left.

    Args:
        source: Open map.
        row: [m] pixel rows.
        col: [m] pixel columns.

    Yields:
        A window, and the indices of the pixels in it. Each index is yielded once.
    """
    if not len(row):
        return
    block_height, block_width = source.block_shapes[0]
    width = block_width * max(1, _WINDOW_SIDE_PX // block_width)
    height = block_height * max(1, _WINDOW_PX // (width * block_height))
    n_across = -(-source.width // width)
    window_of = (row // height) * n_across + col // width
    if window_of.max() <= np.iinfo(np.uint16).max:
        window_of = window_of.astype(np.uint16)  # NumPy sorts these by radix, ten times faster
    order = np.argsort(window_of, kind="stable")
    starts = np.flatnonzero(np.diff(window_of[order], prepend=-1))
    for here in np.split(order, starts[1:]):
        down, across = divmod(int(window_of[here[0]]), n_across)
        top, left = down * height, across * width
        yield (
            Window(left, top, min(width, source.width - left), min(height, source.height - top)),
            here,
        )


def windows_of(size: tuple[int, int], block: tuple[int, int], pixel_bytes: int) -> Iterator[Window]:
    """Yield windows of whole blocks that cover a raster, from the top left.

    Args:
        size: Height and width of the raster, in pixels.
        block: Height and width of a stored block, in pixels.
        pixel_bytes: Bytes of a pixel in memory, which limit the size of the windows.
    """
    (high, wide), (block_height, block_width) = size, block
    window_px = _WINDOW_BYTES // pixel_bytes
    width = block_width * max(1, window_px // (block_width * block_height))
    width = min(width, wide)
    height = block_height * max(1, window_px // (width * block_height))
    for top in range(0, high, height):
        for left in range(0, wide, width):
            yield Window(left, top, min(width, wide - left), min(height, high - top))


def _wrapped_columns(col: NDArray[np.float64], turn_px: float, width: int) -> NDArray[np.float64]:
    """Return columns of a map in degrees, shifted by multiples of ``turn_px`` (360 degrees).

    A map of the whole globe owns both its edges: 180 degrees is in its last column, -180 in its
    first.
    """
    if abs(turn_px - width) >= 0.5:
        return col % turn_px
    wrapped = np.where((col < 0) | (col > width), col % turn_px, col)
    return np.minimum(wrapped, width - 0.5)


def transformer(source: Raster, *, from_map: bool) -> Any:  # noqa: ANN401  (pyproj has no types)
    """Return pyproj's transformation between WGS 84 and a map's coordinates.

    Args:
        source: Open map.
        from_map: Whether the transformation is from the map to WGS 84.

    Returns:
        A ``pyproj.Transformer``, longitude first; None if the map is in EPSG:4326.

    Raises:
        InputError: If longitude and latitude cannot be transformed to the map's coordinates.
    """
    if source.crs == rasterio.CRS.from_string(_LONLAT):
        return None
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    of_map = source.crs.to_wkt()
    try:
        start, end = (of_map, _LONLAT) if from_map else (_LONLAT, of_map)
        return Transformer.from_crs(start, end, always_xy=True)
    except ProjError as error:
        found = str(error).splitlines()[0]
        raise InputError(
            f"longitude and latitude cannot be transformed to the coordinate system of the map "
            f"{source.name} ({found}); warp the map to EPSG:4326 with gdalwarp"
        ) from None


def unit_deg(source: Raster) -> float:
    """Return the unit of a map's coordinates, in degrees; a grad is 0.9 degrees.

    A metre of a projection is one on a meridian of the sphere of the grid.
    """
    factor = float(source.crs.units_factor[1])
    return float(np.rad2deg(factor)) if source.crs.is_geographic else factor / METRES_PER_DEGREE


def pixel_size(transform: Affine) -> tuple[float, float]:
    """Return the width and height of a pixel, in units of the map's coordinates."""
    return math.hypot(transform.a, transform.d), math.hypot(transform.b, transform.e)


def _check(path: str, source: Raster) -> None:
    if not source.count:
        raise InputError(
            f"expected a raster with a band, found none in {path}; a container of several rasters "
            "needs one of them written as a GeoTIFF, with `gdal_translate`"
        )
    if source.crs is None:
        points = "has ground control points only; warp it with `gdalwarp -r near`"
        needed = f"set it, for example with `gdal_edit.py -a_srs EPSG:4326 {path}`"
        raise InputError(
            f"the map {path} {points}" if source.gcps[0] else
            f"the map {path} has no coordinate system; {needed}"
        )  # fmt: skip
    if source.transform.is_identity:
        raise InputError(
            f"the map {path} has no position (no geotransform); set it with `gdal_edit.py -a_ullr`"
        )
    if not (np.isfinite(tuple(source.transform)).all() and source.transform.determinant):
        raise InputError(
            f"the map {path} has an unusable position (geotransform {source.transform.to_gdal()}); "
            "set it with `gdal_edit.py -a_ullr`"
        )


def _projected(
    source: Raster, lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project points to the map's coordinate system; points outside its domain are infinite."""
    to_map = transformer(source, from_map=False)
    if to_map is None:
        return lon_deg, lat_deg
    x, y = to_map.transform(lon_deg, lat_deg)
    return np.asarray(x), np.asarray(y)
