"""Frozen features: a vector for each image of a labelled split.

Axes, as name suffixes:
    n  samples    D  width    B  images in a batch    C  bands    H W  pixel rows and columns
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from csmoe_model.csmoe import CSMoE
from csmoe_model.datasets.base import LabelledSet, LabelledSplit
from csmoe_model.distributed.device import fast_inference
from csmoe_model.nn.image_encoder import ImageEncoder
from minortom.errors import InputError
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName

VectorsOf = Callable[[Mapping[SensorName, Tensor]], Tensor]
"""Images of a batch [B, C, H, W] by sensor -> vectors [B, D]."""

Pooling = Literal["cls", "mean", "both"]
"""The raw [CLS]; the mean of the patches' tokens; or the two beside each other (Table V)."""

BATCH_SIZE = 64


def encode_set(
    model: ImageEncoder,
    split: LabelledSplit,
    *,
    sensors: Sequence[SensorName],
    pooling: Pooling = "cls",
    bands: Mapping[SensorName, Sequence[str]] | None = None,
    image_size: int | None = None,
    batch_size: int = BATCH_SIZE,
    on_progress: OnProgress = ignore_progress,
) -> NDArray[np.float32]:
    """Encode every image of a split, on the device of the model.

    Images are normalised with the statistics that the model was trained with and resized to
    the size that it was trained at.

    Args:
        model: A backbone that knows its statistics, in whatever mode; put into eval mode.
        split: Its images and their number.
        sensors: Whose vectors; of several they stand beside each other.
        pooling: See `Pooling`.
        bands: Names of the set's channels; those of the model when None.
        image_size: Another size to resize to.
        batch_size: Images held in memory at once.
        on_progress: Called with (images done, images in all).

    Returns:
        [n, D], with D the model's width, times 2 where `pooling` is `both`, times the sensors.

    Raises:
        InputError: If the set lacks a sensor or a band of the model, or an image is smaller
            than a patch of the model.
    """
    names = dict(bands or {})
    model.eval()

    def vectors(images: Mapping[SensorName, Tensor]) -> Tensor:
        for sensor in sensors:
            check_size(images, sensor, model.config.patch_size)
        chosen = {sensor: images[sensor] for sensor in sensors}
        prepared = model.prepare(
            s2=chosen.get("s2"), s1=chosen.get("s1"),
            s2_bands=names.get("s2"), s1_bands=names.get("s1"),
            image_size=image_size or model.config.image_size,
        )  # fmt: skip
        with fast_inference(next(model.parameters()).device):
            encoded = model.encode(
                s2=prepared.get("s2"), s1=prepared.get("s1"), patch_tokens=pooling != "cls"
            )
        parts = []
        for sensor in sensors:
            if pooling in ("cls", "both"):
                parts.append(encoded[sensor].float())
            if pooling in ("mean", "both"):
                parts.append(encoded[f"{sensor}_tokens"].float().mean(1))
        return torch.cat(parts, dim=1)

    return map_images(split, vectors, batch_size=batch_size, on_progress=on_progress)


def map_images(
    split: LabelledSplit,
    vectors: VectorsOf,
    *,
    batch_size: int = BATCH_SIZE,
    on_progress: OnProgress = ignore_progress,
) -> NDArray[np.float32]:
    """Turn every image of a split into a vector, a batch at a time; [n, D] float32."""
    out = np.empty((len(split), 0), np.float32)
    with torch.inference_mode():
        for start in range(0, len(split), batch_size):
            chosen = np.arange(start, min(start + batch_size, len(split)))
            images = {name: torch.from_numpy(a) for name, a in split.images(chosen).items()}
            found_BD = vectors(images).cpu().numpy()
            if not start:
                out = np.empty((len(split), found_BD.shape[1]), np.float32)
            out[chosen] = found_BD
            on_progress(int(chosen[-1]) + 1, len(split))
    return out


def untrained(model: ImageEncoder, *, seed: int) -> CSMoE:
    """Make the same architecture with weights drawn from a seed, and the same normalisation."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = CSMoE(model.config, encoder_of=model.sensors)
    fresh.preprocess = model.preprocess
    return fresh.to(next(model.parameters()).device).eval()


def choose_sensors(
    model: ImageEncoder, data: LabelledSet, wanted: Literal["s2", "s1", "both"] | None
) -> tuple[SensorName, ...]:
    """Choose whose vectors to take: those wanted, or all that the model and the set have.

    Raises:
        InputError: If the model or the set lacks one.
    """
    if wanted is None:
        shared = tuple(sensor for sensor in model.sensors if sensor in data.sensors)
        if shared:
            return shared
        raise InputError(
            f"the model sees {', '.join(model.sensors)}, the set {data.name} has "
            f"{', '.join(data.sensors)}; take another model or set"
        )
    sensors: tuple[SensorName, ...] = ("s2", "s1") if wanted == "both" else (wanted,)
    for there, what in ((model.sensors, "the model"), (data.sensors, f"the set {data.name}")):
        missing = [sensor for sensor in sensors if sensor not in there]
        if missing:
            raise InputError(
                f"{what} has no {', '.join(missing)}, only {', '.join(there)}; give --sensor "
                f"{there[0]}"
            )
    return sensors


def check_size(images: Mapping[SensorName, Tensor], sensor: SensorName, patch_size: int) -> None:
    """Make sure that a batch has images of a sensor, of a patch of the model at least.

    Raises:
        InputError: If it has not.
    """
    if sensor not in images:
        raise InputError(f"the set has no {sensor} images; it has {', '.join(images)}")
    height, width = images[sensor].shape[2:]
    if min(height, width) < patch_size:
        raise InputError(
            f"an image of {height} × {width} pixels is smaller than a patch of the model, "
            f"{patch_size} × {patch_size}; give larger images, or a model of smaller patches"
        )
