"""Probes of segmentation sets: frozen maps, and a head on them that is trained as the paper's is.

Axes, as name suffixes:
    n  samples    B  images in a batch    C  bands    H W  pixel rows and columns    K  classes
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from csmoe_model.checkpoints.pretrained import Pretrained
from csmoe_model.datasets.base import LabelledSet, LabelledSplit
from csmoe_model.distributed.device import encoding
from csmoe_model.evaluation.metrics import Bootstrap, FloatArray, Predicted, confusions
from csmoe_model.inference.encode_dataset import check_size, untrained
from csmoe_model.probing.dense_heads import CHANNELS, Head, PixelLayer, UPerNet, spread_layers
from csmoe_model.probing.feature_sources import MODEL
from csmoe_model.probing.heads import DEFAULT_RATE, EPOCHS, Probed
from csmoe_model.probing.rows import Row, measured
from minortom.errors import InputError
from minortom.progress import OnProgress
from minortom.sensors import MODEL_BANDS, SensorName

BATCH_SIZE = 16
"""Images; the paper gives none."""
PAPER_RATES: dict[str, float] = {"m-cashew-plant": 3e-4, "m-SA-crop-type": 1e-2}
"""Learning rates of the paper's UPerNet (its Table III)."""
_PROBE = "dense"
_IGNORED = -100

MapsOf = Callable[[Mapping[SensorName, Tensor]], list[Tensor]]
"""Images of a batch [B, C, H, W] by sensor -> frozen maps [B, D, H', W'] for a head."""
_Maps = Callable[[Pretrained, Mapping[SensorName, Tensor]], list[Tensor]]
_MakeHead = type[UPerNet] | type[PixelLayer]


@dataclass(frozen=True, kw_only=True)
class DenseProbe:
    """How heads are trained on the maps of one sensor."""

    data: LabelledSet
    sensor: SensorName
    seeds: range
    lr: float | None
    """The paper's for its sets, else 0.01, when None."""
    on_progress: OnProgress

    @property
    def rate(self) -> float:
        """Learning rate."""
        return self.lr or PAPER_RATES.get(self.data.name, DEFAULT_RATE)

    def rows(self, model: Pretrained, bootstrap: Bootstrap) -> list[Row]:
        """Train and score a head a seed: on the model's maps and on what costs nothing.

        Raises:
            InputError: If TerraTorch is not installed, images are smaller than a patch, or a
                head's weights are no numbers any more.
        """
        device = next(model.parameters()).device
        net = (model.config.width, UPerNet, self._encoded)
        num_bands = len(MODEL_BANDS[self.sensor])
        kinds: tuple[tuple[str, Callable[[int], Pretrained], int, _MakeHead, _Maps], ...] = (
            (MODEL, lambda _: model, *net),
            ("band values", lambda _: model, num_bands, PixelLayer, self._bands),
            ("untrained model", lambda seed: untrained(model, seed=seed), *net),
        )
        rows = []
        for name, model_of, width, head, maps_of in kinds:
            probed = [
                train_head(
                    head(width, len(self.data.classes), seed=seed).to(device),
                    partial(maps_of, model_of(seed).eval()),
                    self.data, rate=self.rate, seed=seed, on_progress=self.on_progress,
                )
                for seed in self.seeds
            ]  # fmt: skip
            rows.append(measured(name, _PROBE, probed, bootstrap, width=width))
        return rows

    def settings(self, model: Pretrained) -> dict[str, object]:
        """Say what is other than in probes of images."""
        assert model.origin is not None  # of what was loaded
        side = model.config.image_size
        return {
            "lr": self.rate, "epochs": EPOCHS, "batch_size": BATCH_SIZE,
            "optimiser": "AdamW, weight decay 0.01, constant rate",
            "head": {
                "model": "UPerNet of TerraTorch, neck LearnedInterpolateToPyramidal",
                "channels": CHANNELS, "layers": spread_layers(model.config),
                "band values": "one linear layer, pixel by pixel",
            },
            "standardised": False, "pooling": None, "random_filters": None,
            "normalisation": {
                "all": "z-score with the statistics of the model's training data",
                "statistics": model.origin.statistics,
            },
            "resize": {
                "model": f"bilinear to {side} × {side}, averaging where it shrinks; what the head "
                "says, bilinear to the labels",
                "band values": "none",
            },
        }  # fmt: skip

    def _encoded(self, model: Pretrained, images: Mapping[SensorName, Tensor]) -> list[Tensor]:
        check_size(images, self.sensor, model.config.patch_size)
        prepared = self._prepared(model, images, model.config.image_size)
        with encoding(prepared.device):
            maps = model.features(**{self.sensor: prepared}, layers=spread_layers(model.config))
        return [one.float().clone() for one in maps]  # autograd takes none of inference mode

    def _bands(self, model: Pretrained, images: Mapping[SensorName, Tensor]) -> list[Tensor]:
        return [self._prepared(model, images, None)]

    def _prepared(
        self, model: Pretrained, images: Mapping[SensorName, Tensor], side: int | None
    ) -> Tensor:
        names, chosen = self.data.bands, {self.sensor: images[self.sensor]}
        prepared = model.prepare(
            s2=chosen.get("s2"), s1=chosen.get("s1"),
            s2_bands=names.get("s2"), s1_bands=names.get("s1"), image_size=side,
        )  # fmt: skip
        return prepared[self.sensor]


def train_head(
    head: Head,
    maps_of: MapsOf,
    data: LabelledSet,
    *,
    rate: float,
    seed: int,
    on_progress: OnProgress,
) -> Probed:
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
    predicted = Predicted(task=data.task, truth=test.labels, output=output)
    return Probed(test=predicted, settings={"lr": rate})


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
            counts.append(confusions(truth_BHW.cpu().numpy(), said_BHW, len(data.classes)))
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
