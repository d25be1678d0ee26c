"""Normalisation of stored values: bands in order at 10 m, z-scored, flipped, resized.

It works on whole batches, on the device of the batch.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from csmoe_model.data.noise import uniform_noise
from minortom.errors import InputError
from minortom.sensors import BASE_RESOLUTION_M, GROUPS, MODEL_BANDS, BandGroup, SensorName

Statistics = Mapping[str, Mapping[str, Sequence[float] | Sequence[str]]]
"""``bands``, ``mean`` and ``std`` of each tensor column, in stored units."""


class Normalise(nn.Module):
    """Images of both sensors, [B, C, H, W] float32, from a batch of stored tensors.

    Bands of 20 m are upsampled to 10 m by nearest neighbour. Bands are in the order of
    ``sensors.MODEL_BANDS``, and each is z-scored.
    """

    def __init__(self, statistics: Statistics, *, image_size: int) -> None:
        """Store the statistics of the training data.

        Args:
            statistics: Statistics of the training data.
            image_size: Side of the images in pixels; patches of another size are resized.

        Raises:
            InputError: If a band is missing, or a standard deviation is not above 0.
        """
        super().__init__()
        self.image_size = image_size
        self.statistics = {
            column: {name: list(values) for name, values in of_column.items()}
            for column, of_column in statistics.items()
        }
        for group in GROUPS:
            mean, std = (_checked(statistics, group.column, name) for name in ("mean", "std"))
            self.register_buffer(f"{group.column}_mean", mean, persistent=False)
            self.register_buffer(f"{group.column}_std", std, persistent=False)
        for sensor, bands in MODEL_BANDS.items():
            stored = [band for g in GROUPS if g.sensor == sensor for band in g.bands]
            order = torch.tensor([stored.index(band) for band in bands])
            self.register_buffer(f"{sensor}_order", order, persistent=False)

    def forward(
        self, tensors: Mapping[str, Tensor], flips_B2: Tensor | None = None
    ) -> dict[SensorName, Tensor]:
        """Return the normalised images of each sensor.

        Args:
            tensors: Stored values [B, band, row, column] of each tensor column.
            flips_B2: Whether to mirror each image west-east, and north-south; none when None.
        """
        return self.images(signed(tensors), flips_B2)

    def images(
        self, stored: Mapping[str, Tensor], flips_B2: Tensor | None
    ) -> dict[SensorName, Tensor]:
        """Do the work of `forward` on the output of `signed`; a separate method to be compiled."""
        return {sensor: self._image(sensor, stored, flips_B2) for sensor in MODEL_BANDS}

    def stored_values(self, sensor: SensorName, image_BCHW: Tensor) -> Tensor:
        """Invert the z-score: return the channels of a sensor in stored units."""
        columns = [group.column for group in GROUPS if group.sensor == sensor]
        order = getattr(self, f"{sensor}_order")
        mean, std = (
            torch.cat([getattr(self, f"{column}_{name}") for column in columns])[order]
            for name in ("mean", "std")
        )
        return image_BCHW * std + mean

    def _image(
        self, sensor: SensorName, stored: Mapping[str, Tensor], flips_B2: Tensor | None
    ) -> Tensor:
        bands: dict[str, Tensor] = {}
        for group in GROUPS:
            if group.sensor == sensor:
                # Flipped before the conversion, on a tenth of the bytes.
                part_BCHW = self._scores(group, flipped(stored[group.column], flips_B2))
                bands |= dict(zip(group.bands, torch.split(part_BCHW, 1, dim=1), strict=True))
        ordered_BCHW = torch.cat([bands[name] for name in MODEL_BANDS[sensor]], dim=1)
        return resized(ordered_BCHW, self.image_size)

    def _scores(self, group: BandGroup, stored_BCHW: Tensor) -> Tensor:
        """Z-score the bands of a group and upsample them to 10 m."""
        value_BCHW = stored_BCHW.to(torch.float32)
        if group.dtype == "uint16" and stored_BCHW.dtype == torch.int16:
            value_BCHW = torch.where(value_BCHW < 0, value_BCHW + 2**16, value_BCHW)
        mean, std = (getattr(self, f"{group.column}_{name}") for name in ("mean", "std"))
        score_BCHW: Tensor = (value_BCHW - mean) / std
        times = group.resolution_m // BASE_RESOLUTION_M
        if times == 1:
            return score_BCHW
        batch, count, height, width = score_BCHW.shape
        near = score_BCHW[:, :, :, None, :, None].expand(-1, -1, -1, times, -1, times)
        return near.reshape(batch, count, height * times, width * times)


def signed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """View uint16 tensors as int16 with the same bits: torch has few operations for uint16."""
    return {
        column: tensor.view(torch.int16) if tensor.dtype == torch.uint16 else tensor
        for column, tensor in tensors.items()
    }


def draw_flips(samples: NDArray[np.int64], *, seed: int, epoch: int) -> Tensor:
    """Draw whether to mirror each sample west-east, and north-south: booleans [B, 2].

    The result is a function of (seed, epoch, sample), like the masks.
    """
    noise = uniform_noise(samples, 2, seed=seed, epoch=epoch, stream="flips")
    return torch.from_numpy(noise < 0.5)


def draw_transposes(samples: NDArray[np.int64], *, seed: int, epoch: int) -> Tensor:
    """Draw whether to exchange rows and columns of each image: booleans [B].

    With flips all eight symmetries of the square are equally likely, rotations by 90° among them.
    """
    noise = uniform_noise(samples, 1, seed=seed, epoch=epoch, stream="transposes")
    return torch.from_numpy(noise[:, 0] < 0.5)


def transposed(image_BCHW: Tensor, chosen_B: Tensor | None) -> Tensor:
    """Exchange rows and columns of the square images that `chosen_B` selects; none when None."""
    if chosen_B is None:
        return image_BCHW
    chosen = chosen_B[:, None, None, None].to(image_BCHW.device)
    return torch.where(chosen, image_BCHW.transpose(2, 3), image_BCHW)


def flipped(image_BCHW: Tensor, flips_B2: Tensor | None) -> Tensor:
    """Mirror the images that `flips_B2` selects; none when None."""
    if flips_B2 is None:
        return image_BCHW
    for axis, number in ((3, 0), (2, 1)):
        chosen = flips_B2[:, number, None, None, None].to(image_BCHW.device)
        image_BCHW = torch.where(chosen, image_BCHW.flip(axis), image_BCHW)
    return image_BCHW


def resized(image_BCHW: Tensor, image_size: int) -> Tensor:
    """Resize bilinearly, with antialiasing when shrinking; return the same tensor if it fits."""
    height, width = image_BCHW.shape[2:]
    if (height, width) == (image_size, image_size):
        return image_BCHW
    shrinks = image_size < max(height, width)
    return F.interpolate(
        image_BCHW, size=(image_size, image_size), mode="bilinear", antialias=shrinks
    )


def _checked(statistics: Statistics, column: str, name: str) -> Tensor:
    """Return one statistic of a column as [C, 1, 1]."""
    group = next(group for group in GROUPS if group.column == column)
    found = statistics.get(column, {})
    if tuple(found.get("bands", ())) != group.bands or len(found.get(name, ())) != len(group.bands):
        raise InputError(
            f"the statistics of {column} must be for the bands {list(group.bands)}, found "
            f"{list(found.get('bands', ()))}; export the shards again"
        )
    values = torch.tensor([float(value) for value in found[name]], dtype=torch.float32)
    if not values.isfinite().all() or (name == "std" and (values <= 0).any()):
        raise InputError(
            f"the {name} of each band of {column} must be finite{' and above 0' * (name == 'std')}"
            f", found {values.tolist()}: a band without contrast cannot be normalised; export more "
            "tiles"
        )
    return values[:, None, None]
