"""Mean and standard deviation of each band, exact and independent of the order of patches."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minortom.shards.layout import SampleSpec

_PIXELS_AT_ONCE = 2**16
"""Pixels that are added at once: they fit into the cache of a processor. Up to 2**21 squares of
16-bit values add up to less than 2**53, below which float64 holds every whole number exactly."""
_MAX_PATCH_PIXELS = 2**21


@dataclass(kw_only=True)
class BandSums:
    """Number, sum and sum of squares of the pixels of each band.

    The sums are Python integers, so that their order does not change them.
    """

    num_pixels: dict[str, int] = field(default_factory=dict)
    """By tensor column, pixels of each of its bands. Empty before the first patch."""
    sums: dict[str, list[int]] = field(default_factory=dict)
    squares: dict[str, list[int]] = field(default_factory=dict)

    def add_patches(self, tensors: Mapping[str, NDArray[np.generic]]) -> None:
        """Add all pixels of arrays [patch, band, row, column], one for each tensor column."""
        for column, patches in tensors.items():
            if not len(patches):
                continue
            per_patch = patches[0, 0].size
            assert per_patch <= _MAX_PATCH_PIXELS, per_patch
            step = max(1, _PIXELS_AT_ONCE // per_patch)
            self._count(column, len(patches) * per_patch, patches.shape[1])
            for band in range(patches.shape[1]):
                for first in range(0, len(patches), step):
                    values = patches[first : first + step, band].astype(np.float64).ravel()
                    self.sums[column][band] += int(values.sum())
                    # Not np.dot: its threads would compete with the other workers.
                    self.squares[column][band] += int(np.einsum("i,i->", values, values))

    def add(self, other: "BandSums") -> None:
        """Add the sums of another object."""
        for column, num_pixels in other.num_pixels.items():
            self._count(column, num_pixels, len(other.sums[column]))
            for band, total in enumerate(other.sums[column]):
                self.sums[column][band] += total
                self.squares[column][band] += other.squares[column][band]

    def statistics(self, spec: SampleSpec) -> dict[str, dict[str, list[object]]]:
        """Return ``bands``, ``mean`` and ``std`` (population) by tensor column, in stored units."""
        result: dict[str, dict[str, list[object]]] = {}
        for group in spec.groups:
            n = self.num_pixels[group.column]
            mean: list[object] = []
            std: list[object] = []
            for total, squares in zip(
                self.sums[group.column], self.squares[group.column], strict=True
            ):
                mean.append(total / n)
                std.append(((n * squares - total * total) / (n * n)) ** 0.5)
            result[group.column] = {"bands": list(group.bands), "mean": mean, "std": std}
        return result

    def _count(self, column: str, num_pixels: int, num_bands: int) -> None:
        self.num_pixels[column] = self.num_pixels.get(column, 0) + num_pixels
        self.sums.setdefault(column, [0] * num_bands)
        self.squares.setdefault(column, [0] * num_bands)
