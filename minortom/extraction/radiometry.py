"""Radiometry: the offset of Sentinel-2 values, and decibels of Sentinel-1."""

import numpy as np
from numpy.typing import NDArray

from minortom.sensors import S1

_MAX_INT16 = np.iinfo(np.int16).max


def remove_offset(values: NDArray[np.uint16], offset: int) -> NDArray[np.uint16]:
    """Subtract ``offset`` from valid values, which stay at least 1; 0 stays nodata."""
    if not offset:
        return values
    lowered = np.maximum(values, offset + 1)
    lowered -= np.uint16(offset)
    return np.minimum(lowered, values, out=lowered)  # only nodata goes from 1 back to 0


def power_is_valid(power: NDArray[np.floating], nodata: float | None) -> NDArray[np.bool_]:
    """Return which pixels are valid: finite, above 0, and not the nodata value of the file."""
    valid: NDArray[np.bool_] = np.isfinite(power) & (power > 0)
    if nodata is not None:
        valid &= power != nodata
    return valid


def decibels(power: NDArray[np.floating], nodata: float | None) -> NDArray[np.int16]:
    """Convert linear power to steps of 0.01 dB.

    Args:
        power: Backscatter as linear power.
        nodata: The nodata value of the file; None if it has none.

    Returns:
        Rounded decibels / 0.01; -32768 where power is ``nodata``, -32768, not finite, zero or
        negative.
    """
    valid = power_is_valid(power, nodata)
    # In float64: float32 logarithms would round some pixels to the neighbouring step.
    with np.errstate(divide="ignore", invalid="ignore"):
        steps: NDArray[np.float64] = np.log10(power, dtype=np.float64)
    steps *= 10 / S1.scale
    np.rint(steps, out=steps)
    np.clip(steps, S1.nodata + 1, _MAX_INT16, out=steps)
    steps[~valid] = S1.nodata
    return steps.astype(np.int16)
