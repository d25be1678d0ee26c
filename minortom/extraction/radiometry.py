"""Radiometry: the offset of Sentinel-2 values, and decibels of Sentinel-1."""

import re

import numpy as np
from numpy.typing import NDArray

from minortom.sensors import S1

BASELINE_OFFSET = 1000
"""Offset that ESA's processing adds to Sentinel-2 values from baseline 04.00 on."""

_BASELINE = re.compile(r"_N(\d{4})_")
_FIRST_WITH_OFFSET = 400
_REPROCESSED = 9999
"""Baseline of reprocessed products, which have no offset."""

# The offset allows values slightly below zero reflectance: few pixels lie below it, and none far
# below. Scenes without the offset have dark pixels (water, shadow) in some band.
_DARK_PERCENT = 1.0
_NEARLY_OFFSET = 900
_FAR_BELOW_OFFSET = 750

_MAX_INT16 = np.iinfo(np.int16).max


def offset_of_product(product_id: str) -> int | None:
    """Return the offset of a product's valid values, from ``_Nxxyy_`` in its name.

    Returns:
        1000 for baseline 04.00 and later, 0 for earlier ones and for N9999; None where the
        name has no baseline.
    """
    found = _BASELINE.search(product_id)
    if not found:
        return None
    baseline = int(found.group(1))
    return BASELINE_OFFSET if _FIRST_WITH_OFFSET <= baseline != _REPROCESSED else 0


def remove_offset(values: NDArray[np.uint16], offset: int) -> NDArray[np.uint16]:
    """Subtract ``offset`` from valid values, which stay at least 1; 0 stays nodata."""
    if not offset:
        return values
    lowered = np.maximum(values, offset + 1)
    lowered -= np.uint16(offset)
    return np.minimum(lowered, values, out=lowered)  # only nodata goes from 1 back to 0


def offset_is_doubtful(bands: list[NDArray[np.uint16]], offset: int | None) -> bool:
    """Compare the offset in a product's name with its values; for information only.

    Args:
        bands: Values as in the archive, one array for each band; 0 is nodata.
        offset: Offset by the product's name; None if the name has no baseline.

    Returns:
        True if the name says 1000 and a band has many values far below that, or if the name says
        nothing and no band has a pixel near zero.
    """
    dark = [np.percentile(valid, _DARK_PERCENT) for band in bands if len(valid := band[band > 0])]
    if not dark:
        return False
    if offset is None:
        return bool(min(dark) >= _NEARLY_OFFSET)
    return bool(offset and min(dark) < _FAR_BELOW_OFFSET)


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
