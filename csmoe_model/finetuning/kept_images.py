"""Normalised images in memory, so that each is read and normalised once in a run.

Axes, as name suffixes:
    B  images in a batch    n  images of a split
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from csmoe_model.data.sampler import Samples
from csmoe_model.datasets.base import SplitName
from minortom.sensors import SensorName

MAX_BYTES = 2**30
"""Memory for the images of all splits; those of further splits are read again each time."""

Read = Callable[[Samples], dict[SensorName, Tensor]]
"""Reads and normalises the images with some numbers, [B, …] by sensor."""


class KeptImages:
    """Images of small splits, kept when they are first read."""

    def __init__(self, counts: Mapping[SplitName, int]) -> None:
        """Keep nothing yet.

        Args:
            counts: Number of images of each split.
        """
        self._counts = counts
        self._bytes = 0
        self._images: dict[SplitName, dict[SensorName, Tensor] | None] = {}
        self._is_read: dict[SplitName, NDArray[np.bool_]] = {}

    def get(self, name: SplitName, samples: Samples, read: Read) -> dict[SensorName, Tensor]:
        """Return some images of a split; read those that are not kept yet."""
        if name not in self._images:
            first = read(samples[:1])
            self._images[name] = self._memory_for(name, first)
        kept = self._images[name]
        if kept is None:
            return read(samples)
        missing = samples[~self._is_read[name][samples]]
        if len(missing):
            for sensor, image_BCHW in read(missing).items():
                kept[sensor][missing] = image_BCHW
            self._is_read[name][missing] = True
        return {sensor: image_nCHW[samples] for sensor, image_nCHW in kept.items()}

    def _memory_for(
        self, name: SplitName, first: Mapping[SensorName, Tensor]
    ) -> dict[SensorName, Tensor] | None:
        """Return memory for all images of a split; None if they are too large."""
        count = self._counts[name]
        size = count * sum(image_BCHW.nbytes for image_BCHW in first.values())
        if self._bytes + size > MAX_BYTES:
            return None
        self._bytes += size
        self._is_read[name] = np.zeros(count, np.bool_)
        return {
            sensor: image_BCHW.new_empty((count, *image_BCHW.shape[1:]))
            for sensor, image_BCHW in first.items()
        }
