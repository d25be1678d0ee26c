"""Features that cost nothing: what a model must beat before its name is worth printing.

Both see the bands that the model sees, at the size that the set has them.

Axes, as name suffixes:
    n  samples    D  width    B  images in a batch    C  bands    H W  pixel rows and columns
    F  filters
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from csmoe_model.data.bands import pick
from csmoe_model.datasets.base import LabelledSplit
from csmoe_model.inference.encode_dataset import map_images
from minortom.errors import InputError
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName

Bands = Mapping[SensorName, Sequence[str]]
"""Names of the set's channels."""

NUM_FILTERS = 256
"""Of each sensor; each gives two features."""
KERNEL_PX = 3
BIAS = -1.0
"""Of every filter, as in torchgeo: only what is much like a filter passes, or much unlike it."""
_ZCA_BIAS = 1e-3
_MIN_NORM = 1e-8


def band_statistics(
    split: LabelledSplit,
    *,
    sensors: Sequence[SensorName],
    bands: Bands,
    on_progress: OnProgress = ignore_progress,
) -> NDArray[np.float32]:
    """Give mean, standard deviation, least and largest value of each band of each image.

    Returns:
        [n, 4 · bands], first all means, then all deviations, and so on, sensor by sensor.
    """

    def vectors(images: Mapping[SensorName, Tensor]) -> Tensor:
        parts = []
        for sensor in sensors:
            value_BCN = _picked(images, sensor, bands).flatten(2)
            std_BC, mean_BC = torch.std_mean(value_BCN, dim=2, correction=0)
            parts += [mean_BC, std_BC, value_BCN.amin(2), value_BCN.amax(2)]
        return torch.cat(parts, dim=1)

    return map_images(split, vectors, on_progress=on_progress)


@dataclass(frozen=True, kw_only=True, eq=False)
class RandomConvolutions:
    """Random patches of a set as filters: how much of each an image holds (Rolf et al. 2021).

    As `torchgeo.models.RCF(mode="empirical")`: whitened patches, their responses through a ReLU
    and, negated, through another, each averaged over the image. See
    https://doi.org/10.1038/s41467-021-24638-z.
    """

    filters: Mapping[SensorName, Tensor]
    """[F, C, k, k] of each sensor."""
    mean: Mapping[SensorName, Tensor]
    """[C, 1, 1] of the training images."""
    std: Mapping[SensorName, Tensor]

    @classmethod
    def fit(
        cls,
        train: LabelledSplit,
        *,
        sensors: Sequence[SensorName],
        bands: Bands,
        seed: int,
        num_filters: int = NUM_FILTERS,
    ) -> "RandomConvolutions":
        """Draw patches of the training images and whiten them.

        Raises:
            InputError: If an image is smaller than a filter.
        """
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.integers(0, len(train), num_filters))
        places = rng.random((num_filters, 2))
        filters, mean, std = {}, {}, {}
        for sensor in sensors:
            patch_FCkk, mean[sensor], std[sensor] = _draw(train, sensor, bands, chosen, places)
            filters[sensor] = _whitened((patch_FCkk - mean[sensor]) / std[sensor])
        return cls(filters=filters, mean=mean, std=std)

    def features(
        self, split: LabelledSplit, *, bands: Bands, on_progress: OnProgress = ignore_progress
    ) -> NDArray[np.float32]:
        """Compute [n, 2F · sensors]."""

        def vectors(images: Mapping[SensorName, Tensor]) -> Tensor:
            parts = []
            for sensor, filter_FCkk in self.filters.items():
                image_BCHW = _picked(images, sensor, bands)
                score_BCHW = (image_BCHW - self.mean[sensor]) / self.std[sensor]
                bias_F = torch.full((len(filter_FCkk),), BIAS)
                found_BFHW = F.conv2d(score_BCHW, filter_FCkk, bias_F)
                mean_BF = found_BFHW.mean((2, 3))
                above_BF = found_BFHW.relu_().mean((2, 3))
                # What lies below 0 is what is left; a pass less over the largest array here.
                parts += [above_BF, above_BF - mean_BF]
            return torch.cat(parts, dim=1)

        return map_images(split, vectors, batch_size=16, on_progress=on_progress)


def _draw(
    train: LabelledSplit,
    sensor: SensorName,
    bands: Bands,
    chosen: NDArray[np.int64],
    places: NDArray[np.float64],
) -> tuple[Tensor, Tensor, Tensor]:
    """Cut one patch from each image chosen; give them, and the bands' mean and deviation there."""
    patches, sums, squares, num_pixels = [], [], [], 0
    for start in range(0, len(chosen), 16):
        some = chosen[start : start + 16]
        images = {name: torch.from_numpy(a) for name, a in train.images(some).items()}
        image_BCHW = _picked(images, sensor, bands)
        height, width = image_BCHW.shape[2:]
        if min(height, width) < KERNEL_PX:
            raise InputError(
                f"an image of {height} × {width} pixels is smaller than a random filter, "
                f"{KERNEL_PX} × {KERNEL_PX}; give larger images"
            )
        free = np.array([height - KERNEL_PX + 1, width - KERNEL_PX + 1])
        corners = (places[start : start + 16] * free).astype(int)
        patches += [
            image[:, row : row + KERNEL_PX, col : col + KERNEL_PX]
            for image, (row, col) in zip(image_BCHW, corners.tolist(), strict=True)
        ]
        sums.append(image_BCHW.double().sum((0, 2, 3)))
        squares.append(image_BCHW.double().square().sum((0, 2, 3)))
        num_pixels += len(some) * height * width
    mean_C = torch.stack(sums).sum(0) / num_pixels
    variance_C = torch.stack(squares).sum(0) / num_pixels - mean_C.square()
    std_C = variance_C.clamp_min(0).sqrt()
    std_C = torch.where(std_C > 0, std_C, 1)  # a band without contrast tells nothing
    return torch.stack(patches), mean_C.float()[:, None, None], std_C.float()[:, None, None]


def _whitened(patch_FCkk: Tensor) -> Tensor:
    """Give patches of mean 0 and length 1, whitened twice (ZCA), as MOSAIKS and torchgeo do."""
    flat_FN = patch_FCkk.flatten(1).double()
    flat_FN = flat_FN - flat_FN.mean(1, keepdim=True)
    norm_F = flat_FN.norm(dim=1, keepdim=True)
    flat_FN = flat_FN / torch.where(norm_F < _MIN_NORM, 1, norm_F)
    values, vectors = torch.linalg.eigh(flat_FN.T @ flat_FN / len(flat_FN))
    # The whitening matrix applied twice is V (E + bias)^-1 V'.
    twice = vectors @ torch.diag(1 / (values + _ZCA_BIAS)) @ vectors.T
    whitened: Tensor = (flat_FN @ twice).float().reshape(patch_FCkk.shape)
    return whitened


def _picked(images: Mapping[SensorName, Tensor], sensor: SensorName, bands: Bands) -> Tensor:
    """Give the model's bands of a sensor, [B, C, H, W] float32."""
    return pick(sensor, images[sensor].float(), bands.get(sensor))
