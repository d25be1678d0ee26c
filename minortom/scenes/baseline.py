"""Offset of Sentinel-2 values by the processing baseline in a product's name."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
_PRODUCT = re.compile(r"S2[A-D]_MSIL(?:1C|2A)_\d{8}T\d{6}_N\d{4}_")


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


def product_in(path: Path) -> str | None:
    """Return the beginning of a product's name in a path; the last one where there are several."""
    found = _PRODUCT.findall(str(path))
    return found[-1] if found else None


def offset_is_doubtful(
    bands: Sequence[NDArray[np.integer] | NDArray[np.floating]], offset: int | None
) -> bool:
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
