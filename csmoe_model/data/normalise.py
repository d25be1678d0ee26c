"""Stored values to what the model sees: bands in order at 10 m, z-scored, flipped, resized.

Whole batches, on the device that the batch lies on.

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
"""By tensor column: ``bands``, ``mean`` and ``std``, in stored units."""


class Normalise(nn.Module):
    """Turns a batch of stored tensors into images of both sensors, [B, C, H, W] float32.

    Bands of 20 m come to 10 m by nearest neighbour; bands stand in the order of
    ``sensors.MODEL_BANDS``; each is z-scored.
    """

    def __init__(self, statistics: Statistics, *, image_size: int) -> None:
        """Take the statistics of the data that the model is trained on.

        Raises:
            InputError: If they lack a band, or a deviation is not above 0.
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
        """Make the images.

        Args:
            tensors: Stored values [B, band, row, column], by tensor column.
            flips_B2: Whether to mirror each image west-east, and north-south.
        """
        return self.images(signed(tensors), flips_B2)

    def images(
        self, stored: Mapping[str, Tensor], flips_B2: Tensor | None
    ) -> dict[SensorName, Tensor]:
        """Do the work of `forward` on values as `signed` gives them; made to be compiled."""
        return {sensor: self._image(sensor, stored, flips_B2) for sensor in MODEL_BANDS}

    def stored_values(self, sensor: SensorName, image_BCHW: Tensor) -> Tensor:
        """Undo the z-score: the channels of a sensor in stored units, in the same order."""
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
                # Flipped as they are stored, where they are a tenth of the bytes.
                part_BCHW = self._scores(group, flipped(stored[group.column], flips_B2))
                bands |= dict(zip(group.bands, torch.split(part_BCHW, 1, dim=1), strict=True))
        ordered_BCHW = torch.cat([bands[name] for name in MODEL_BANDS[sensor]], dim=1)
        return resized(ordered_BCHW, self.image_size)

    def _scores(self, group: BandGroup, stored_BCHW: Tensor) -> Tensor:
        """Z-score the bands of a group and bring them to 10 m."""
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
    """Show uint16 as int16, of the same bits: torch computes little with the former."""
    return {
        column: tensor.view(torch.int16) if tensor.dtype == torch.uint16 else tensor
        for column, tensor in tensors.items()
    }


def draw_flips(samples: NDArray[np.int64], *, seed: int, epoch: int) -> Tensor:
    """Toss two coins a sample, [B, 2]: mirror west-east, mirror north-south.

    A function of (seed, epoch, sample), as the masks are.
    """
    noise = uniform_noise(samples, 2, seed=seed, epoch=epoch, stream="flips")
    return torch.from_numpy(noise < 0.5)


def flipped(image_BCHW: Tensor, flips_B2: Tensor | None) -> Tensor:
    """Mirror those images that are to be mirrored; all as they are when None."""
    if flips_B2 is None:
        return image_BCHW
    for axis, number in ((3, 0), (2, 1)):
        chosen = flips_B2[:, number, None, None, None].to(image_BCHW.device)
        image_BCHW = torch.where(chosen, image_BCHW.flip(axis), image_BCHW)
    return image_BCHW


def resized(image_BCHW: Tensor, image_size: int) -> Tensor:
    """Resize bilinearly, averaging where pixels get larger; the same tensor if it fits."""
    height, width = image_BCHW.shape[2:]
    if (height, width) == (image_size, image_size):
        return image_BCHW
    shrinks = image_size < max(height, width)
    return F.interpolate(
        image_BCHW, size=(image_size, image_size), mode="bilinear", antialias=shrinks
    )


def _checked(statistics: Statistics, column: str, name: str) -> Tensor:
    """Get one statistic of a column as [C, 1, 1]."""
    group = next(group for group in GROUPS if group.column == column)
    found = statistics.get(column, {})
    if tuple(found.get("bands", ())) != group.bands or len(found.get(name, ())) != len(group.bands):
        raise InputError(
            f"the statistics of {column} are for the bands {list(found.get('bands', ()))}, wanted "
            f"{list(group.bands)}; export the shards again"
        )
    values = torch.tensor([float(value) for value in found[name]], dtype=torch.float32)
    if not values.isfinite().all() or (name == "std" and (values <= 0).any()):
        raise InputError(
            f"{column} has the {name} {values.tolist()}: a band without contrast cannot be "
            "normalised; export more tiles"
        )
    return values[:, None, None]
