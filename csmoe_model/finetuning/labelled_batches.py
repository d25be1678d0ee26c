"""Batches of labelled images: read, normalised and augmented.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from csmoe_model.data.normalise import draw_flips, draw_transposes, flipped, transposed
from csmoe_model.data.sampler import Samples
from csmoe_model.datasets.base import LabelledSet, SplitName
from csmoe_model.finetuning.kept_images import KeptImages
from csmoe_model.probing.few_shot import shot_samples
from minortom.errors import InputError
from minortom.sensors import SensorName


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledBatch:
    """Images and labels of a batch, on the device of the network."""

    images: dict[SensorName, Tensor]
    """Images [B, C, H, W], as `LabelledBatches.prepare` returns them."""
    labels: Tensor
    """As in `datasets.base.Labels`."""

    def map(self, change: Callable[[Tensor], Tensor]) -> "LabelledBatch":
        """Return the batch with all images changed, and label maps with them."""
        labels = self.labels
        if labels.ndim == 3:
            labels = change(labels[:, None])[:, 0]
        return LabelledBatch(
            images={name: change(image) for name, image in self.images.items()}, labels=labels
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledBatches:
    """Reader of the batches of a set for a network."""

    data: LabelledSet
    prepare: Callable[[Mapping[SensorName, Tensor]], dict[SensorName, Tensor]]
    """Moves a batch of measured images to the device of the network, selects their bands, and
    normalises them unless the network does."""
    seed: int
    """Seed of the augmentation."""
    flips: bool
    rotations: bool
    kept: KeptImages = field(init=False)

    def __post_init__(self) -> None:
        counts = {name: len(split) for name, split in self.data.splits.items()}
        object.__setattr__(self, "kept", KeptImages(counts))

    def training(self, epoch: int, samples: Samples) -> LabelledBatch:
        """Read a training batch; its augmentation is a function of (seed, epoch, sample).

        Raises:
            InputError: If label maps are not square, which a rotation needs.
        """
        batch = self._read("train", samples)
        if self.flips:
            flips_B2 = draw_flips(samples, seed=self.seed, epoch=epoch)
            batch = batch.map(lambda image: flipped(image, flips_B2))
        if self.rotations:
            _check_square(batch.labels, self.data)
            chosen_B = draw_transposes(samples, seed=self.seed, epoch=epoch)
            batch = batch.map(lambda image: transposed(image, chosen_B))
        return batch

    def all(self, name: SplitName, *, batch_size: int) -> Iterator[LabelledBatch]:
        """Yield the batches of a split in order, without augmentation."""
        count = len(self.data.split(name))
        for start in range(0, count, batch_size):
            yield self._read(name, np.arange(start, min(start + batch_size, count)))

    def _read(self, name: SplitName, samples: Samples) -> LabelledBatch:
        labels = self.data.split(name).labels[samples]
        labels = labels.astype(np.float32 if self.data.task == "multilabel" else np.int64)
        images = self.kept.get(name, samples, lambda some: self._prepared(name, some))
        device = next(iter(images.values())).device
        return LabelledBatch(images=images, labels=torch.from_numpy(labels).to(device))

    def _prepared(self, name: SplitName, samples: Samples) -> dict[SensorName, Tensor]:
        """Read and prepare some images."""
        found = self.data.split(name).images(samples)
        return self.prepare({key: torch.from_numpy(array) for key, array in found.items()})


def with_shots(data: LabelledSet, shots: int | None, *, seed: int) -> LabelledSet:
    """Return a set with at most `shots` random training images of each class; all when None."""
    if shots is None:
        return data
    train = data.split("train")
    chosen = shot_samples(train.labels, len(data.classes), shots, seed=seed)
    return replace(data, splits={**data.splits, "train": train.take(chosen)})


def _check_square(labels: Tensor, data: LabelledSet) -> None:
    if labels.ndim == 3 and labels.shape[1] != labels.shape[2]:
        height, width = labels.shape[1:]
        raise InputError(
            f"--rotations need square label maps, found {height} × {width} px in {data.name}; give "
            "--no-rotations"
        )
