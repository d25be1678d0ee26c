"""Mean and standard deviation a band, exact and independent of the order of the patches."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from minortom.sensors import GROUPS

_MAX_PIXELS = 2**20
"""Squares of so many 16-bit values add up to less than 2**53, where float64 is exact."""


@dataclass(kw_only=True)
class BandSums:
    """Pixels, their sum and the sum of their squares, a band of each tensor column.

    The sums are Python integers: adding in another order gives the same numbers.
    """

    num_pixels: dict[str, int] = field(default_factory=lambda: {g.column: 0 for g in GROUPS})
    """By tensor column; all bands of a column have equally many."""
    sums: dict[str, list[int]] = field(
        default_factory=lambda: {g.column: [0] * len(g.bands) for g in GROUPS}
    )
    squares: dict[str, list[int]] = field(
        default_factory=lambda: {g.column: [0] * len(g.bands) for g in GROUPS}
    )

    def add_patches(self, tensors: Mapping[str, NDArray[np.generic]]) -> None:
        """Count all pixels of arrays [patch, band, row, column], one a tensor column."""
        for column, patches in tensors.items():
            if not len(patches):
                continue
            per_patch = patches[0, 0].size
            step = max(1, _MAX_PIXELS // per_patch)
            self.num_pixels[column] += len(patches) * per_patch
            for band in range(patches.shape[1]):
                for first in range(0, len(patches), step):
                    values = patches[first : first + step, band].astype(np.float64).ravel()
                    self.sums[column][band] += int(values.sum())
                    self.squares[column][band] += int(np.dot(values, values))

    def add(self, other: "BandSums") -> None:
        """Take in what another one counted."""
        for column, num_pixels in other.num_pixels.items():
            self.num_pixels[column] += num_pixels
            for band, total in enumerate(other.sums[column]):
                self.sums[column][band] += total
                self.squares[column][band] += other.squares[column][band]

    def statistics(self) -> dict[str, dict[str, list[object]]]:
        """Give ``bands``, ``mean`` and ``std`` (of the population) by column, stored units."""
        result: dict[str, dict[str, list[object]]] = {}
        for group in GROUPS:
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
