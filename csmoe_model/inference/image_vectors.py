"""Vectors of images of any sizes: images of one size are encoded together.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns    D  width
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from csmoe_model.choices import BOTH
from csmoe_model.datasets.image_folder import ImageBands
from csmoe_model.extractors.extractor import Extractor
from minortom.sensors import SensorName

Vectors = dict[str, NDArray[np.float32]]
"""[D] by name: `s2`, `s1` or `both`. In a common space `both` is the mean of the other two; for
other extractors an image has one vector."""


def encode_images(extractor: Extractor, images: Sequence[ImageBands]) -> list[Vectors]:
    """Encode images whose values are in the units of the model.

    Args:
        extractor: The extractor.
        images: By sensor the names of the bands, and their pixels [C, H, W]. Sensors that the
            extractor does not read are left out.
    """
    found: list[Vectors] = [{} for _ in images]
    alike: dict[tuple[object, ...], list[int]] = {}
    views: dict[tuple[object, ...], tuple[str, tuple[SensorName, ...]]] = {}
    for number, image in enumerate(images):
        for name, sensors in extractor.views(tuple(image)).items():
            key: tuple[object, ...] = (name, *((image[s][0], image[s][1].shape) for s in sensors))
            alike.setdefault(key, []).append(number)
            views[key] = name, sensors
    for kind, members in alike.items():
        name, sensors = views[kind]
        vector_BD = _encoded(extractor, sensors, [images[number] for number in members])
        for number, vector_D in zip(members, vector_BD, strict=True):
            found[number][name] = vector_D
    for vectors in found:
        if len(vectors) > 1:
            vectors[BOTH] = np.mean([*vectors.values()], axis=0)
    return found


def _encoded(
    extractor: Extractor, sensors: Sequence[SensorName], images: Sequence[ImageBands]
) -> NDArray[np.float32]:
    """Encode images of the same bands and sizes."""
    vector_BD = extractor(
        {sensor: np.stack([image[sensor][1] for image in images]) for sensor in sensors},
        bands={sensor: images[0][sensor][0] for sensor in sensors}, check_units=False,
    )  # fmt: skip
    found: NDArray[np.float32] = vector_BD.float().cpu().numpy()
    return found
