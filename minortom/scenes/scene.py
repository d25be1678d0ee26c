"""Scenes in one GeoTIFF or two: rows of bands by sensor, with the georeference."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.scenes.geotiffs import OpenBands, open_bands, sensor_of
from minortom.scenes.image_reader import check_unit
from minortom.sensors import SensorName

_MIN_VALUES = 1000
"""Minimum number of values to check the unit: a few pixels at a swath's edge can have any value."""
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
    _parts: Mapping[SensorName, _Part]

    def read(
        self, sensor: SensorName, channels: Sequence[int], *, row_px: int, height_px: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read rows of some bands, over the whole width of the scene.

        Args:
            sensor: Sensor of the bands.
            channels: Numbers of the bands in `bands`.
            row_px: First row.
            height_px: Rows to read.

        Returns:
            Values, and a mask that is True where they were measured, [band, row, column]. Pixels
            where all these bands of Sentinel-2 are 0 were not measured.

        Raises:
            InputError: If the rows cannot be read, or the values have another unit.
        """
        opened, numbers = self._parts[sensor]
        stack = opened.read(
            row_px=row_px, height_px=height_px, channels=[numbers[n] for n in channels]
        )
        valid = stack.valid
        if sensor == "s2":
            valid = valid & stack.values.any(axis=0)
        values = stack.values[valid]
        if len(values) >= _MIN_VALUES:
            check_unit(opened.path, sensor, values)
        return stack.values, valid


@contextmanager
def open_scene(
    path: Path,
    *,
    s1: Path | None = None,
    s2_bands: Sequence[str] | None = None,
    s1_bands: Sequence[str] | None = None,
    workers: int | None = None,
) -> Iterator[OpenScene]:
    """Open a scene.

    Args:
        path: Raster file with bands of either sensor or both; with bands of Sentinel-2 if `s1`
            is given.
        s1: Raster file of Sentinel-1 on the same pixel grid.
        s2_bands: Names of the Sentinel-2 bands, in order; the names in the file when None.
        s1_bands: Names of the Sentinel-1 bands, as for `s2_bands`; in one file they follow those of
            Sentinel-2.
        workers: Threads that decode; all cores when None.

    Raises:
        InputError: If a file cannot be read, its bands have no names, it is not georeferenced, or
            the two files have different pixel grids.
    """
    with ExitStack() as stack:
        stack.enter_context(
            rasterio.Env(GDAL_NUM_THREADS=workers or "ALL_CPUS", GDAL_CACHEMAX=_CACHE_BYTES)
        )
        first_names = s2_bands if s1 else (*(s2_bands or ()), *(s1_bands or ())) or None
        first = stack.enter_context(open_bands(path, first_names))
        second = stack.enter_context(open_bands(s1, s1_bands)) if s1 else None
        yield _scene(first, _parts(first, second))


def _parts(first: OpenBands, second: OpenBands | None) -> dict[SensorName, _Part]:
    if second is not None:
        _check_same_grid(first, second)
        return {
            "s2": (first, tuple(range(len(first.names)))),
            "s1": (second, tuple(range(len(second.names)))),
        }
    numbers: dict[SensorName, list[int]] = {"s2": [], "s1": []}
    for number, name in enumerate(first.names):
        numbers[sensor_of(name)].append(number)
    return {sensor: (first, tuple(found)) for sensor, found in numbers.items() if found}


def _scene(first: OpenBands, parts: Mapping[SensorName, _Part]) -> OpenScene:
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
    )  # fmt: skip


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
