"""Preprocessing of a user's images: bands by name, z-score with the statistics of the training.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from csmoe_model.data.bands import pick
from csmoe_model.data.normalise import Normalise, Statistics, resized
from minortom.api.arguments import whole_number
from minortom.errors import InputError
from minortom.scenes.units import MODEL_UNIT, recognise
from minortom.sensors import GROUPS, MODEL_BANDS, S1, S2_10M, SensorName

_CHECKED_PIXELS = 10_000
"""Pixels of a batch whose unit is checked."""
Images = Tensor | NDArray[np.generic]
"""Images of a user, [B, C, H, W]: a torch tensor or a NumPy array."""

UNITS: dict[SensorName, tuple[str, float]] = {
    "s2": (MODEL_UNIT["s2"].name, 1.0),
    "s1": ("dB", S1.scale),
}
"""Unit of a user's images, and the value of one stored unit in it."""


class Preprocess(nn.Module):
    """Normalisation of images with the statistics of the training data.

    All bands of an image lie on one grid. The module has no weights: its buffers move with the
    model and are not part of its state.
    """

    def __init__(self, statistics: Statistics) -> None:
        """Store the statistics of the training data.

        Raises:
            InputError: If a band is missing, or a standard deviation is not above 0.
        """
        super().__init__()
        checked = Normalise(statistics, image_size=1)
        for sensor in MODEL_BANDS:
            columns = [group.column for group in GROUPS if group.sensor == sensor]
            order = getattr(checked, f"{sensor}_order")
            for name in ("mean", "std"):
                stored = torch.cat([getattr(checked, f"{column}_{name}") for column in columns])
                self.register_buffer(
                    f"{sensor}_{name}", stored[order] * UNITS[sensor][1], persistent=False
                )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Preprocess":
        """Move the statistics with the model, but never to half precision."""
        exact = dict(self.named_buffers())
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch's own signature
        for name, buffer in exact.items():
            moved: Tensor = getattr(self, name)
            if moved.dtype.itemsize < buffer.dtype.itemsize:
                setattr(self, name, buffer.to(moved.device))
        return self

    def forward(
        self,
        sensor: SensorName,
        images: Images,
        *,
        bands: Sequence[str] | None = None,
        image_size: int | None = None,
        check_unit: bool = True,
    ) -> Tensor:
        """Select the bands, normalise, and resize if a size is given.

        Args:
            sensor: Sensor of the images.
            images: [B, C, H, W], integers or floating-point numbers. Sentinel-2: reflectance ×
                10,000 without the offset of processing baseline 04.00. Sentinel-1: gamma0 in dB.
            bands: Names of the channels, in order; `MODEL_BANDS` when None.
            image_size: Side of the result in pixels, resized as in training; that of the images
                when None.
            check_unit: Whether to check the unit by the distribution of the values.

        Returns:
            Normalised images [B, C, H, W], on the device of the statistics.

        Raises:
            InputError: If the type, the axes or the bands do not fit, a pixel is not a finite
                number, or the values clearly have another unit.
        """
        mean, std = getattr(self, f"{sensor}_mean"), getattr(self, f"{sensor}_std")
        image_BCHW = as_tensor(sensor, images).to(device=mean.device, dtype=mean.dtype)
        picked_BCHW = pick(sensor, image_BCHW, bands)
        check_finite(sensor, picked_BCHW)
        if check_unit:
            check_model_unit(sensor, picked_BCHW)
        normal_BCHW: Tensor = (picked_BCHW - mean) / std
        if image_size is None:
            return normal_BCHW
        return resized(normal_BCHW, whole_number("image_size", image_size, minimum=1))


