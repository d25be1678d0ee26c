"""Label maps in memory: images with a bright and a dark half."""

import numpy as np
from labelled_sets import set_of, split_of

from minortom.sensors import MODEL_BANDS


def halves(count, seed):
    """Images with a bright and a dark half, this way or that; the bright one is class 1."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((count, 16, 16), np.uint8)
    labels[::2, :8], labels[1::2, :, :8] = 1, 1
    images = 1500 + 2000.0 * labels[:, None] + rng.normal(0, 50, (count, 10, 16, 16))
    return split_of({"s2": images.astype(np.float32)}, labels)


def segmentation_set(counts=(12, 4, 6)):
    splits = {
        name: halves(count, seed)
        for seed, (name, count) in enumerate(zip(("train", "val", "test"), counts, strict=True))
    }
    return set_of(splits, task="segmentation", bands={"s2": MODEL_BANDS["s2"]})
