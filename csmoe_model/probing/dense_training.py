"""Training and testing of a segmentation head on frozen maps.

Axes, as name suffixes:
    n  samples    B  images in a batch    C  bands    H W  pixel rows and columns    K  classes
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from csmoe_model.datasets.base import LabelledSet, LabelledSplit
from csmoe_model.evaluation.metrics import FloatArray, Predictions, confusion_matrices
from csmoe_model.probing.dense_heads import Head
from csmoe_model.probing.heads import EPOCHS, TrainedProbe
from minortom.errors import InputError
from minortom.progress import OnProgress
from minortom.sensors import SensorName

BATCH_SIZE = 16
"""Images in a batch; the paper does not state a number."""
_IGNORED = -100
"""Label of pixels that do not count in the loss."""

MapsOf = Callable[[Mapping[SensorName, Tensor]], list[Tensor]]
"""Computes the frozen feature maps [B, D, H', W'] of a batch of images [B, C, H, W]."""


def train_head(
    head: Head,
    maps_of: MapsOf,
    data: LabelledSet,
    *,
    rate: float,
    seed: int,
    on_progress: OnProgress,
) -> TrainedProbe:
    """Train a head for 50 epochs of AdamW and count its predictions on the test split.

    Labels outside 0…K−1 are ignored in training and test.

    Args:
        head: Turns maps into logits [B, K, h, w], which are resized to the labels.
        maps_of: Computes the maps.
        data: The segmentation set.
        rate: Learning rate.
        seed: Random seed of the order of the samples.
        on_progress: Called with (images done, images in all); an image counts once an epoch.

    Raises:
        InputError: If training diverges because the learning rate is too high.
    """
    train, test = data.split("train"), data.split("test")
    total, done = EPOCHS * len(train) + len(test), 0
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(head.parameters(), lr=rate)
    head.train()
    for _ in range(EPOCHS):
        order = torch.randperm(len(train), generator=generator)
        for chosen in _batches(order):
            logits_BKHW, truth_BHW = _logits(head, maps_of, train, chosen)
            loss = dense_cross_entropy(logits_BKHW, truth_BHW)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            done += len(chosen)
            on_progress(done, total)
    output = _test(head, maps_of, data, lambda more: on_progress(done + more, total))
    if not all(weight.isfinite().all() for weight in head.parameters()):
        raise InputError(f"the dense probe diverged at --lr {rate:g}; give a smaller --lr")
    predicted = Predictions(task=data.task, truth=test.labels, output=output)
    return TrainedProbe(test=predicted, settings={"lr": rate})


def _test(
    head: Head, maps_of: MapsOf, data: LabelledSet, on_images: Callable[[int], None]
) -> FloatArray:
    """Count the test pixels of each image by truth and prediction, [n, K, K]."""
    test, counts = data.split("test"), []
    head.eval()
    with torch.no_grad():
        for chosen in torch.split(torch.arange(len(test)), BATCH_SIZE):
            logits_BKHW, truth_BHW = _logits(head, maps_of, test, chosen)
            class_BHW = logits_BKHW.argmax(1).cpu().numpy()
            counts.append(confusion_matrices(truth_BHW.cpu().numpy(), class_BHW, len(data.classes)))
            on_images(int(chosen[-1]) + 1)
    return np.concatenate(counts)


def _batches(order_n: Tensor) -> Iterator[Tensor]:
    """Yield the batches of an epoch; a single last image is dropped, as batch norm needs two."""
    batches = torch.split(order_n, BATCH_SIZE)
    for chosen in batches:
        if len(chosen) > 1 or len(batches) == 1:
            yield chosen


def _logits(
    head: Head, maps_of: MapsOf, split: LabelledSplit, chosen: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the logits of some samples, [B, K, H, W], and their labels, [B, H, W]."""
    maps = maps_of(_images(split, chosen))
    truth = split.labels[chosen.numpy()].astype(np.int64)
    truth_BHW = torch.from_numpy(truth).to(maps[0].device)
    logits_BKHW = head(maps)
    height, width = truth_BHW.shape[1:]
    return at_size(logits_BKHW, (height, width)), truth_BHW


def _images(split: LabelledSplit, chosen: Tensor) -> dict[SensorName, Tensor]:
    return {name: torch.from_numpy(a) for name, a in split.images(chosen.numpy()).items()}


def dense_cross_entropy(
    logits_BKHW: Tensor, truth_BHW: Tensor, weight_K: Tensor | None = None
) -> Tensor:
    """Return the mean cross-entropy of the labelled pixels, weighted by class if weights are given.

    Labels outside 0…K−1 are ignored. A batch without labelled pixels has the loss 0.
    """
    known_BHW = (truth_BHW >= 0) & (truth_BHW < logits_BKHW.shape[1])
    truth_BHW = torch.where(known_BHW, truth_BHW, _IGNORED)
    loss = F.cross_entropy(
        logits_BKHW, truth_BHW, weight=weight_K, ignore_index=_IGNORED, reduction="sum"
    )
    if weight_K is None:
        return loss / known_BHW.sum().clamp_min(1)
    return loss / weight_K[truth_BHW[known_BHW]].sum().clamp_min(torch.finfo(loss.dtype).tiny)


def at_size(logits_BKHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize logits to the height and width of the labels, bilinearly."""
    if tuple(logits_BKHW.shape[2:]) == size:
        return logits_BKHW
    return F.interpolate(logits_BKHW, size=size, mode="bilinear")
