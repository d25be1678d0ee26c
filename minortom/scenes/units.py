"""Units of pixel values, recognised by their distribution.

The largest value says little: one bright pixel, or one that was not measured, can have any value.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minortom.sensors import S1, S2_10M, SensorName

MIN_VALUES = 16
"""Fewer values than this, or all the same value, are taken to be in the unit of the model."""

_MAX_REFLECTANCE = 2.0
_MAX_PERCENT = 120.0
_MAX_8_BIT = 255.0
_MAX_MEDIAN = 20_000.0
_MIN_DB = -100.0
_MAX_LINEAR = 2.0
_NEGATIVE_SHARE = 0.05

# Typical medians of VV, of VH and of VV minus VH over land and water (dB), and their spread.
_TYPICAL_DB = np.array([-10.5, -17.0, 6.5])
_SPREAD_DB = np.array([5.0, 5.0, 2.0])
_SURE = 3.0
"""Difference of two log-likelihoods above which power and amplitude are told apart."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Unit of the values of an image, and their conversion to the unit of the model."""

    name: str
    factor: float = 1.0
    """Factor to the unit of the model; for values that become decibels, of their logarithm."""
    is_linear: bool = True
    """False if decibels are `factor` · log10 of the value."""
    conversion: str = ""
    """Conversion to the unit of the model, for messages; empty if it is the unit of the model."""

    def convert(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert values to the unit of the model; NaN where a logarithm does not exist."""
        if not self.conversion:
            return values
        if self.is_linear:
            return np.asarray(values * np.float64(self.factor), np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self.factor * np.log10(values, dtype=np.float64)
        return np.asarray(np.where(values > 0, found, np.nan), np.float32)


MODEL_UNIT: dict[SensorName, Unit] = {
    "s2": Unit(name="reflectance × 10,000"), "s1": Unit(name="gamma0 in dB"),
}  # fmt: skip
REFLECTANCE = Unit(
    name="reflectance from 0 to 1", factor=1 / S2_10M.scale, conversion="multiply it by 10,000"
)
PERCENT = Unit(
    name="reflectance in percent", factor=0.01 / S2_10M.scale, conversion="multiply it by 100"
)
POWER = Unit(name="linear power", factor=10, is_linear=False, conversion="take 10 · log10")
AMPLITUDE = Unit(name="amplitude", factor=20, is_linear=False, conversion="take 20 · log10")
HUNDREDTHS = Unit(name="dB × 100", factor=S1.scale, conversion="divide it by 100")


def recognise(sensor: SensorName, bands: Sequence[NDArray[np.floating]]) -> tuple[Unit | None, str]:
    """Recognise the unit of an image.

    Args:
        sensor: Sensor of the image.
        bands: Measured values of each band of the model; for Sentinel-1 VV and then VH.

    Returns:
        The unit, None where it is not clear; and a description of the values for a message.
    """
    values = np.concatenate([np.asarray(band).ravel() for band in bands])
    values = values[np.isfinite(values)]
    if len(values) < MIN_VALUES or values.min() == values.max():
        return MODEL_UNIT[sensor], "too few different values"
    if sensor == "s2":
        return _of_reflectance(values)
    return _of_backscatter(values, bands)


def _of_reflectance(values: NDArray[np.floating]) -> tuple[Unit | None, str]:
    low, middle, high = np.percentile(values, (1, 50, 99))
    seen = f"a median of {middle:.4g} and 98 % of the values from {low:.4g} to {high:.4g}"
    if low > -_MAX_8_BIT and np.mean(values < 0) > 0.2:
        return None, f"{seen}, as in images that are normalised already"
    whole = bool(np.mean(values == np.rint(values)) > 0.99)
    if high <= _MAX_REFLECTANCE and not whole:
        return REFLECTANCE, seen
    if high <= _MAX_PERCENT and not whole:
        return PERCENT, seen
    if high <= _MAX_8_BIT:
        return None, f"{seen}, as in a picture of 8 bits"
    if middle > _MAX_MEDIAN:
        return None, seen
    return MODEL_UNIT["s2"], seen


def _of_backscatter(
    values: NDArray[np.floating], bands: Sequence[NDArray[np.floating]]
) -> tuple[Unit | None, str]:
    low, middle, high = np.percentile(values, (1, 50, 99))
    seen = f"a median of {middle:.4g} and 98 % of the values from {low:.4g} to {high:.4g}"
    if middle < _MIN_DB:
        return HUNDREDTHS if low > 100 * _MIN_DB else None, seen
    if np.mean(values < 0) > _NEGATIVE_SHARE:
        return MODEL_UNIT["s1"], seen
    if middle > _MAX_LINEAR or len(bands) != 2:
        return None, f"{seen}, as in digital numbers that are not calibrated"
    medians = [float(np.median(band[band > 0])) for band in bands if (band > 0).any()]
    if len(medians) < 2:
        return None, seen
    vv_db, vh_db = (10 * np.log10(median) for median in medians)
    found_db = np.array([vv_db, vh_db, vv_db - vh_db])
    of_power, of_amplitude = (
        -0.5 * float(np.square((times * found_db - _TYPICAL_DB) / _SPREAD_DB).sum())
        for times in (1, 2)
    )
    if abs(of_power - of_amplitude) < _SURE:
        return None, f"{seen}, which can be power or amplitude"
    return POWER if of_power > of_amplitude else AMPLITUDE, seen
