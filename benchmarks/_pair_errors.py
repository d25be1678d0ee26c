"""Reconstruction errors of single pairs of images, by whole and by changed models.

Axes, as name suffixes:
    B  images in a batch    n  pairs    M  masked patches    P  values in a patch
"""

import numpy as np
import torch

from csmoe_model.data.loader import Loader
from csmoe_model.data.normalise import Normalise
from csmoe_model.data.sampler import OrderedBatches
from csmoe_model.nn.layers import patchify, take_tokens
from csmoe_model.nn.masking import masks_of

ERRORS = {"umr": ("s2_s2", "s1_s1"), "cmr": ("s2_s1", "s1_s2")}
"""Reconstructions `TARGET_SOURCE` whose errors add up to a loss term."""


def pair_errors(models, data, numbers, statistics):
    """Return the reconstruction loss of each pair, by loss term, for each of some models.

    All models see the same masks, those of seed 0 and epoch 0. The mean over the pairs is the loss
    term of the objective.

    Args:
        models: Models of one configuration; each yields a dictionary of arrays [n].
        data: The shards.
        numbers: Numbers of the pairs.
        statistics: Statistics of the pixels to normalise with.
    """
    found = [{name: [] for name in ERRORS} for _ in models]
    normalise = Normalise(statistics, image_size=models[0].config.image_size)
    order = OrderedBatches(samples=numbers, batch_size=64)
    for batch in Loader(data, order, workers=1):
        images = normalise(batch.tensors)
        masks = masks_of(models[0].config, batch.samples, seed=0, epoch=0)
        for of_model, model in zip(found, models, strict=True):
            with torch.inference_mode():
                output = model(images["s2"], images["s1"], masks, reconstruct=True)
            for name, ways in ERRORS.items():
                parts = [_errors(model, output, images, masks, *way.split("_")) for way in ways]
                of_model[name].append(torch.stack(parts).sum(0).numpy())
    return [
        {name: np.concatenate(values).astype(np.float64) for name, values in one.items()}
        for one in found
    ]


def _errors(model, output, images, masks, target, source):
    """Return the mean squared error of the patches that are masked in the source, [B]."""
    gap_BCHW = output.reconstructions[f"{target}_{source}"] - images[target]
    masked_BMP = take_tokens(
        patchify(gap_BCHW, model.config.patch_size), masks.of(source).masked_BM
    )
    return masked_BMP.square().mean((1, 2))
