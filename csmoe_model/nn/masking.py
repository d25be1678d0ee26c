"""Masks and crops of patches: a function of (seed, epoch, sample) only.

Every sample has its own random numbers (`data.noise`), so neither depends on the rank, the
worker, the batch or the order of the samples.

Axes, as name suffixes:
    B  samples    N  patches of an image    U  visible patches    M  masked patches
    K  patches of a local crop
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from csmoe_model.config import MaskMode, ModelConfig, visible_count
from csmoe_model.data.noise import uniform_noise
from csmoe_model.distributed.device import copied_to
from csmoe_model.nn.shapes import Int
from minortom.sensors import SensorName


@dataclass(frozen=True, kw_only=True)
class Mask:
    """Visible and masked patches of one sensor; their number is the same in every image."""

    visible_BU: Int[Tensor, "B U"]
    """Patches that the encoder sees, ascending: the router needs raster order."""
    masked_BM: Int[Tensor, "B M"]
    """The other patches, ascending."""

    def to(self, device: torch.device | str) -> "Mask":
        """Return the mask on another device; the copy is asynchronous."""
        return Mask(
            visible_BU=copied_to(self.visible_BU, device),
            masked_BM=copied_to(self.masked_BM, device),
        )


@dataclass(frozen=True, kw_only=True)
class Masks:
    """The masks of a batch of pairs, and their local crops."""

    s2: Mask
    s1: Mask
    crop_BK: Int[Tensor, "B K"] | None = None
    """Patches of the local crop of each pair, from `draw_crops`; None without crops."""

    def to(self, device: torch.device | str) -> "Masks":
        """Return the masks on another device; the copy is asynchronous."""
        crop_BK = None if self.crop_BK is None else copied_to(self.crop_BK, device)
        return Masks(s2=self.s2.to(device), s1=self.s1.to(device), crop_BK=crop_BK)

    def of(self, sensor: SensorName) -> Mask:
        """Return the mask of a sensor."""
        return self.s2 if sensor == "s2" else self.s1


def masks_of(
    config: ModelConfig, samples: Sequence[int] | NDArray[np.int64], *, seed: int, epoch: int
) -> Masks:
    """Draw the masks of some samples for a model and, if it is trained with them, local crops."""
    masks = draw_masks(
        samples, num_patches=config.num_patches, mask_ratio=config.mask_ratio,
        mode=config.mask_mode, seed=seed, epoch=epoch,
    )  # fmt: skip
    if not config.local_global:
        return masks
    crop_BK = draw_crops(
        samples, grid_size=config.grid_size, num_cropped=config.num_cropped, seed=seed, epoch=epoch
    )  # fmt: skip
    return replace(masks, crop_BK=crop_BK)


def draw_masks(
    samples: Sequence[int] | NDArray[np.int64],
    *,
    num_patches: int,
    mask_ratio: float,
    mode: MaskMode,
    seed: int,
    epoch: int,
) -> Masks:
    """Draw the random masks of some samples.

    Args:
        samples: Number of each sample in its data set.
        num_patches: Number of patches of an image.
        mask_ratio: Share of the patches to mask, from 0 to below 1.
        mode: Relation of the masks of the two sensors (`ModelConfig.mask_mode`).
        seed: Seed of the run.
        epoch: Number of the epoch; each has its own masks.
    """
    visible = visible_count(num_patches, mask_ratio)
    first = _order(samples, num_patches, seed=seed, epoch=epoch, stream="mask s2")
    if mode == "independent":
        second = _order(samples, num_patches, seed=seed, epoch=epoch, stream="mask s1")
    else:
        # Reversed, the order shares no visible patch if at most half of the patches are visible.
        second = first if mode == "identical" else first[:, ::-1]
    return Masks(s2=_split(first, visible), s1=_split(second, visible))


def draw_crops(
    samples: Sequence[int] | NDArray[np.int64],
    *,
    grid_size: int,
    num_cropped: int,
    seed: int,
    epoch: int,
) -> Int[Tensor, "B K"]:
    """Draw the local crop of some samples: the indices of its patches, in raster order.

    A crop is a square window of the patches of an image, the same for both sensors of a pair. The
    encoder sees it as it sees the visible patches of a masked image: at the positions that the
    patches have in the whole image, which tell the place of the crop, and at the scale of the
    whole. A window that is cut from the pixels and resized to the image size would lose the place
    and change the metres per pixel, and would cost as much as a whole image.

    Args:
        samples: Number of each sample in its data set.
        grid_size: Patches along a side of an image.
        num_cropped: Patches of a crop, a square number.
        seed: Seed of the run.
        epoch: Number of the epoch; each has its own crops.
    """
    side = math.isqrt(num_cropped)
    noise_B2 = uniform_noise(samples, 2, seed=seed, epoch=epoch, stream="crops")
    first_B2 = np.floor(noise_B2 * (grid_size - side + 1)).astype(np.int64)
    within = np.arange(side)
    row, column = (first_B2[:, n, None] + within for n in (0, 1))
    return torch.from_numpy((row[:, :, None] * grid_size + column[:, None]).reshape(len(row), -1))


def _order(
    samples: Sequence[int] | NDArray[np.int64],
    num_patches: int,
    *,
    seed: int,
    epoch: int,
    stream: str,
) -> NDArray[np.int64]:
    noise = uniform_noise(samples, num_patches, seed=seed, epoch=epoch, stream=stream)
    return np.argsort(noise, axis=1, kind="stable")


def _split(order_BN: NDArray[np.int64], visible: int) -> Mask:
    return Mask(
        visible_BU=torch.from_numpy(np.sort(order_BN[:, :visible], axis=1)),
        masked_BM=torch.from_numpy(np.sort(order_BN[:, visible:], axis=1)),
    )
