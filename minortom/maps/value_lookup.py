"""Look-up of the values of a continuous raster at points."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.maps.class_band import valid_pixels
from minortom.maps.rasters import Raster, opened_map, pixels_at, windows_with
from minortom.progress import OnProgress, ignore_progress

_NAMES_SHOWN = 8


def values_at(
    path: Path,
    band: int | None,
    lon_deg: NDArray[np.float64],
    lat_deg: NDArray[np.float64],
    *,
    on_progress: OnProgress = ignore_progress,
) -> NDArray[np.float64]:
    """Return the value of the pixel at each of [n] points (WGS 84), with scale and offset applied.

    Only blocks that contain points are read, each block once.

    Args:
        path: Raster file.
        band: Number of the band, from 1; None for the only band.
        lon_deg: [n] longitudes.
        lat_deg: [n] latitudes.
        on_progress: Called with (points looked up, points in all).

    Returns:
        [n] values; NaN outside the raster, and where it has nodata, a masked or no finite value.

    Raises:
        InputError: If the raster cannot be read, has no coordinate system, not this band, several
            bands without a choice, or complex numbers.
    """
    with opened_map(path) as source:
        number = _checked_band(path, source, band)
        scale, offset = source.scales[number - 1], source.offsets[number - 1]
        found = np.full(len(lon_deg), np.nan)
        points, row, col = pixels_at(source, lon_deg, lat_deg)
        done = len(found) - len(points)
        for window, here in windows_with(source, row, col):
            block = source.read(number, window=window)
            valid = valid_pixels(source, number, block, window=window)
            pixels = row[here] - window.row_off, col[here] - window.col_off
            values = block[pixels].astype(np.float64) * scale + offset
            found[points[here]] = np.where(valid[pixels] & np.isfinite(values), values, np.nan)
            done += len(here)
            on_progress(done, len(found))
    return found


def _checked_band(path: Path, source: Raster, band: int | None) -> int:
    names = [
        f"{number} {name}" if name else str(number)
        for number, name in enumerate(source.descriptions, start=1)
    ]
    shown = ", ".join(names[:_NAMES_SHOWN]) + (", …" if len(names) > _NAMES_SHOWN else "")
    if band is None and source.count > 1:
        raise InputError(
            f"expected one band of {path}, found {source.count} ({shown}); choose one, as in "
            f"{path}:1"
        )
    number = 1 if band is None else band
    if not 1 <= number <= source.count:
        raise InputError(f"{path} has no band {number}; its bands are {shown}")
    if np.issubdtype(np.dtype(source.dtypes[number - 1]), np.complexfloating):
        raise InputError(
            f"expected real numbers in band {number} of {path}, found "
            f"{source.dtypes[number - 1]}; choose another band"
        )
    return number
