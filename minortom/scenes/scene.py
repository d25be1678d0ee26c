"""Scenes in one GeoTIFF or two: rows of bands by sensor, with the georeference."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.scenes.band_names import SKIP
from minortom.scenes.geotiffs import OpenBands, open_bands
from minortom.scenes.image_reader import bands_in, check_all_bands, notes_on
from minortom.scenes.radiometry import Radiometry, S2Offset, Sample
from minortom.sensors import SensorName

_SAMPLED_WINDOWS = 6
"""Windows along a side of a scene whose values are read to recognise the unit."""
_WINDOW_PX = 64
_GRID_TOLERANCE_PX = 1e-3
_CACHE_BYTES = 512 * 1024 * 1024
"""Size of GDAL's cache, which is 5 % of memory by default. A scene is read in strips, and a row of
blocks (512 px high, 10,980 px wide, 12 bands in float32) has 270 MB."""

_Part = tuple[OpenBands, tuple[int, ...]]
"""Bands of a sensor: a file, and the numbers of the bands in it."""


@dataclass(frozen=True, kw_only=True)
class OpenScene:
    """Open scene in one file, or in two files on one pixel grid; read by rows."""

    bands: Mapping[SensorName, tuple[str, ...]]
    """Names of the bands, by sensor."""
    height_px: int
    width_px: int
    crs_wkt: str
    transform: tuple[float, ...]
    """(a, b, c, d, e, f): x = a · column + b · row + c, y = d · column + e · row + f."""
    pixel_m: float | None
    """Side of a pixel in metres; None where pixels are not square or not in metres."""
    files: tuple[Path, ...]
    """Files of the scene; for a virtual raster also its source files."""
    radiometry: Radiometry
    """Conversion of the values to the units of the model."""
    _parts: Mapping[SensorName, _Part]

    def read(
        self, sensor: SensorName, channels: Sequence[int], *, row_px: int, height_px: int,
        col_px: int = 0, width_px: int | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:  # fmt: skip
        """Read rows of some bands, over the whole width of the scene by default.

        Args:
            sensor: Sensor of the bands.
            channels: Numbers of the bands in `bands`.
            row_px: First row.
            height_px: Rows to read.
            col_px: First column.
            width_px: Columns to read; all right of the first when None.

        Returns:
            Values in the unit of the model, and a mask that is True where they were measured,
            [band, row, column]; see `radiometry`.

        Raises:
            InputError: If the rows cannot be read.
        """
        opened, numbers = self._parts[sensor]
        stack = opened.read(
            row_px=row_px, height_px=height_px, col_px=col_px, width_px=width_px,
            channels=[numbers[n] for n in channels],
        )  # fmt: skip
        return self.radiometry.convert(sensor, stack.values, stack.valid, stack.origin)


@contextmanager
def open_scene(
    path: Path,
    *,
    s1: Path | None = None,
    s2_bands: Sequence[str] | None = None,
    s1_bands: Sequence[str] | None = None,
    s2_offset: S2Offset = "auto",
    all_bands: bool = False,
    workers: int | None = None,
) -> Iterator[OpenScene]:
    """Open a scene.

    Args:
        path: Raster file with bands of either sensor or both; with bands of Sentinel-2 if `s1`
            is given.
        s1: Raster file of Sentinel-1 on the same pixel grid.
        s2_bands: Names of the Sentinel-2 bands, in order, `-` for a band to skip; the names in
            the file when None.
        s1_bands: Names of the Sentinel-1 bands, as for `s2_bands`; in one file they follow those of
            Sentinel-2.
        s2_offset: Offset to subtract from Sentinel-2 values without offset tags.
        all_bands: Whether the scene must have all bands of the model of at least one sensor.
        workers: Threads that decode; all cores when None.

    Raises:
        InputError: If a file cannot be read, its bands have no names or are none of the model's,
            it is not georeferenced, the two files have different pixel grids, or the unit of the
            values is not clear.
    """
    with ExitStack() as stack:
        stack.enter_context(
            rasterio.Env(GDAL_NUM_THREADS=workers or "ALL_CPUS", GDAL_CACHEMAX=_CACHE_BYTES)
        )
        first_names = s2_bands if s1 else (*(s2_bands or ()), *(s1_bands or ())) or None
        first = stack.enter_context(open_bands(path, first_names))
        second = stack.enter_context(open_bands(s1, s1_bands)) if s1 else None
        parts = _parts(first, second)
        if all_bands:
            check_all_bands({sensor: (of.path, of.names) for sensor, (of, _) in parts.items()})
        yield _scene(first, parts, s2_offset)


def _parts(first: OpenBands, second: OpenBands | None) -> dict[SensorName, _Part]:
    if second is not None:
        _check_same_grid(first, second)
        s2 = bands_in(first.path, first.names, "s2").numbers["s2"]
        s1 = bands_in(second.path, second.names, "s1").numbers["s1"]
        return {"s2": (first, s2), "s1": (second, s1)}
    chosen = bands_in(first.path, first.names)
    return {sensor: (first, numbers) for sensor, numbers in chosen.numbers.items()}


def _scene(first: OpenBands, parts: Mapping[SensorName, _Part], s2_offset: S2Offset) -> OpenScene:
    if first.crs_wkt is None or first.transform == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0):
        raise InputError(
            f"expected a georeferenced file, found no coordinate system or geotransform in "
            f"{first.path}; set it with gdal_edit.py, or with gdalwarp if it has control points"
        )
    files = dict.fromkeys(file for opened, _ in parts.values() for file in opened.files)
    return OpenScene(
        bands={
            sensor: tuple(opened.names[n] for n in numbers)
            for sensor, (opened, numbers) in parts.items()
        },
        height_px=first.height_px, width_px=first.width_px, crs_wkt=first.crs_wkt,
        transform=first.transform, pixel_m=_pixel_m(first), files=tuple(files), _parts=parts,
        radiometry=_radiometry(parts, s2_offset, first.path),
    )  # fmt: skip


def _radiometry(parts: Mapping[SensorName, _Part], s2_offset: S2Offset, where: Path) -> Radiometry:
    rule = Radiometry.of(_samples(parts), s2_offset=s2_offset, where=where)
    read: dict[Path, set[int]] = {}
    for opened, numbers in parts.values():
        read.setdefault(opened.path, set()).update(numbers)
    notes = [
        f"{opened.path}: {note}"
        for opened in {opened.path: opened for opened, _ in parts.values()}.values()
        for note in notes_on(
            [
                name
                for number, name in enumerate(opened.names)
                if number not in read[opened.path] and name != SKIP
            ],
            opened.note,
        )
    ]
    return replace(rule, notes=(*notes, *rule.notes))


def _samples(parts: Mapping[SensorName, _Part]) -> list[Sample]:
    """Read windows that are spread evenly over the scene."""
    samples: list[Sample] = []
    for sensor, (opened, numbers) in parts.items():
        height, width = (min(_WINDOW_PX, side) for side in (opened.height_px, opened.width_px))
        tops, lefts = (
            sorted({int(at) for at in np.linspace(0, side - size, _SAMPLED_WINDOWS)})
            for side, size in ((opened.height_px, height), (opened.width_px, width))
        )
        samples += [
            opened.read(
                row_px=top, col_px=left, height_px=height, width_px=width, channels=numbers
            ).sample(sensor)
            for top in tops for left in lefts
        ]  # fmt: skip
    return samples


def _pixel_m(opened: OpenBands) -> float | None:
    crs = rasterio.CRS.from_wkt(opened.crs_wkt)
    if not crs.is_projected:
        return None
    unit_m = crs.linear_units_factor[1]
    a, b, _, d, e, _ = opened.transform
    across_m, down_m = math.hypot(a, d) * unit_m, math.hypot(b, e) * unit_m
    return across_m if math.isclose(across_m, down_m, rel_tol=1e-3) else None


def _check_same_grid(s2: OpenBands, s1: OpenBands) -> None:
    sizes = [f"{one.height_px} × {one.width_px} px" for one in (s2, s1)]
    crs = [rasterio.CRS.from_wkt(one.crs_wkt) if one.crs_wkt else None for one in (s2, s1)]
    a, b, c, d, e, f = (abs(x - y) for x, y in zip(s2.transform, s1.transform, strict=True))
    pixel = math.sqrt(abs(s2.transform[0] * s2.transform[4] - s2.transform[1] * s2.transform[3]))
    apart = max(c + a * s2.width_px + b * s2.height_px, f + d * s2.width_px + e * s2.height_px)
    if sizes[0] != sizes[1]:
        what = f"{sizes[0]} and {sizes[1]}"
    elif crs[0] != crs[1]:
        what = f"EPSG {s2.epsg} and {s1.epsg}"
    elif apart > _GRID_TOLERANCE_PX * pixel:
        what = f"corners or pixels that are {apart / pixel:g} pixels apart"
    else:
        return
    raise InputError(
        f"expected {s1.path} on the pixel grid of {s2.path}, found {what}; warp it to that grid "
        "with gdalwarp -t_srs, -te and -ts"
    )
