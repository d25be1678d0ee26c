"""One image out of one GeoTIFF or two: the bands of each sensor, filled and in known units."""

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
"""What a file holds: bands of either sensor, or of one."""
_LARGEST_RATIO = 2.0
"""Reflectance from 0 to 1 is not above this; times 10,000 some pixel always is."""


@dataclass(frozen=True, kw_only=True)
class ImageReader:
    """Reads images; called with the files of one, by role."""

    s2_bands: tuple[str, ...] | None = None
    """Names of the Sentinel-2 bands in the files; those that the files tell when None."""
    s1_bands: tuple[str, ...] | None = None

    def __call__(
        self, files: Mapping[Role, Path]
    ) -> dict[SensorName, tuple[tuple[str, ...], NDArray[np.float32]]]:
        """Give each sensor's band names, and its pixels [band, row, column].

        Pixels that were not measured are given the mean of the band's others.

        Raises:
            InputError: If a file cannot be read or its bands cannot be told, a band was not
                measured at all, or its unit is none that is known.
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
            raise InputError(f"{path}: no pixel of {name} was measured; leave this image out")
        band[~valid] = band[valid].mean(dtype=np.float64)
    return values


def read_band(path: Path) -> NDArray[np.float32]:
    """Read a file of one band, [row, column]; what was not measured is the mean of the rest.

    Raises:
        InputError: If it cannot be read, has several bands, or nothing was measured.
    """
    name = path.stem.rpartition("_")[2]  # as in `…_B02.tif`
    (pixels,) = _filled(path, read_bands(path, (name,)))
    return np.asarray(pixels)


def check_unit(path: Path, sensor: SensorName, values: NDArray[np.float32]) -> None:
    """Tell reflectance from 0 to 1, and power, from what is wanted.

    Raises:
        InputError: If the values, of all bands of a sensor, are such.
    """
    largest, least = float(values.max()), float(values.min())
    if sensor == "s2" and 0 < largest <= _LARGEST_RATIO:
        raise InputError(
            f"{path}: no Sentinel-2 value is above {largest:g}; wanted reflectance × 10,000, this "
            "looks like reflectance; multiply it"
        )
    if sensor == "s1" and least >= 0 and largest > 0:
        raise InputError(
            f"{path}: no Sentinel-1 value is below 0; wanted gamma0 in dB, this looks like power; "
            "take 10 · log10 of it"
        )
