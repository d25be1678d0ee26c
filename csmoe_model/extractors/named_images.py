"""Images with named bands, checked and reduced to the bands of an extractor.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from csmoe_model.data.bands import pick
from csmoe_model.data.preprocess import (
    Images,
    as_tensor,
    check_finite,
    check_model_unit,
    check_size,
)
from minortom.sensors import SensorName


@dataclass(frozen=True, kw_only=True)
class NamedImages:
    """Checks of the images of an extractor."""

    bands: Mapping[SensorName, Sequence[str]]
    """Bands that the extractor reads, by sensor."""
    device: torch.device
    """Device of the result."""
    smallest_px: int
    """Minimum side of an image."""
    name: str
    """Name of the extractor for errors."""
    check_units: bool
    """Whether to check the units by the distribution of the values."""

    def checked(self, sensor: SensorName, images: Images, names: Sequence[str] | None) -> Tensor:
        """Return the bands of the extractor, in its order, after all checks.

        Args:
            sensor: Sensor of the images.
            images: [B, C, H, W].
            names: Names of the channels; the bands of the extractor when None.

        Returns:
            [B, C, H, W] float32.

        Raises:
            InputError: If a band is missing or unknown, or the pixels are too few, not finite or
                clearly in another unit.
        """
        given_BCHW = as_tensor(sensor, images).to(self.device, torch.float32)
        image_BCHW = pick(sensor, given_BCHW, names, wanted=self.bands[sensor])
        check_size(image_BCHW.shape[2:], smallest_px=self.smallest_px, name=self.name)
        check_finite(sensor, image_BCHW)
        if self.check_units:
            check_model_unit(sensor, image_BCHW)
        return image_BCHW
