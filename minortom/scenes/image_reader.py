"""Images from one GeoTIFF or two: bands by sensor, without gaps and in known units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.scenes.geotiffs import BandStack, read_bands, sensor_of
from minortom.sensors import SensorName

Role = Literal["file", "s2", "s1"]
"""Content of a file: bands of any sensor (`file`), or of one sensor."""
_MAX_REFLECTANCE = 2.0
"""Reflectance is never above this value; times 10,000, some pixel always is."""


@dataclass(frozen=True, kw_only=True)
class ImageReader:
    """Reader of images; it is called with the files of one image, by role."""

    s2_bands: tuple[str, ...] | None = None
    """Names of the Sentinel-2 bands in the files, in order; the names in the files when None."""
    s1_bands: tuple[str, ...] | None = None
    """Names of the Sentinel-1 bands, as for `s2_bands`."""

    def __call__(
        self, files: Mapping[Role, Path]
    ) -> dict[SensorName, tuple[tuple[str, ...], NDArray[np.float32]]]:
        """Return the band names of each sensor, and its pixels [band, row, column].

        Pixels that were not measured get the mean of their band.

        Raises:
            InputError: If a file cannot be read or its bands have no names, a band has no measured
                pixel, or the values have another unit.
        """
        found: dict[SensorName, tuple[tuple[str, ...], NDArray[np.float32]]] = {}
        for role, path in files.items():
            stack = read_bands(path, self._given(role))
            sensors = [role] if role != "file" else [sensor_of(name) for name in stack.names]
            filled = _filled(path, stack)
            for sensor in ("s2", "s1"):
                mine = [
                    n for n in range(len(stack.names))
                    if sensors[n if role == "file" else 0] == sensor
                ]  # fmt: skip
                if mine:
                    check_unit(path, sensor, filled[mine])
                    found[sensor] = (tuple(stack.names[n] for n in mine), filled[mine])
        return found

    def _given(self, role: Role) -> Sequence[str] | None:
        if role == "s2":
            return self.s2_bands
        if role == "s1":
            return self.s1_bands
        return (*(self.s2_bands or ()), *(self.s1_bands or ())) or None


def _filled(path: Path, stack: BandStack) -> NDArray[np.float32]:
    if stack.valid.all():
        return stack.values
    values = stack.values.copy()
    for name, band, valid in zip(stack.names, values, stack.valid, strict=True):
        if not valid.any():
            raise InputError(
                f"expected measured pixels in {name}, found none in {path}; leave this image out"
            )
        band[~valid] = band[valid].mean(dtype=np.float64)
    return values


def read_band(path: Path) -> NDArray[np.float32]:
    """Read a file of one band, [row, column].

    Pixels that were not measured get the mean of the others.

    Raises:
        InputError: If the file cannot be read, has several bands, or no measured pixel.
    """
    name = path.stem.rpartition("_")[2]  # as in `…_B02.tif`
    (pixels,) = _filled(path, read_bands(path, (name,)))
    return np.asarray(pixels)


def check_unit(path: Path, sensor: SensorName, values: NDArray[np.float32]) -> None:
    """Check that Sentinel-2 is reflectance × 10,000 and Sentinel-1 is in dB.

    Args:
        path: File of the values, for the error message.
        sensor: The sensor.
        values: Values of all bands of the sensor.

    Raises:
        InputError: If the values look like reflectance from 0 to 1, or like power.
    """
    largest, smallest = float(values.max()), float(values.min())
    if sensor == "s2" and 0 < largest <= _MAX_REFLECTANCE:
        raise InputError(
            "expected reflectance × 10,000 for Sentinel-2, found no value above "
            f"{largest:g} in {path}, which looks like reflectance; multiply it by 10,000"
        )
    if sensor == "s1" and smallest >= 0 and largest > 0:
        raise InputError(
            f"expected gamma0 in dB for Sentinel-1, found no value below 0 in {path}, which looks "
            "like power; convert it with 10 · log10"
        )
