"""Bands of a user's GeoTIFF by name: the whole file, or windows of it.

Values are returned as stored. Other files of this package expect Sentinel-2 as reflectance
× 10,000 without offset, and Sentinel-1 in dB.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from minortom.errors import InputError
from minortom.io.proj_data import require_proj_data
from minortom.sensors import SensorName

_S1_NAMES = ("VV", "VH", "HH", "HV")


@dataclass(frozen=True, kw_only=True, eq=False)
class BandStack:
    """Pixels of named bands on one grid."""

    names: tuple[str, ...]
    values: NDArray[np.float32]
    """[band, row, column]."""
    valid: NDArray[np.bool_]
    """[band, row, column], True where measured: finite and not the nodata value of the file."""
    epsg: int | None
    """EPSG code of the projection; None where the file has no projection, or one without code."""
    transform: tuple[float, ...]
    """(a, b, c, d, e, f): x = a · column + b · row + c, y = d · column + e · row + f."""


@dataclass(frozen=True, kw_only=True)
class OpenBands:
    """Open raster file, read by windows."""

    path: Path
    files: tuple[Path, ...]
    """This file; for a virtual raster also its source files."""
    names: tuple[str, ...]
    """Names of the bands, in the order of the file."""
    height_px: int
    width_px: int
    epsg: int | None
    crs_wkt: str | None
    transform: tuple[float, ...]
    _source: Any

    def read(
        self, *, row_px: int = 0, col_px: int = 0, height_px: int | None = None,
        width_px: int | None = None, channels: Sequence[int] | None = None,
    ) -> BandStack:  # fmt: skip
        """Read a window of some bands; the whole file by default.

        Args:
            row_px: First row.
            col_px: First column.
            height_px: Rows to read; all below the first when None.
            width_px: Columns to read; all right of the first when None.
            channels: Numbers of the bands to read, from 0; all when None.

        Raises:
            InputError: If the window cannot be read.
        """
        height = self.height_px - row_px if height_px is None else height_px
        width = self.width_px - col_px if width_px is None else width_px
        chosen = range(len(self.names)) if channels is None else channels
        try:
            found = self._source.read(
                [number + 1 for number in chosen], window=Window(col_px, row_px, width, height),
                masked=True, out_dtype=np.float32,
            )  # fmt: skip
        except RasterioError as error:
            raise _unreadable(self.path, error) from None
        values = np.ma.getdata(found)
        a, b, c, d, e, f = self.transform
        moved = (
            a, b, c + a * col_px + b * row_px, d, e, f + d * col_px + e * row_px,
        )  # fmt: skip
        return BandStack(
            names=tuple(self.names[number] for number in chosen), values=values,
            valid=~np.ma.getmaskarray(found) & np.isfinite(values),
            epsg=self.epsg, transform=moved,
        )  # fmt: skip


@contextmanager
def open_bands(path: Path, names: Sequence[str] | None = None) -> Iterator[OpenBands]:
    """Open a raster file.

    Args:
        path: A GeoTIFF, or another raster that GDAL reads.
        names: Names of its bands, in order; the band descriptions in the file when None.

    Raises:
        InputError: If the file cannot be read, the number of names is not that of the bands, or
            bands have no name.
    """
    require_proj_data()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # an image needs none
            source = rasterio.open(path)
    except RasterioError as error:
        raise _unreadable(path, error) from None
    with source:
        crs = source.crs
        yield OpenBands(
            path=path, files=_files(path, source.files),
            names=_names(path, source, names), height_px=source.height, width_px=source.width,
            epsg=crs.to_epsg() if crs else None, crs_wkt=crs.to_wkt() if crs else None,
            transform=tuple(source.transform)[:6], _source=source,
        )  # fmt: skip


def read_bands(path: Path, names: Sequence[str] | None = None) -> BandStack:
    """Read all bands of a file; see :func:`open_bands`."""
    with open_bands(path, names) as opened:
        return opened.read()


def sensor_of(name: str) -> SensorName:
    """Return the sensor of a band: `s1` if its name is a polarisation, otherwise `s2`."""
    return "s1" if name.upper() in _S1_NAMES else "s2"


def _files(path: Path, found: Sequence[str]) -> tuple[Path, ...]:
    """Return the files of a raster, without statistics and overviews that programs add later."""
    parts = [Path(name) for name in found if not name.endswith((".aux.xml", ".ovr"))]
    return tuple(dict.fromkeys((path, *sorted(parts))))


def _names(path: Path, source: Any, given: Sequence[str] | None) -> tuple[str, ...]:  # noqa: ANN401
    if given is not None:
        if len(given) != source.count:
            raise InputError(
                f"expected {source.count} names, one for each band of {path} in order, found "
                f"{len(given)}: {', '.join(given)}; give --s2-bands and --s1-bands again"
            )
        return tuple(given)
    found = tuple((name or "").strip() for name in source.descriptions)
    if not all(found):
        raise InputError(
            f"expected a name for each of the {len(found)} bands of {path}, found "
            f"{found.count('')} without a name; give --s2-bands or --s1-bands, or write band "
            "descriptions such as B02 or VV into the file"
        )
    return found


def _unreadable(path: Path, error: Exception) -> InputError:
    found = str(error.__cause__ or error).splitlines()[0]
    return InputError(f"cannot read {path} ({found}); give a raster file such as a GeoTIFF")
