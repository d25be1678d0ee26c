"""A user's pixels to what the model sees: bands by name, z-scored as in training.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from csmoe_model.data.bands import pick
from csmoe_model.data.normalise import Normalise, Statistics, resized
from csmoe_model.nn.shapes import Float
from minortom.errors import InputError
from minortom.sensors import GROUPS, MODEL_BANDS, S1, SensorName

UNITS: dict[SensorName, tuple[str, float]] = {
    "s2": ("reflectance × 10,000", 1.0),
    "s1": ("dB", S1.scale),
}
"""What a user gives, and how much of it one stored unit is."""


class Pixels(nn.Module):
    """Normalises images whose bands all lie on one grid, with the statistics of the training data.

    Without weights: its buffers move with the model and are no part of its state.
    """

    def __init__(self, statistics: Statistics) -> None:
        """Take the statistics of the data that the model was trained on.

        Raises:
            InputError: If they lack a band, or a deviation is not above 0.
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

    def forward(
        self,
        sensor: SensorName,
        image_BCHW: Tensor,
        *,
        bands: Sequence[str] | None = None,
        image_size: int | None = None,
    ) -> Float[Tensor, "B C H W"]:
        """Pick the bands, normalise, and resize where asked to.

        Args:
            sensor: Whose images they are.
            image_BCHW: Sentinel-2 as reflectance × 10,000, without the offset of processing
                baseline 04.00; Sentinel-1 as gamma0 in dB. Any dtype.
            bands: Names of the channels, in order; those of `MODEL_BANDS` when None.
            image_size: Side to resize to, as training does; as they are when None.

        Raises:
            InputError: If the bands cannot be told, or a pixel is not a finite number.
        """
        mean, std = getattr(self, f"{sensor}_mean"), getattr(self, f"{sensor}_std")
        given_BCHW = image_BCHW.to(device=mean.device, dtype=mean.dtype)
        picked_BCHW = pick(sensor, given_BCHW, bands)
        if not picked_BCHW.isfinite().all():
            raise InputError(
                f"some {sensor} pixels are no finite numbers; fill in what was not measured"
            )
        normal_BCHW = (picked_BCHW - mean) / std
        return normal_BCHW if image_size is None else resized(normal_BCHW, image_size)