def physical_images(tensors: Mapping[str, Tensor]) -> dict[SensorName, Tensor]:
    """Return stored tensors of shards as images in the units of `Preprocess`.

    Args:
        tensors: Stored values [B, band, row, column] of each tensor column.

    Returns:
        float32 images [B, C, H, W] with the bands of `MODEL_BANDS`, all at 10 m.
    """
    side = tensors[S2_10M.column].shape[-1]
    unchanged: Statistics = {
        group.column: {
            "bands": group.bands, "mean": [0.0] * len(group.bands), "std": [1.0] * len(group.bands),
        }
        for group in GROUPS
    }  # fmt: skip
    stored = Normalise(unchanged, image_size=side).to(tensors[S2_10M.column].device)(tensors)
    return {sensor: image_BCHW * UNITS[sensor][1] for sensor, image_BCHW in stored.items()}


def check_finite(sensor: SensorName, image_BCHW: Tensor) -> None:
    """Check that every pixel is a finite number.

    Raises:
        InputError: If a pixel is NaN or infinite.
    """
    if not image_BCHW.isfinite().all():
        raise InputError(
            f"{sensor} pixels must be finite numbers, found NaN or infinity; fill the pixels "
            "that were not measured"
        )


def check_size(shape_px: Sequence[int], *, smallest_px: int, name: str, where: str = "") -> None:
    """Check that an image is large enough to be encoded.

    Args:
        shape_px: Height and width of the image.
        smallest_px: Minimum side, such as that of a patch of a model.
        name: Name of the extractor for the error.
        where: Place of the image for the error.

    Raises:
        InputError: If the image is smaller.
    """
    height, width = shape_px
    if min(height, width) < smallest_px:
        raise InputError(
            f"expected images of at least {smallest_px} × {smallest_px} px, the smallest that "
            f"{name} encodes, found {height} × {width} px{where}; leave smaller images out, or "
            "give another extractor"
        )


def check_model_unit(sensor: SensorName, image_BCHW: Tensor) -> None:
    """Check that the values of some pixels are in the unit of the model.

    Raises:
        InputError: If they clearly have another unit.
    """
    pixel_CN = image_BCHW.detach().transpose(0, 1).flatten(1)
    step = max(1, -(-pixel_CN.shape[1] // _CHECKED_PIXELS))
    unit, seen = recognise(sensor, list(pixel_CN[:, ::step].float().cpu().numpy()))
    if unit is not None and unit.conversion:
        raise InputError(
            f"{sensor} pixels must be {MODEL_UNIT[sensor].name}, found {seen}, which is "
            f"{unit.name}; {unit.conversion}"
        )


def as_tensor(sensor: SensorName, images: Images) -> Tensor:
    """Return images as a torch tensor; the memory of a NumPy array is shared where possible.

    Raises:
        InputError: If they are neither a tensor nor an array, not of real numbers, masked or
            empty.
    """
    if isinstance(images, Tensor | np.ndarray) and 0 in images.shape:
        found = "none" if images.shape[0] == 0 else f"the shape {list(images.shape)}"
        raise InputError(f"{sensor} images must be at least one image, found {found}")
    if isinstance(images, Tensor):
        if images.dtype == torch.bool or images.is_complex():
            raise _not_numbers(sensor, images.dtype)
        return images
    if not isinstance(images, np.ndarray):
        raise InputError(
            f"{sensor} images must be a NumPy array or a torch tensor [batch, "
            f"{len(MODEL_BANDS[sensor])}, height, width], found {type(images).__name__}; convert "
            "them with numpy.asarray"
        )
    if np.ma.is_masked(images):
        raise InputError(
            f"{sensor} images must have no masked pixels, found some; fill the pixels that were "
            "not measured"
        )
    if images.dtype.kind not in "uif":
        raise _not_numbers(sensor, images.dtype)
    # torch has neither extended precision nor the byte order of other machines.
    kind = np.dtype(np.float64) if images.dtype.itemsize > 8 else images.dtype.newbyteorder("=")
    # Writable, since torch warns of memory that is not, and without negative strides.
    return torch.from_numpy(np.require(images, kind, ["C_CONTIGUOUS", "WRITEABLE"]))


def _not_numbers(sensor: SensorName, dtype: object) -> InputError:
    return InputError(
        f"{sensor} images must hold integers or floating-point numbers, found {dtype}; convert them"
    )
