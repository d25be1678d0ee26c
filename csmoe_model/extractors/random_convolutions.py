"""Random convolutions: features of training patches as filters, without any training.

Axes, as name suffixes:
    n  samples    B  images in a batch    C  bands    H W  pixel rows and columns    F  filters
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from csmoe_model.checkpoints.weights import read_tensors
from csmoe_model.data.bands import pick
from csmoe_model.data.preprocess import check_size
from csmoe_model.datasets.base import LabelledSplit
from csmoe_model.extractors.cost import ExtractorCost
from csmoe_model.extractors.extractor import Bands, Extractor, Sizes
from csmoe_model.extractors.stored import (
    StoredExtractor,
    tensors_sha256,
    write_extractor,
)
from minortom.io.provenance import Provenance
from minortom.io.schema import count
from minortom.sensors import MODEL_BANDS, SensorName

NUM_FILTERS = 256
"""Filters for each sensor; each filter yields two features."""
KERNEL_PX = 3
BIAS = -1.0
"""Bias of every filter, as in torchgeo: only strong responses of either sign pass the ReLU."""
_ZCA_BIAS = 1e-3
_MIN_NORM = 1e-8
_CHUNK = 16
"""Images of a batch that are convolved at once: 230 MB of responses at 120 × 120 px."""
_PARTS = ("filters", "mean", "std")


@dataclass(frozen=True, kw_only=True, eq=False)
class RandomConvolutions(Extractor):
    """Random patches of the training images as convolution filters (Rolf et al. 2021).

    The patches are whitened. The response to each filter passes through a ReLU, the negated
    response through another, and both are averaged over the image, as in
    `torchgeo.models.RCF(mode="empirical")`. See https://doi.org/10.1038/s41467-021-24638-z.
    Images keep their size.
    """

    kind: ClassVar[str] = "random-convolutions"
    unscaled: ClassVar[bool] = True
    normalisation: ClassVar[str] = "z-score with the statistics of the training images drawn from"

    filters: Mapping[SensorName, Tensor] = field(default_factory=dict)
    """Filters of each sensor [F, C, k, k]; none before the fit."""
    mean: Mapping[SensorName, Tensor] = field(default_factory=dict)
    """Band means [C, 1, 1] of the training images drawn from."""
    std: Mapping[SensorName, Tensor] = field(default_factory=dict)
    """Band standard deviations [C, 1, 1]."""
    num_filters: int = NUM_FILTERS
    """Filters of each sensor."""

    @classmethod
    def unfitted(cls, *, num_filters: int | None = None) -> "RandomConvolutions":
        """Return the extractor before the fit, with `NUM_FILTERS` filters when None."""
        num_filters = NUM_FILTERS if num_filters is None else num_filters
        definition = f"{cls.kind} {num_filters} {KERNEL_PX} {BIAS}"
        return cls(
            name=cls.kind, sensors=tuple(MODEL_BANDS), bands=MODEL_BANDS, num_filters=num_filters,
            sha256=hashlib.sha256(definition.encode()).hexdigest(),
        )  # fmt: skip

    def fitted(
        self, train: LabelledSplit, *, sensors: Sequence[SensorName], bands: Bands, seed: int
    ) -> "RandomConvolutions":
        """Draw patches from the training images and whiten them.

        Filters that were fitted already stay as they are.

        Args:
            train: The training split.
            sensors: Sensors to draw from.
            bands: Band names of the set.
            seed: Random seed of the images and positions.

        Raises:
            InputError: If an image is smaller than a filter.
        """
        if not self.needs_fit:
            return self
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.integers(0, len(train), self.num_filters))
        places = rng.random((self.num_filters, 2))
        filters, mean, std = {}, {}, {}
        for sensor in sensors:
            patch_FCkk, mean[sensor], std[sensor] = _draw_patches(
                train, sensor, bands, chosen, places
            )
            filters[sensor] = _whitened((patch_FCkk - mean[sensor]) / std[sensor])
        found = replace(
            self, filters=filters, mean=mean, std=std, sensors=tuple(sensors),
            bands={sensor: MODEL_BANDS[sensor] for sensor in sensors},
        )  # fmt: skip
        return replace(found, sha256=tensors_sha256(found.tensors()))

    def save(self, folder: Path, provenance: Provenance) -> None:
        """Write `config.json` and `model.safetensors` into an existing folder.

        Args:
            folder: The folder.
            provenance: Options and inputs of the fit.
        """
        assert not self.needs_fit  # because its maker fits it before it is stored
        write_extractor(folder, self, {"num_filters": self.num_filters}, self.tensors(), provenance)

    @classmethod
    def read(cls, stored: StoredExtractor) -> "RandomConvolutions":
        """Return the fitted extractor of a folder.

        Raises:
            InputError: If a file is damaged.
        """
        tensors = read_tensors(stored.folder)
        parts = {
            part: {s: tensors.get(f"{s}.{part}", torch.empty(0)) for s in stored.sensors}
            for part in _PARTS
        }
        found = cls(
            name=cls.kind, sensors=stored.sensors, bands=stored.bands, licences=stored.licences,
            folder=stored.folder, sha256=tensors_sha256(tensors),
            num_filters=stored.value("num_filters", count), **parts,
        )  # fmt: skip
        for sensor in stored.sensors:
            bands = len(stored.bands[sensor])
            shapes = [tuple(parts[part][sensor].shape) for part in _PARTS]
            statistic = (bands, 1, 1)
            wanted = [(found.num_filters, bands, KERNEL_PX, KERNEL_PX), statistic, statistic]
            if shapes != wanted:
                raise stored.damaged(f"filters of {sensor} of the shapes {shapes}")
        return found

    def vectors(self, images: Mapping[SensorName, Tensor]) -> Tensor:
        """Convolve images and average the responses, [B, 2F · sensors]."""
        return torch.cat(
            [
                torch.cat([self._averages(s, part) for part in torch.split(image_BCHW, _CHUNK)])
                for s, image_BCHW in images.items()
            ],
            dim=1,
        )

    def _averages(self, sensor: SensorName, image_BCHW: Tensor) -> Tensor:
        filter_FCkk = self.filters[sensor]
        score_BCHW = (image_BCHW - self.mean[sensor]) / self.std[sensor]
        bias_F = torch.full((len(filter_FCkk),), BIAS)
        found_BFHW = F.conv2d(score_BCHW, filter_FCkk, bias_F)
        mean_BF = found_BFHW.mean((2, 3))
        above_BF = found_BFHW.relu_().mean((2, 3))
        # relu(-x) = relu(x) - x, which saves a pass over the largest array.
        return torch.cat([above_BF, above_BF - mean_BF], dim=1)

    def width_of(self, sensors: Sequence[SensorName]) -> int:
        """Return two features for each filter and sensor."""
        return 2 * self.num_filters * len(sensors)

    def cost_of(self, sizes: Sizes) -> ExtractorCost:
        """Return the weights of the filters, and a product of each with each place."""
        weights = {s: self.num_filters * len(self.bands[s]) * KERNEL_PX**2 for s in sizes}
        return ExtractorCost(
            parameters=sum(weights.values()),
            multiply_adds=sum(
                weights[sensor] * (height - KERNEL_PX + 1) * (width - KERNEL_PX + 1)
                for sensor, (height, width) in sizes.items()
            ),
        )

    @property
    def smallest_px(self) -> int:
        """Side of a filter."""
        return KERNEL_PX

    @property
    def needs_fit(self) -> bool:
        """Return whether there are no filters yet."""
        return not self.filters

    @property
    def identity(self) -> Mapping[str, object]:
        """Hash of the filters; before the fit their number, to which the seed is added."""
        if self.needs_fit:
            return {"features": "random convolutions", "filters": self.num_filters}
        return {"features": "random convolutions", "sha256": self.sha256}

    def tensors(self) -> dict[str, Tensor]:
        """Return the filters and the statistics by name, such as `s2.filters`."""
        return {
            f"{sensor}.{part}": getattr(self, part)[sensor]
            for sensor in self.sensors
            for part in _PARTS
        }


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
        image_BCHW = pick(sensor, images[sensor].float(), bands.get(sensor))
        height, width = image_BCHW.shape[2:]
        check_size((height, width), smallest_px=KERNEL_PX, name=RandomConvolutions.kind)
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
