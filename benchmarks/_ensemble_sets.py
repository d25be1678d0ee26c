"""Labelled sets of the synthetic planet: other tasks for specialists, and land cover to test on."""

from dataclasses import replace

import numpy as np
import torch

from csmoe_model.data.normalise import resized
from csmoe_model.datasets.base import LabelledSet, LabelledSplit
from csmoe_model.datasets.open_set import open_set
from csmoe_model.datasets.shards import ShardImages, shard_bands
from minortom.io.provenance import licences_in, sha256_of
from minortom.shards.layout import DATASET_FILE
from minortom.shards.shard_set import ShardSet

IMAGE_PX = 32
"""Side of the images of specialists. They are resized once, as the network would each time."""
POOL = {"train": 3000, "val": 300, "test": 300}
"""Patches of the pretraining that all tasks draw from."""
BLOCK_DEG = 6
COLUMNS = ("lat", "lon", "climate", "landcover")


class Patches:
    """Small images of some training patches of the pretraining, by split."""

    def __init__(self, out, folder):
        self.data, self.sha256 = ShardSet.open(folder), sha256_of(folder / DATASET_FILE)
        rows = self.data.metadata([*COLUMNS, "split"])
        column = {name: rows[name].to_numpy(zero_copy_only=False) for name in rows.column_names}
        lat, lon = (column[name].astype(float) for name in ("lat", "lon"))
        self.block = np.floor(lat / BLOCK_DEG) * 1000 + np.floor(lon / BLOCK_DEG)
        blocks, of_patch = np.unique(self.block, return_inverse=True)
        part = np.random.default_rng(7).integers(0, 10, len(blocks))[of_patch]
        usable, rng = column["split"] == "train", np.random.default_rng(11)
        self.members = {
            split: rng.permutation(np.flatnonzero(usable & chosen))[:count]
            for (split, count), chosen in zip(
                POOL.items(), (part < 8, part == 8, part == 9), strict=True
            )
        }
        self.column = column
        self.images = {split: self._images(out, split) for split in POOL}

    def _images(self, out, split):
        """Return the images of a split by sensor, from a file or resized."""
        file = out / f"patches-{split}.npz"
        if not file.exists():
            read, count = ShardImages(self.data, self.members[split]), len(self.members[split])
            parts = [
                {s: resized(torch.from_numpy(x), IMAGE_PX).numpy() for s, x in read(chosen).items()}
                for chosen in np.array_split(np.arange(count), count // 50)
            ]
            np.savez(file, **{s: np.concatenate([one[s] for one in parts]) for s in parts[0]})
        return dict(np.load(file))

    def greenness(self, split):
        """Return the mean NDVI of the images."""
        bands = shard_bands(self.data)["s2"]
        red, nir = (self.images[split]["s2"][:, bands.index(band)] for band in ("B04", "B08"))
        return ((nir - red) / (nir + red)).mean((1, 2))


def task(patches, name, *, images):
    """Return the labelled set of a task, with some training images.

    `west`, `east` and `all` are land cover of one half of the planet, and of both. Blocks of 6
    degrees are divided into train, val and test.
    """
    splits, classes = {}, None
    for split, members in patches.members.items():
        lon = patches.column["lon"][members]
        kept = (
            (lon < 0) == (name == "west") if name in ("west", "east") else np.full(len(lon), True)
        )
        rows = np.flatnonzero(kept)[: images if split == "train" else None]
        values = values_of(patches, name, split)
        is_number = values.dtype.kind == "f"
        if classes is None:
            classes = edges_of(values[rows]) if is_number else common(values[rows])
        if not is_number:
            rows = rows[np.isin(values[rows], classes)]
        splits[split] = LabelledSplit(
            images=lambda numbers, rows=rows, split=split: {
                s: x[rows[numbers]] for s, x in patches.images[split].items()
            },
            labels=np.searchsorted(classes, values[rows]),
            groups=patches.block[members[rows]].astype(str),
        )  # fmt: skip
    count = len(classes) + is_number
    return LabelledSet(
        name=f"planet-{name}", task="multiclass",
        classes=tuple(f"{name}_{k}" for k in range(count)), bands=shard_bands(patches.data),
        splits=splits, sha256=patches.sha256, settings={"label": name},
        licences=licences_in(patches.data.provenance),
    )  # fmt: skip


def values_of(patches, name, split):
    """Return what a task predicts: numbers, or names of classes."""
    members = patches.members[split]
    if name == "latitude":
        return np.abs(patches.column["lat"][members].astype(float))
    if name == "greenness":
        return patches.greenness(split).astype(float)
    return patches.column["climate" if name == "climate" else "landcover"][members].astype(str)


def edges_of(values):
    """Return the limits of six bins of equal numbers."""
    return np.quantile(values, np.arange(1, 6) / 6)


def common(names):
    """Return the classes with at least five training images."""
    classes, counts = np.unique(names, return_counts=True)
    return classes[counts >= 5]


def land_cover(folder, *, cells):
    """Return the labelled shards with one patch of each cell, and some cells of each class."""
    data = open_set("shards", folder)
    splits = {name: thinned(split, cells) for name, split in data.splits.items()}
    return replace(data, splits=splits, settings={**data.settings, "cells": cells})


def thinned(split, cells):
    """Return a split with the first patch of the first cells of each class."""
    first = np.sort(np.unique(split.groups, return_index=True)[1])
    of_class = [first[split.labels[first] == label][:cells] for label in np.unique(split.labels)]
    kept = np.sort(np.concatenate(of_class))
    return split.take(kept)
