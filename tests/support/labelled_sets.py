"""Labelled sets in memory, with results that a reader can compute by hand."""

import numpy as np

from csmoe_model.datasets.base import LabelledSet, LabelledSplit
from minortom.sensors import MODEL_BANDS


def split_of(images, labels, groups=None):
    """Return a split of arrays in memory."""
    return LabelledSplit(
        images=lambda indices: {name: array[indices] for name, array in images.items()},
        labels=np.asarray(labels), groups=groups,
    )  # fmt: skip


def set_of(
    splits, *, classes=("forest", "water"), task="multiclass", bands=MODEL_BANDS, name="own"
):
    return LabelledSet(
        name=name, task=task, classes=classes, bands=bands, splits=splits, sha256="-" * 64,
        licences=("of these labels",),
    )  # fmt: skip


def bright_and_dark(sizes, *, side=16, sensors=("s2", "s1"), seed=0):
    """Return a set where class 1 is brighter in every band; every probe separates the classes."""
    rng = np.random.default_rng(seed)
    splits = {}
    for name, count in sizes.items():
        labels = np.arange(count) % 2
        images = {
            sensor: (
                1000 * rng.random((count, len(MODEL_BANDS[sensor]), side, side))
                + 3000 * labels[:, None, None, None]
            ).astype(np.float32)
            for sensor in sensors
        }
        splits[name] = split_of(images, labels)
    return set_of(splits, bands={sensor: MODEL_BANDS[sensor] for sensor in sensors})
