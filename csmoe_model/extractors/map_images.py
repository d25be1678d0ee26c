"""Vectors of the images of a labelled split, batch by batch.

Axes, as name suffixes:
    n  samples    B  images in a batch    D  width
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from csmoe_model.choices import SensorChoice, sensors_of
from csmoe_model.datasets.base import LabelledSet, LabelledSplit, SplitName
from csmoe_model.extractors.extractor import Bands, Extractor
from minortom.errors import InputError
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName

VectorsOf = Callable[[Mapping[SensorName, Tensor]], Tensor]
"""Function from the images of a batch, [B, C, H, W] by sensor, to vectors [B, D]."""

BATCH_SIZE = 64


def encode_set(
    extractor: Extractor,
    split: LabelledSplit,
    *,
    sensors: Sequence[SensorName],
    bands: Bands | None = None,
    batch_size: int = BATCH_SIZE,
    on_progress: OnProgress = ignore_progress,
) -> NDArray[np.float32]:
    """Encode every image of a split, on the device of the extractor.

    Args:
        extractor: The extractor.
        split: The images.
        sensors: Sensors to encode; the vectors of several sensors are concatenated.
        bands: Names of the set's channels by sensor; the bands of the extractor when None.
        batch_size: Images that memory holds at once.
        on_progress: Called with (images done, images in all).

    Returns:
        Vectors [n, D].

    Raises:
        InputError: If a sensor or a band of the extractor is missing in the set, or an image is
            too small.
    """

    def vectors(images: Mapping[SensorName, Tensor]) -> Tensor:
        missing = [sensor for sensor in sensors if sensor not in images]
        if missing:
            raise InputError(
                f"expected {' and '.join(missing)} images in the set, found {', '.join(images)}"
            )
        return extractor({sensor: images[sensor] for sensor in sensors}, bands=bands)

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


def check_finite_features(vector_nD: NDArray[np.float32], split: SplitName) -> None:
    """Check the vectors of the images of a split.

    Raises:
        InputError: If a vector has NaN or infinity.
    """
    unusable = np.flatnonzero(~np.isfinite(vector_nD).all(axis=1))
    if len(unusable):
        raise InputError(
            f"every image must give finite features, found {len(unusable):,} of the split {split} "
            f"that do not, first image {unusable[0] + 1} of that split; remove images without "
            "measured pixels, or with values far outside the range of their sensor"
        )


def choose_sensors(
    extractor: Extractor, data: LabelledSet, wanted: SensorChoice | None
) -> tuple[SensorName, ...]:
    """Return the sensors to encode: those given, or all that extractor and set have in common.

    Raises:
        InputError: If the extractor or the set does not have a sensor.
    """
    known = extractor.sensors
    sensors: tuple[SensorName, ...]
    if wanted is None:
        sensors = tuple(sensor for sensor in known if sensor in data.sensors)
        if not sensors:
            raise InputError(
                f"expected a sensor of the model ({', '.join(known)}), found "
                f"{', '.join(data.sensors)} in the set {data.name}; give another model or set"
            )
    else:
        sensors = sensors_of(wanted)
    for existing, what in ((known, "the model"), (data.sensors, f"the set {data.name}")):
        missing = [sensor for sensor in sensors if sensor not in existing]
        if missing:
            raise InputError(
                f"expected {', '.join(missing)} in {what}, found only {', '.join(existing)}; give "
                f"--sensor {existing[0]}"
            )
    extractor.check_sensors(sensors, f"the set {data.name}")
    return sensors
