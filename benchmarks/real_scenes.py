"""Probe a model on four real scenes, each held out in turn: a smoke test, not a measure of quality.

    python benchmarks/real_scenes.py [RUN...] [--data $MINORTOM_DATA] [--patch-px 16] [--seeds 3]
                                     [--image-sizes 120,24] [--write]

The patches come from the scenes in `majortom-sample`. At least half of the 10 m labels of a patch
(`landcover-labels`) are of one class, and at least three scenes have this class. A probe is
trained on all scenes but one and tested on that one. Every fourth patch of each class of the
training scenes is used for validation, to choose the regularisation strength. A score is the mean
recall of the classes that the scene has, in %; chance is 33. `--write` writes the scores to
benchmarks/results/real_scenes.json; without it they are printed.
"""

import argparse
import itertools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import rasterio
import torch
from _results import store, table

from csmoe_model.datasets.base import LabelledSplit
from csmoe_model.evaluation.metrics import HEADLINE, score
from csmoe_model.extractors.band_statistics import BandStatistics
from csmoe_model.extractors.checkpoint import load_model, untrained
from csmoe_model.extractors.map_images import encode_set, map_images
from csmoe_model.extractors.random_convolutions import RandomConvolutions
from csmoe_model.probing.heads import Table, knn_probe, logistic_probe
from minortom.archive.archive import Archive
from minortom.extraction.options import ExportOptions
from minortom.extraction.patches import cut_tile
from minortom.sensors import BASE_RESOLUTION_M, MODEL_BANDS, S1

