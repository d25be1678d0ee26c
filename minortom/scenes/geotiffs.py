"""Bands of a user's GeoTIFF by name: the whole file, or windows of it.

Values have the scale and offset tags of the file applied, as GDAL applies them. `radiometry`
converts them to the units of the model.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from minortom.errors import InputError
from minortom.io.proj_data import require_proj_data
from minortom.scenes.band_files import PRODUCT_TAG, opened_as_one
from minortom.scenes.band_names import known_band
from minortom.scenes.baseline import offset_of_product, product_in
from minortom.scenes.find_bands import find_bands
from minortom.scenes.radiometry import Origin, Sample, measured
from minortom.sensors import SensorName

_ALPHA = "alpha"


@dataclass(frozen=True, kw_only=True, eq=False)
class BandStack:
    """Pixels of named bands on one grid."""

    names: tuple[str, ...]
    values: NDArray[np.float32]
    """[band, row, column]."""
    valid: NDArray[np.bool_]
    """[band, row, column], True where measured; see `radiometry`."""
    epsg: int | None
    """EPSG code of the projection; None where the file has no projection, or one without code."""
    crs_wkt: str | None
    transform: tuple[float, ...]
    """(a, b, c, d, e, f): x = a · column + b · row + c, y = d · column + e · row + f."""
    origin: Origin
    """Information about the offset of the values."""
    note: str
    """Peculiarity of the values that a user should know; empty if there is none."""

    def select(self, numbers: Sequence[int]) -> "BandStack":
        """Return some bands, by their numbers from 0."""
        chosen = list(numbers)
        return replace(
            self, names=tuple(self.names[number] for number in chosen),
            values=self.values[chosen], valid=self.valid[chosen],
        )  # fmt: skip

    def sample(self, sensor: SensorName) -> Sample:
        """Return the measured values of the bands of a sensor, each under its known name."""
        bands = {}
        for name, band, valid in zip(self.names, self.values, self.valid, strict=True):
            known = known_band(name)
            bands[known.name if known else name] = band[valid]
        return Sample(sensor=sensor, bands=bands, origin=self.origin)

    def filled(self) -> NDArray[np.float32]:
        """Return the values with the mean of the band where they were not measured.

        Raises:
            InputError: If a band has no measured pixel.
        """
        if self.valid.all():
            return self.values
        values = self.values.copy()
        for name, band, valid in zip(self.names, values, self.valid, strict=True):
            if not valid.any():
                raise InputError(
                    f"expected measured pixels in {name}, found none in {self.origin.path}; leave "
                    "this image out"
                )
            band[~valid] = band[valid].mean(dtype=np.float64)
        return values


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
    origin: Origin
    """Information about the offset of the values."""
    note: str
    """As in `BandStack`."""
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
        stored = np.ma.getdata(found)
        valid = measured(stored, [sensor_of(self.names[number]) for number in chosen])
        values = self._unscaled(stored, chosen)
        a, b, c, d, e, f = self.transform
        moved = (
            a, b, c + a * col_px + b * row_px, d, e, f + d * col_px + e * row_px,
        )  # fmt: skip
        return BandStack(
            names=tuple(self.names[number] for number in chosen), values=values,
            valid=valid & ~np.ma.getmaskarray(found),
            epsg=self.epsg, crs_wkt=self.crs_wkt, transform=moved,
            origin=self.origin, note=self.note,
        )  # fmt: skip

    def _unscaled(self, stored: NDArray[np.float32], chosen: Sequence[int]) -> NDArray[np.float32]:
        """Apply the scale and offset tags of the bands."""
        tags = [_scale_and_offset(self._source, number) for number in chosen]
        if all(tag == (1, 0) for tag in tags):
            return stored
        scale, offset = np.array(tags).T[:, :, None, None]
        return np.asarray(stored * scale + offset, np.float32)


@contextmanager
def open_bands(path: Path, names: Sequence[str] | None = None) -> Iterator[OpenBands]:
    """Open a raster file, or an image whose bands are separate files.

    Args:
        path: A GeoTIFF, or another raster that GDAL reads; or see `find_bands`.
        names: Names of its bands, in order; the band descriptions in the file when None.

    Raises:
        InputError: If the file cannot be read, the number of names is not that of the bands, or
            bands have no name.
    """
    require_proj_data()
    found = find_bands(path)
    with ExitStack() as stack:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)  # an image needs none
                opened = rasterio.open(path) if found is None else opened_as_one(found)
                source = stack.enter_context(opened)
        except RasterioError as error:
            raise _unreadable(path, error) from None
        crs = source.crs
        yield OpenBands(
            path=path, files=_files(path, source.files) if found is None else found.files,
            names=_names(path, source, names), height_px=source.height, width_px=source.width,
            epsg=crs.to_epsg() if crs else None, crs_wkt=crs.to_wkt() if crs else None,
            transform=tuple(source.transform)[:6], origin=_origin(path, source),
            note=found.note if found else "", _source=source,
        )  # fmt: skip


def read_bands(path: Path, names: Sequence[str] | None = None) -> BandStack:
    """Read all bands of a file; see :func:`open_bands`."""
    with open_bands(path, names) as opened:
        return opened.read()


def sensor_of(name: str) -> SensorName | None:
    """Return the sensor of a band; None if the name is unknown or that of no band."""
    band = known_band(name)
    return None if band is None else band.sensor


def _origin(path: Path, source: Any) -> Origin:  # noqa: ANN401
    product = source.tags().get(PRODUCT_TAG, "") or product_in(path.absolute()) or ""
    offsets = [_scale_and_offset(source, number)[1] for number in range(source.count)]
    return Origin(
        path=path, has_offset_tag=any(offsets), named_offset=offset_of_product(product)
    )  # fmt: skip


def _scale_and_offset(source: Any, number: int) -> tuple[float, float]:  # noqa: ANN401
    """Return the tags of a band, by its number from 0; a scale of 0 is that of a damaged tag."""
    return source.scales[number] or 1.0, source.offsets[number]


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
    named = zip(source.descriptions, source.colorinterp, strict=True)
    found = tuple(
        (name or (_ALPHA if kind == ColorInterp.alpha else "")).strip() for name, kind in named
    )
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
