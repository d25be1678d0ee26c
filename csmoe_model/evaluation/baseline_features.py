"""Baseline features that need no pretraining: band statistics and random convolutions.

Both use the bands that the model uses, at the image size of the set.

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
"""Band names of each sensor, in the channel order of the set."""

NUM_FILTERS = 256
"""Filters for each sensor; each filter yields two features."""
KERNEL_PX = 3
BIAS = -1.0
"""Bias of every filter, as in torchgeo: only strong responses of either sign pass the ReLU."""
_ZCA_BIAS = 1e-3
_MIN_NORM = 1e-8


def band_statistics(
    split: LabelledSplit,
    *,
    sensors: Sequence[SensorName],
    bands: Bands,
    on_progress: OnProgress = ignore_progress,
) -> NDArray[np.float32]:
    """Compute the mean, standard deviation, minimum and maximum of each band of each image.

    Returns:
        [n, 4 · bands]: for each sensor all means, all standard deviations, all minima, all maxima.
    """

    def vectors(images: Mapping[SensorName, Tensor]) -> Tensor:
        parts = []
        for sensor in sensors:
            value_BCN = _model_bands(images, sensor, bands).flatten(2)
            std_BC, mean_BC = torch.std_mean(value_BCN, dim=2, correction=0)
            parts += [mean_BC, std_BC, value_BCN.amin(2), value_BCN.amax(2)]
        return torch.cat(parts, dim=1)

    return map_images(split, vectors, on_progress=on_progress)


@dataclass(frozen=True, kw_only=True, eq=False)
class RandomConvolutions:
    """Random patches of the training images as convolution filters (Rolf et al. 2021).

    The patches are whitened. The response to each filter passes through a ReLU, the negated
    response through another, and both are averaged over the image, as in
    `torchgeo.models.RCF(mode="empirical")`. See https://doi.org/10.1038/s41467-021-24638-z.
    """

    filters: Mapping[SensorName, Tensor]
    """Filters of each sensor [F, C, k, k]."""
    mean: Mapping[SensorName, Tensor]
    """Band means [C, 1, 1] of the training images drawn from."""
    std: Mapping[SensorName, Tensor]
    """Band standard deviations [C, 1, 1]."""

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
        """Draw patches from the training images and whiten them.

        Args:
            train: The training split.
            sensors: Sensors to draw from.
            bands: Band names of the set.
            seed: Random seed of the images and positions.
            num_filters: Filters for each sensor.

        Raises:
            InputError: If an image is smaller than a filter.
        """
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.integers(0, len(train), num_filters))
        places = rng.random((num_filters, 2))
        filters, mean, std = {}, {}, {}
        for sensor in sensors:
            patch_FCkk, mean[sensor], std[sensor] = _draw_patches(
                train, sensor, bands, chosen, places
            )
            filters[sensor] = _whitened((patch_FCkk - mean[sensor]) / std[sensor])
        return cls(filters=filters, mean=mean, std=std)

    def features(
        self, split: LabelledSplit, *, bands: Bands, on_progress: OnProgress = ignore_progress
    ) -> NDArray[np.float32]:
        """Compute the features of a split, [n, 2F · sensors]."""

        def vectors(images: Mapping[SensorName, Tensor]) -> Tensor:
            parts = []
            for sensor, filter_FCkk in self.filters.items():
                image_BCHW = _model_bands(images, sensor, bands)
                score_BCHW = (image_BCHW - self.mean[sensor]) / self.std[sensor]
                bias_F = torch.full((len(filter_FCkk),), BIAS)
                found_BFHW = F.conv2d(score_BCHW, filter_FCkk, bias_F)
                mean_BF = found_BFHW.mean((2, 3))
                above_BF = found_BFHW.relu_().mean((2, 3))
                # relu(-x) = relu(x) - x, which saves a pass over the largest array.
                parts += [above_BF, above_BF - mean_BF]
            return torch.cat(parts, dim=1)

        return map_images(split, vectors, batch_size=16, on_progress=on_progress)


def _draw_patches(
    train: LabelledSplit,
    sensor: SensorName,
    bands: Bands,
    chosen: NDArray[np.int64],
    places: NDArray[np.float64],
) -> tuple[Tensor, Tensor, Tensor]:
    """Cut a patch from each chosen image; return patches, band means and standard deviations."""
    patches, sums, squares, num_pixels = [], [], [], 0
    for start in range(0, len(chosen), 16):
        some = chosen[start : start + 16]
        images = {name: torch.from_numpy(a) for name, a in train.images(some).items()}
        image_BCHW = _model_bands(images, sensor, bands)
        height, width = image_BCHW.shape[2:]
        if min(height, width) < KERNEL_PX:
            raise InputError(
                f"random convolutions need images of at least {KERNEL_PX} × {KERNEL_PX} pixels, "
                f"found {height} × {width}; give larger images"
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
    std_C = torch.where(std_C > 0, std_C, 1)  # constant bands stay 0
    return torch.stack(patches), mean_C.float()[:, None, None], std_C.float()[:, None, None]


def _whitened(patch_FCkk: Tensor) -> Tensor:
    """Return patches with mean 0 and norm 1, ZCA-whitened twice, as MOSAIKS and torchgeo do."""
    flat_FN = patch_FCkk.flatten(1).double()
    flat_FN = flat_FN - flat_FN.mean(1, keepdim=True)
    norm_F = flat_FN.norm(dim=1, keepdim=True)
    flat_FN = flat_FN / torch.where(norm_F < _MIN_NORM, 1, norm_F)
    values, vectors = torch.linalg.eigh(flat_FN.T @ flat_FN / len(flat_FN))
    # The whitening matrix applied twice is V (E + bias)^-1 V'.
    twice = vectors @ torch.diag(1 / (values + _ZCA_BIAS)) @ vectors.T
    whitened: Tensor = (flat_FN @ twice).float().reshape(patch_FCkk.shape)
    return whitened


def _model_bands(images: Mapping[SensorName, Tensor], sensor: SensorName, bands: Bands) -> Tensor:
    """Return the bands that the model uses, [B, C, H, W] float32."""
    return pick(sensor, images[sensor].float(), bands.get(sensor))