CLASSES = {2: "trees", 4: "crops", 9: "rangeland"}
"""Classes that at least three of the scenes have, by their code."""
STATISTICS = BandStatistics.of_model_bands()
SENSORS = ("s2", "s1")
PROBES = {"logistic": logistic_probe, "5-NN": lambda table: knn_probe(table, k=5)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Patches:
    """Labelled patches of all scenes."""

    images: dict
    """By sensor [n, band, row, column], as `LabelledSplit` has them."""
    labels: np.ndarray
    """[n], numbers in CLASSES."""
    scenes: np.ndarray
    """[n], the cell."""

    def __len__(self):
        return len(self.labels)

    def split(self, chosen):
        """Return some of the patches as a split."""
        images = {sensor: values[chosen] for sensor, values in self.images.items()}
        return LabelledSplit(
            images=lambda indices: {sensor: values[indices] for sensor, values in images.items()},
            labels=self.labels[chosen], groups=self.scenes[chosen],
        )  # fmt: skip


def read_patches(data, patch_px):
    """Cut the scenes and keep the patches of one class."""
    found = [_of_scene(data, path, patch_px) for path in sorted(_label_files(data))]
    parts = [patches for patches in found if len(patches)]
    return Patches(
        images={s: np.concatenate([part.images[s] for part in parts]) for s in SENSORS},
        labels=np.concatenate([part.labels for part in parts]),
        scenes=np.concatenate([part.scenes for part in parts]),
    )


def _label_files(data):
    return (data / "landcover-labels").glob("*.tif")


def _of_scene(data, label_file, patch_px):
    cell = "_".join(label_file.stem.split("_")[:2])
    tiles, product_id = {}, {}
    for sensor, name in (("s2", "Core-S2L2A"), ("s1", "Core-S1RTC")):
        folder = data / "majortom-sample" / name
        rows = pq.read_table(folder / "metadata.parquet").to_pylist()
        row = next(row for row in rows if row["grid_cell"] == cell)
        product_id[sensor] = row["product_id"]
        tiles[sensor] = Archive.open(folder, sensor).read_tile(
            row["parquet_url"].rsplit("/", 1)[1], row["parquet_row"],
            cell=cell, product_id=row["product_id"],
        )  # fmt: skip
    options = ExportOptions(patch_px=patch_px, max_invalid=5)
    cut = cut_tile(**tiles, options=options, s2_product_id=product_id["s2"])
    with rasterio.open(label_file) as source:
        pixels = source.read(1)
    shares, places = [], list(zip(cut.patch_row.tolist(), cut.patch_col.tolist(), strict=True))
    margin = (pixels.shape[0] % patch_px) // 2, (pixels.shape[1] % patch_px) // 2
    for row, col in places:
        top, left = margin[0] + row * patch_px, margin[1] + col * patch_px
        window = pixels[top : top + patch_px, left : left + patch_px]
        shares.append([(window == code).mean() for code in CLASSES])
    share_nK = np.array(shares)
    kept = share_nK.max(1) >= 0.5
    return Patches(
        images={s: _image(cut.tensors, options.spec, s)[kept] for s in SENSORS},
        labels=share_nK.argmax(1)[kept], scenes=np.full(kept.sum(), cell),
    )  # fmt: skip


def _image(tensors, spec, sensor):
    """Return all bands of a sensor on one grid, in the units of `CSMoE.prepare`."""
    found = {}
    for group in spec.groups:
        if group.sensor == sensor:
            values = tensors[group.column].astype(np.float32)
            values *= np.float32(S1.scale if sensor == "s1" else 1)
            times = group.resolution_m // BASE_RESOLUTION_M
            values = values.repeat(times, axis=2).repeat(times, axis=3)
            found |= {band: values[:, n] for n, band in enumerate(group.bands)}
    return np.stack([found[band] for band in MODEL_BANDS[sensor]], axis=1)


def folds(patches):
    """Yield each scene with the numbers of its training, validation and test patches."""
    scenes, of_scene = np.unique(patches.scenes, return_inverse=True)
    chooses = np.zeros(len(patches), bool)
    kinds = of_scene * len(CLASSES) + patches.labels
    for kind in np.unique(kinds):
        chooses[np.flatnonzero(kinds == kind)[3::4]] = True
    for number, scene in enumerate(scenes):
        held = of_scene == number
        yield str(scene), {
            "train": np.flatnonzero(~held & ~chooses),
            "val": np.flatnonzero(~held & chooses),
            "test": np.flatnonzero(held),
        }  # fmt: skip


def features_of(models, patches, seeds, image_sizes):
    """Return the features that do not depend on the fold, by name: [n, D] for each run or draw."""
    every = patches.split(np.arange(len(patches)))
    found = {"band statistics": [encode_set(STATISTICS, every, sensors=SENSORS)]}
    if models:
        kinds = {
            "untrained": [untrained(models[0], seed=seed) for seed in range(seeds)],
            "pretrained": models,
        }
        for size, (kind, those) in itertools.product(image_sizes or [None], kinds.items()):
            shown = size or models[0].config.image_size
            found[f"{kind}, {shown} px"] = [encoded(model, every, shown) for model in those]
    return found


def encoded(model, split, image_size):
    """Return the [CLS] vectors of both sensors, of images resized to a size."""

    def vectors(images):
        found = model.encode(**model.prepare(**images, image_size=image_size))
        return torch.cat([found[sensor] for sensor in SENSORS], dim=1)

    return map_images(split, vectors)


def convolved(patches, fold, seeds):
    """Return random convolution features of all patches, with filters from the training patches."""
    every, train = patches.split(np.arange(len(patches))), patches.split(fold["train"])
    return [
        encode_set(
            RandomConvolutions.unfitted().fitted(
                train, sensors=SENSORS, bands=MODEL_BANDS, seed=seed
            ),
            every,
            sensors=SENSORS,
        )
        for seed in range(seeds)
    ]


def score_fold(patches, fold, features_nD):
    """Train each probe on the features of a fold; return its score on the held-out scene."""
    table = Table(
        task="multiclass", num_classes=len(CLASSES),
        features={name: features_nD[chosen] for name, chosen in fold.items()},
        labels={name: patches.labels[chosen] for name, chosen in fold.items()},
    )  # fmt: skip
    return {
        name: score(probe(table).test)[HEADLINE["multiclass"]] for name, probe in PROBES.items()
    }


def measure(models, patches, *, seeds, image_sizes=()):
    """Return the scores by features, probe and scene: of each run or draw, from 0 to 1.

    Args:
        models: Checkpoints of one configuration; baselines only when empty.
        patches: Patches of all scenes.
        seeds: Number of draws of random convolutions and of random weights.
        image_sizes: Sizes of the images of the models in pixels; the training size when empty.
    """
    found = {}
    features = features_of(models, patches, seeds, image_sizes)
    for scene, fold in folds(patches):
        of_fold = {**features, "random convolutions": convolved(patches, fold, seeds)}
        for name, runs in of_fold.items():
            scores = [score_fold(patches, fold, features_nD) for features_nD in runs]
            for probe in PROBES:
                of_probe = found.setdefault(name, {}).setdefault(probe, {})
                of_probe[scene] = [float(one[probe]) for one in scores]
    return found


def counts_of(patches):
    """Return the number of patches by scene and class."""
    return {
        str(scene): dict(zip(CLASSES.values(), np.bincount(
            patches.labels[patches.scenes == scene], minlength=len(CLASSES)
        ).tolist(), strict=True))
        for scene in np.unique(patches.scenes)
    }  # fmt: skip


def show(counts, scores):
    """Print the numbers of patches, and the mean scores over runs as a Markdown table."""
    for scene, of_scene in counts.items():
        print(scene, of_scene)
    rows = []
    for name, of_features in scores.items():
        for probe, of_scene in of_features.items():
            values = [float(np.mean(of_scene[scene])) for scene in counts]
            shown = (f"{100 * value:.0f}" for value in (*values, np.mean(values)))
            rows.append([name, probe, *shown])
    print("\n" + table(["features", "probe", *counts, "mean"], rows))


def main():
    """Print or write the numbers of patches and the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", help="checkpoints; the baselines alone without them")
    parser.add_argument("--data", type=Path, default=os.environ.get("MINORTOM_DATA"))
    parser.add_argument("--patch-px", type=int, default=16)
    parser.add_argument(
        "--image-sizes", default="", help="sizes of the images in pixels; the training size without"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write the results")
    options = parser.parse_args()
    if options.data is None:
        print("skipped: set MINORTOM_DATA to the folder of the real files, or give --data")
        return
    models = [load_model(run, device=torch.device("cpu")).model for run in options.runs]
    sizes = [int(size) for size in filter(None, options.image_sizes.split(","))]
    patches = read_patches(Path(options.data), options.patch_px)
    counts = counts_of(patches)
    scores = measure(models, patches, seeds=options.seeds, image_sizes=sizes)
    if options.write:
        store("real_scenes", {"patch_px": options.patch_px, "patches": counts, "scores": scores})
        return
    show(counts, scores)


if __name__ == "__main__":
    main()
