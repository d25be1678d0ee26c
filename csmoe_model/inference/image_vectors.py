"""Vectors of images of any sizes: images of one size are encoded together.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns    D  token width
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from csmoe_model.data.preprocess import Images
from csmoe_model.datasets.image_folder import ImageBands
from csmoe_model.distributed.device import fast_inference
from csmoe_model.inference.embeddings import BOTH
from csmoe_model.inference.load import LoadedModel
from csmoe_model.nn.image_encoder import ImageEncoder
from minortom.sensors import SensorName

Vectors = dict[str, NDArray[np.float32]]
"""[D] by `s2`, `s1` and, for an image of both sensors, `both`: the mean of the two."""


def encode_images(trained: LoadedModel, images: Sequence[ImageBands]) -> list[Vectors]:
    """Encode images whose values are in the units of the model.

    Each image is resized to the image size of the model, as in training.

    Args:
        trained: The model.
        images: By sensor the names of the bands, and their pixels [C, H, W]. Sensors that the
            model does not encode are left out.
    """
    found: list[Vectors] = [{} for _ in images]
    for sensor in trained.model.sensors:
        alike: dict[tuple[object, ...], list[int]] = {}
        for number, image in enumerate(images):
            if sensor in image:
                names, pixels_CHW = image[sensor]
                alike.setdefault((names, pixels_CHW.shape), []).append(number)
        for members in alike.values():
            names = images[members[0]][sensor][0]
            image_BCHW = np.stack([images[number][sensor][1] for number in members])
            vector_BD = _encoded(trained.model, sensor, image_BCHW, names)
            for number, vector_D in zip(members, vector_BD, strict=True):
                found[number][sensor] = vector_D
    for vectors in found:
        if len(vectors) > 1:
            vectors[BOTH] = np.mean([*vectors.values()], axis=0)
    return found


def normalised(
    model: ImageEncoder,
    sensor: SensorName,
    images: Images,
    *,
    bands: Sequence[str] | None = None,
    image_size: int | None = None,
) -> Tensor:
    """Normalise images whose unit is known, as `prepare` does."""
    assert model.preprocess is not None  # because the model was loaded from a checkpoint
    normal: Tensor = model.preprocess(
        sensor, images, bands=bands, image_size=image_size, check_unit=False
    )
    return normal


def _encoded(
    model: ImageEncoder, sensor: SensorName, image_BCHW: NDArray[np.float32], names: Sequence[str]
) -> NDArray[np.float32]:
    with torch.inference_mode(), fast_inference(next(model.parameters()).device):
        normal_BCHW = normalised(
            model, sensor, image_BCHW, bands=names, image_size=model.config.image_size
        )
        vector_BD = model.encode(
            s2=normal_BCHW if sensor == "s2" else None, s1=normal_BCHW if sensor == "s1" else None
        )[sensor]
    found: NDArray[np.float32] = vector_BD.float().cpu().numpy()
    return found
