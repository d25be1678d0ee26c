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
"""Images; the paper gives none."""
_IGNORED = -100

MapsOf = Callable[[Mapping[SensorName, Tensor]], list[Tensor]]
"""Images of a batch [B, C, H, W] by sensor -> frozen maps [B, D, H', W'] for a head."""


def train_head(
    head: Head,
    maps_of: MapsOf,
    data: LabelledSet,
    *,
    rate: float,
    seed: int,
    on_progress: OnProgress,
) -> TrainedProbe:
    """Train a head for 50 epochs of AdamW and count what its last state says of the test split.

    Labels outside 0…K−1 are neither learnt from nor counted.

    Args:
        head: From maps to [B, K, h, w], which is resized to the labels.
        maps_of: Makes the maps.
        data: The segmentation set.
        rate: Learning rate.
        seed: Draws the order of the samples.
        on_progress: Called with (images done, images in all), those of every epoch.

    Raises:
        InputError: If the rate is so high that what the head says is no number any more.
    """
    train, test = data.split("train"), data.split("test")
    total, done = EPOCHS * len(train) + len(test), 0
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(head.parameters(), lr=rate)
    head.train()
    for _ in range(EPOCHS):
        order = torch.randperm(len(train), generator=generator)
        for chosen in _batches(order):
            said_BKHW, truth_BHW = _said(head, maps_of, train, chosen)
            loss = _cross_entropy(said_BKHW, truth_BHW)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            done += len(chosen)
            on_progress(done, total)
    output = _counted(head, maps_of, data, lambda more: on_progress(done + more, total))
    if not all(weight.isfinite().all() for weight in head.parameters()):
        raise InputError(f"the dense probe diverged at --lr {rate:g}; give a smaller one")
    predicted = Predictions(task=data.task, truth=test.labels, output=output)
    return TrainedProbe(test=predicted, settings={"lr": rate})


def _counted(
    head: Head, maps_of: MapsOf, data: LabelledSet, on_images: Callable[[int], None]
) -> FloatArray:
    """Count the test pixels by truth and what the head says, [n, K, K]."""
    test, counts = data.split("test"), []
    head.eval()
    with torch.no_grad():
        for chosen in torch.split(torch.arange(len(test)), BATCH_SIZE):
            said_BKHW, truth_BHW = _said(head, maps_of, test, chosen)
            said_BHW = said_BKHW.argmax(1).cpu().numpy()
            counts.append(confusion_matrices(truth_BHW.cpu().numpy(), said_BHW, len(data.classes)))
            on_images(int(chosen[-1]) + 1)
    return np.concatenate(counts)


def _batches(order_n: Tensor) -> Iterator[Tensor]:
    """Cut an epoch into batches; a single last image is left out, of which no norm can be told."""
    batches = torch.split(order_n, BATCH_SIZE)
    for chosen in batches:
        if len(chosen) > 1 or len(batches) == 1:
            yield chosen


def _said(
    head: Head, maps_of: MapsOf, split: LabelledSplit, chosen: Tensor
) -> tuple[Tensor, Tensor]:
    """Give what the head says of some samples, [B, K, H, W], and the truth, [B, H, W]."""
    maps = maps_of(_images(split, chosen))
    truth = split.labels[chosen.numpy()].astype(np.int64)
    truth_BHW = torch.from_numpy(truth).to(maps[0].device)
    said_BKHW = head(maps)
    size = tuple(truth_BHW.shape[1:])
    if said_BKHW.shape[2:] != size:
        said_BKHW = F.interpolate(said_BKHW, size=size, mode="bilinear")
    return said_BKHW, truth_BHW


def _images(split: LabelledSplit, chosen: Tensor) -> dict[SensorName, Tensor]:
    return {name: torch.from_numpy(a) for name, a in split.images(chosen.numpy()).items()}


def _cross_entropy(said_BKHW: Tensor, truth_BHW: Tensor) -> Tensor:
    known_BHW = (truth_BHW >= 0) & (truth_BHW < said_BKHW.shape[1])
    truth_BHW = torch.where(known_BHW, truth_BHW, _IGNORED)
    lost = F.cross_entropy(said_BKHW, truth_BHW, ignore_index=_IGNORED, reduction="sum")
    return lost / known_BHW.sum().clamp_min(1)  # a batch without any known pixel teaches nothing
