"""Gaps of patches: pixels that were not measured, how many are allowed, and how they are filled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minortom.sensors import BandGroup, SensorName

Patches = Mapping[str, NDArray[np.generic]]
"""Arrays [patch, band, row, column], by tensor column."""
Shares = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Gaps:
    """Invalid pixels of each patch."""

    share: dict[SensorName, Shares]
    """[patch], share of a sensor's values over all its bands, 0 to 1."""
    is_empty: NDArray[np.bool_]
    """[patch], whether a band has no valid pixel that could fill it."""

    def are_small(self, max_share: float) -> NDArray[np.bool_]:
        """Return which patches have at most this share of gaps and no empty band."""
        small = [share <= max_share for share in self.share.values()]
        kept: NDArray[np.bool_] = np.logical_and.reduce([*small, ~self.is_empty])
        return kept


def find_gaps(patches: Patches, groups: Sequence[BandGroup]) -> Gaps:
    """Count the nodata values of each patch."""
    num_patches = len(next(iter(patches.values())))
    missing: dict[SensorName, NDArray[np.int64]] = {}
    values: dict[SensorName, int] = {}
    is_empty = np.zeros(num_patches, bool)
    for group in groups:
        array = patches[group.column]
        gaps = array == group.nodata
        per_band = np.zeros(array.shape[:2], np.intp)
        if gaps.any():  # most tiles have none, and this check is faster than counting
            per_band = np.count_nonzero(gaps, axis=(2, 3))
        missing[group.sensor] = missing.get(group.sensor, 0) + per_band.sum(axis=1)
        values[group.sensor] = values.get(group.sensor, 0) + array[0].size if num_patches else 1
        is_empty |= (per_band == array.shape[2] * array.shape[3]).any(axis=1)
    share = {sensor: count / values[sensor] for sensor, count in missing.items()}
    return Gaps(share=share, is_empty=is_empty)


def fill(pixels: NDArray[np.generic], nodata: int) -> None:
    """Fill each nodata pixel of [patch, band, row, column] in place with the nearest valid value.

    The value comes from the same band and patch, which must have at least one valid pixel.
    """
    from scipy.ndimage import distance_transform_edt

    gaps = pixels == nodata
    for patch, band in np.argwhere(gaps.any(axis=(2, 3))).tolist():
        image = pixels[patch, band]
        nearest = distance_transform_edt(
            gaps[patch, band], return_distances=False, return_indices=True
        )
        image[...] = image[tuple(nearest)]
