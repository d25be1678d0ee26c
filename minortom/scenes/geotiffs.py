"""A user's GeoTIFFs as named bands: whole, or a window at a time.

Values come as they are stored; what the rest of this package takes is Sentinel-2 as reflectance
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
from minortom.sensors import SensorName

_S1_NAMES = ("VV", "VH", "HH", "HV")


@dataclass(frozen=True, kw_only=True, eq=False)
class BandStack:
    """Pixels of named bands on one grid."""

    names: tuple[str, ...]
    values: NDArray[np.float32]
    """[band, row, column]."""
    valid: NDArray[np.bool_]
    """[band, row, column], True where measured: finite and not the file's nodata."""
    epsg: int | None
    """Of the projection; None where the file has none, or one without a code."""
    transform: tuple[float, ...]
    """(a, b, c, d, e, f): x = a · column + b · row + c, y = d · column + e · row + f."""


@dataclass(frozen=True, kw_only=True)
class OpenBands:
    """An open file, of which windows are read."""

    path: Path
    files: tuple[Path, ...]
    """This one, and those that it is made of if it is a virtual raster."""
    names: tuple[str, ...]
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
        """Read a window of some bands, by their numbers from 0; the whole file by default.

        Raises:
            InputError: If the file is damaged there.
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
    """Open a file.

    Args:
        path: A GeoTIFF, or any raster that GDAL reads.
        names: Of its bands, in order; their descriptions in the file when None.

    Raises:
        InputError: If it cannot be read, names do not match its bands, or it has none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a picture needs no place
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
    """Read a file whole; see :func:`open_bands`."""
    with open_bands(path, names) as opened:
        return opened.read()


def sensor_of(name: str) -> SensorName:
    """Tell by a band's name whose it is: a polarisation is Sentinel-1's."""
    return "s1" if name.upper() in _S1_NAMES else "s2"


def _files(path: Path, found: Sequence[str]) -> tuple[Path, ...]:
    """Leave out what programs put beside a raster when they look at it."""
    parts = [Path(name) for name in found if not name.endswith((".aux.xml", ".ovr"))]
    return tuple(dict.fromkeys((path, *sorted(parts))))


def _names(path: Path, source: Any, given: Sequence[str] | None) -> tuple[str, ...]:  # noqa: ANN401
    if given is not None:
        if len(given) != source.count:
            raise InputError(
                f"{path} has {source.count} bands, {len(given)} names were given: "
                f"{', '.join(given)}; name each band once, in order"
            )
        return tuple(given)
    found = tuple((name or "").strip() for name in source.descriptions)
    if not all(found):
        raise InputError(
            f"{found.count('')} of the {len(found)} bands of {path} have no name; name them with "
            "--s2-bands or --s1-bands, or write descriptions such as B02 or VV into the file"
        )
    return found


def _unreadable(path: Path, error: Exception) -> InputError:
    found = str(error.__cause__ or error).splitlines()[0]
    return InputError(f"cannot read {path} ({found}); wanted a raster file such as a GeoTIFF")
