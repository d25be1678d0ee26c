"""Unlabelled patches on which experts are scored, and on which the drift is measured.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns    K  patches    D  token width
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.loader import Loader, check_bands, reader_threads
from csmoe_model.data.normalise import Normalise
from csmoe_model.data.sampler import OrderedBatches, Samples
from csmoe_model.distributed.device import fast_inference
from csmoe_model.nn.layers import at_least_float32
from minortom.errors import InputError
from minortom.sensors import SensorName
from minortom.shards.shard_set import ShardSet

_BATCH_SIZE = 32


@dataclass(frozen=True, kw_only=True)
class Patches:
    """Patches of shards, normalised for a model."""

    data: ShardSet
    samples: Samples
    """Numbers of the patches."""
    normalise: Normalise
    workers: int | None = None
    """Threads that read; one for each core, at most 8, when None."""

    def __len__(self) -> int:
        return len(self.samples)

    def batches(self, device: torch.device) -> Iterator[Mapping[SensorName, Tensor]]:
        """Yield the images of both sensors, [B, C, H, W], in order, on a device."""
        order = OrderedBatches(samples=self.samples, batch_size=_BATCH_SIZE)
        normalise = self.normalise.to(device)
        for batch in Loader(self.data, order, workers=reader_threads(self.workers), device=device):
            with torch.no_grad():
                yield normalise(batch.tensors)


def draw_patches(
    model: CSMoE, data: ShardSet, count: int, *, seed: int, workers: int | None = None
) -> tuple[Patches, Patches]:
    """Draw patches to score experts on, and as many others to measure the drift on.

    Both are of the split `train`, or of all splits where there is none. Where the others run out,
    the drift is measured on fewer patches; where there are none, on those that scored the experts.

    Args:
        model: Model with the statistics of its training data.
        data: The shards.
        count: Patches to draw for each purpose, at most; all where there are fewer.
        seed: Seed of the draw.
        workers: Threads that read; one for each core, at most 8, when None.

    Raises:
        InputError: If the model has no statistics, or the shards do not have all its bands.
    """
    check_bands(data)
    if model.origin is None:
        raise InputError(
            "scoring needs the statistics of the training data, and this model has none; load it "
            "with from_pretrained"
        )
    normalise = Normalise(model.origin.statistics, image_size=model.config.image_size)
    order = np.random.default_rng(seed).permutation(training_patches(data))
    first, second = (np.sort(order[k * count : (k + 1) * count]) for k in range(2))
    scored = Patches(data=data, samples=first, normalise=normalise, workers=workers)
    others = Patches(
        data=data, samples=second if len(second) else first, normalise=normalise, workers=workers
    )  # fmt: skip
    return scored, others


def training_patches(data: ShardSet) -> Samples:
    """Return the numbers of the patches of the split `train`; of all where there is none."""
    found = data.indices("train")
    return found if len(found) else np.arange(len(data), dtype=np.int64)


def class_vectors(
    model: CSMoE, patches: Patches, sensors: Sequence[SensorName]
) -> dict[SensorName, Tensor]:
    """Return the [CLS] vectors of patches, [K, D] on the CPU, by sensor."""
    device = next(model.parameters()).device
    found: dict[SensorName, list[Tensor]] = {sensor: [] for sensor in sensors}
    for images in patches.batches(device):
        with fast_inference(device):
            for sensor in sensors:
                vector_BD = model.backbone.tokens(sensor, images[sensor])[:, 0]
                found[sensor].append(at_least_float32(vector_BD).cpu())
    return {sensor: torch.cat(parts) for sensor, parts in found.items()}


def drift(vector_KD: Tensor, reference_KD: Tensor) -> float:
    """Return 1 − the mean cosine of vectors and those of the unpruned model.

    Both are centred by the mean of the unpruned model's vectors: 0 for equal vectors, 1 for
    vectors that have nothing to do with them.
    """
    centre_D = reference_KD.double().mean(0)
    found_KD, wanted_KD = vector_KD.double() - centre_D, reference_KD.double() - centre_D
    cosine_K = torch.nn.functional.cosine_similarity(found_KD, wanted_KD, dim=1)
    return float(1 - cosine_K.mean())
