"""Frozen features: one vector for each image of a labelled split.

Axes, as name suffixes:
    n  samples    D  width    B  images in a batch    C  bands    H W  pixel rows and columns
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from csmoe_model.choices import Pooling, SensorChoice
from csmoe_model.csmoe import CSMoE
from csmoe_model.datasets.base import LabelledSet, LabelledSplit
from csmoe_model.distributed.device import fast_inference
from csmoe_model.nn.image_encoder import ImageEncoder
from minortom.errors import InputError
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName

VectorsOf = Callable[[Mapping[SensorName, Tensor]], Tensor]
"""Function from the images of a batch, [B, C, H, W] by sensor, to vectors [B, D]."""


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

    Images are normalised with the statistics of the model's training data, and resized to its
    image size.

    Args:
        model: Encoder with its statistics; it is put into eval mode.
        split: The images.
        sensors: Sensors to encode; the vectors of several sensors are concatenated.
        pooling: See `Pooling`.
        bands: Names of the set's channels by sensor; the bands of the model when None.
        image_size: Side to resize the images to (pixels); the image size of the model when None.
        batch_size: Images that memory holds at once.
        on_progress: Called with (images done, images in all).

    Returns:
        Vectors [n, D]. D is the width of the model, twice that where `pooling` is `both`, times
        the number of sensors.

    Raises:
        InputError: If a sensor or a band of the model is missing in the set, or an image is
            smaller than a patch of the model.
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
    """Compute a vector for each image of a split, batch by batch.

    Returns:
        Vectors [n, D], float32.
    """
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
    """Return a randomly initialised model of the same architecture and normalisation."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = CSMoE(model.config, encoder_of=model.sensors)
    fresh.preprocess = model.preprocess
    return fresh.to(next(model.parameters()).device).eval()


def choose_sensors(
    model: ImageEncoder, data: LabelledSet, wanted: SensorChoice | None
) -> tuple[SensorName, ...]:
    """Return the sensors to encode: those given, or all that the model and the set have in common.

    Raises:
        InputError: If the model or the set does not have a sensor.
    """
    if wanted is None:
        shared = tuple(sensor for sensor in model.sensors if sensor in data.sensors)
        if shared:
            return shared
        raise InputError(
            f"expected a sensor of the model ({', '.join(model.sensors)}), found "
            f"{', '.join(data.sensors)} in the set {data.name}; give another model or set"
        )
    sensors: tuple[SensorName, ...] = ("s2", "s1") if wanted == "both" else (wanted,)
    for existing, what in ((model.sensors, "the model"), (data.sensors, f"the set {data.name}")):
        missing = [sensor for sensor in sensors if sensor not in existing]
        if missing:
            raise InputError(
                f"expected {', '.join(missing)} in {what}, found only {', '.join(existing)}; give "
                f"--sensor {existing[0]}"
            )
    return sensors


def check_size(images: Mapping[SensorName, Tensor], sensor: SensorName, patch_size: int) -> None:
    """Check that a batch has images of a sensor, at least as large as a patch of the model.

    Raises:
        InputError: If it has none, or smaller ones.
    """
    if sensor not in images:
        raise InputError(f"expected {sensor} images in the set, found {', '.join(images)}")
    height, width = images[sensor].shape[2:]
    if min(height, width) < patch_size:
        raise InputError(
            f"expected images of at least one patch of the model, {patch_size} × {patch_size} px, "
            f"found {height} × {width} px; give larger images, or a model with smaller patches"
        )
