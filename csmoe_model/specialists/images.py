"""Images of a specialist: bands, image size and statistics of the training images.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from csmoe_model.data.bands import pick
from csmoe_model.data.normalise import resized
from csmoe_model.data.preprocess import check_finite, check_model_unit
from csmoe_model.datasets.base import LabelledSet
from csmoe_model.distributed.device import best_device
from csmoe_model.nn.convnext import STRIDE_PX
from minortom.errors import InputError
from minortom.scenes.band_names import known_band
from minortom.sensors import MODEL_BANDS, SensorName

_MEASURED = 4096
"""Maximum number of training images whose pixels are measured, evenly spaced."""
_CHUNK = 64
"""Images measured at once."""


@dataclass(frozen=True, kw_only=True)
class SpecialistImages:
    """Choice of the bands of one sensor of a set, and of the image size."""

    data: LabelledSet
    sensor: SensorName
    bands: tuple[str, ...]
    """Bands that the specialist reads, in the order of `MODEL_BANDS`."""
    image_size: int
    """Side to resize images to (pixels)."""

    @classmethod
    def of(
        cls, data: LabelledSet, sensor: SensorName, *, image_size: int | None
    ) -> "SpecialistImages":
        """Choose all bands of `MODEL_BANDS` that the set has.

        Args:
            data: The set.
            sensor: Sensor of the specialist.
            image_size: Side to resize images to (pixels); when None, the multiple of 32 that is
                nearest to the shorter side of the first image.

        Raises:
            InputError: If the set lacks the sensor or has none of its bands, or the image size is
                too small.
        """
        if sensor not in data.sensors:
            raise InputError(
                f"expected {sensor} images in the set {data.name}, found "
                f"{', '.join(data.sensors)}; give another --sensor or set"
            )
        known = {band.name for band in map(known_band, data.bands[sensor]) if band is not None}
        bands = tuple(band for band in MODEL_BANDS[sensor] if band in known)
        if not bands:
            raise InputError(
                f"expected one of the {sensor} bands {' '.join(MODEL_BANDS[sensor])} in "
                f"{data.name}, found {' '.join(data.bands[sensor])}; give another set"
            )
        if image_size is None:
            shape_px = data.split("train").images(np.arange(1))[sensor].shape[2:]
            image_size = max(1, round(min(shape_px) / STRIDE_PX)) * STRIDE_PX
        if image_size < STRIDE_PX:
            raise InputError(
                f"--image-size must be at least {STRIDE_PX} pixels, found {image_size}; give more"
            )
        return cls(data=data, sensor=sensor, bands=bands, image_size=image_size)

    def prepare(self, images: Mapping[SensorName, Tensor]) -> dict[SensorName, Tensor]:
        """Select the bands of the specialist by name, and move them to the best device.

        Raises:
            InputError: If a pixel is not a finite number.
        """
        names = self.data.bands[self.sensor]
        image_BCHW = pick(self.sensor, images[self.sensor].float(), names, wanted=self.bands)
        check_finite(self.sensor, image_BCHW)
        return {self.sensor: image_BCHW.to(best_device())}

    def resized(self, images: Mapping[SensorName, Tensor]) -> dict[SensorName, Tensor]:
        """Prepare images and resize them, as the network would do each time it sees them."""
        return {s: resized(x, self.image_size) for s, x in self.prepare(images).items()}

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Measure the mean and the standard deviation of each band [C].

        Raises:
            InputError: If a band is constant, or the values clearly have another unit.
        """
        train = self.data.split("train")
        count = min(len(train), _MEASURED)
        numbers = np.linspace(0, len(train) - 1, count).round().astype(np.int64)
        sums, squares = torch.zeros(2, len(self.bands), dtype=torch.float64)
        pixels = 0
        for start in range(0, count, _CHUNK):
            images = train.images(numbers[start : start + _CHUNK])
            stored = {name: torch.from_numpy(array) for name, array in images.items()}
            image_BCHW = self.prepare(stored)[self.sensor].double().cpu()
            check_model_unit(self.sensor, image_BCHW)
            sums += image_BCHW.sum((0, 2, 3))
            squares += image_BCHW.square().sum((0, 2, 3))
            pixels += image_BCHW[:, 0].numel()
        mean_C = sums / pixels
        variance_C = squares / pixels - mean_C.square()
        constant = [b for b, v, m in zip(self.bands, variance_C, mean_C, strict=True)
                    if v <= 1e-12 * max(1.0, float(m * m))]  # fmt: skip
        if constant:
            raise InputError(
                f"every band needs contrast, found the same value in all training images of "
                f"{self.data.name} in {', '.join(constant)}; leave the band out, or add images"
            )
        return mean_C.float(), variance_C.sqrt().float()
