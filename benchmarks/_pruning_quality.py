"""Quality of pruned models on the planet: probe and 20-NN, beside other ways to save."""

import itertools
from functools import cache, partial

import numpy as np
import torch
from _paired import difference
from _planet_models import pretrained, shards
from _pruning_baselines import with_kept
from _pruning_ways import CALIBRATE, RECOVER, SmallerModels

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.loader import Loader
from csmoe_model.data.normalise import Normalise
from csmoe_model.data.sampler import OrderedBatches
from csmoe_model.evaluation.bootstrap import NUM_DRAWS, Bootstrap
from csmoe_model.evaluation.metrics import Predictions, score
from csmoe_model.extractors.band_statistics import BandStatistics
from csmoe_model.nn.cost import encoder_cost
from csmoe_model.probing.heads import Table, knn_probe, logistic_probe
from minortom.grid.spatial_split import block_ids
from minortom.grid.sphere import unit_vectors
from minortom.shards.shard_set import ShardSet

SEEDS = (0, 1, 2)
SENSORS = ("s2", "s1")
KEEPS = (2, 1, 3)
RANDOM_DRAWS = 5
WAYS = ("reap", "recovered", "greedy", "merging", "slimming", "random")
PROBES = {"probe": logistic_probe, "20-NN": lambda table: knn_probe(table, k=20)}
PER_CELL = 1
"""Patches of each cell that are encoded."""
MANY_PER_CELL, MANY_KEEP = 4, 2
"""Patches of each cell, and experts, of the comparison that `all_patches` makes."""
HEADLINE = "average_accuracy"
BLOCK_KM = 100
"""Minimum side of the blocks of ground that the bootstrap of `_arms.py` draws."""


class Patches:
    """Patches of each cell of the probing shards, with their land cover."""

    def __init__(self, folder=None, *, per_cell=None):
        """Read the metadata of some shards; those of the planet's models when None.

        `per_cell` is the number of patches of each cell, `PER_CELL` when None.
        """
        self.data = ShardSet.open(folder or shards("probing"))
        rows = self.data.metadata(["grid_cell", "split", "landcover", "lat", "lon"])
        cells = rows["grid_cell"].to_numpy(zero_copy_only=False).astype(str)
        _, cell, counts = np.unique(cells, return_inverse=True, return_counts=True)
        order = np.argsort(cell, kind="stable")
        rank = np.arange(len(cells)) - np.repeat(np.cumsum(counts) - counts, counts)
        self.numbers = order[rank < (per_cell or PER_CELL)]  # cell by cell
        self.cells = cells[self.numbers]
        self.split = rows["split"].to_numpy(zero_copy_only=False).astype(str)[self.numbers]
        names = rows["landcover"].to_numpy(zero_copy_only=False).astype(str)[self.numbers]
        self.lonlat_deg = np.stack(
            [rows[key].to_numpy()[self.numbers] for key in ("lon", "lat")], 1
        )
        self.classes, self.labels = np.unique(names, return_inverse=True)
        _, first, of_patch = np.unique(self.cells, return_index=True, return_inverse=True)
        points = unit_vectors(*self.lonlat_deg[first].T)
        self.blocks = block_ids(points, BLOCK_KM)[of_patch]  # a cell lies in one block

    def vectors(self, model, sensor, *, pooling="cls"):
        """Return the [CLS] vectors of a model [n, D], or the means of the patch tokens."""
        normalise = Normalise(model.origin.statistics, image_size=model.config.image_size)

        def pooled(image_BCHW):
            tokens_BTD = model.backbone.tokens(sensor, image_BCHW)
            return tokens_BTD[:, 0] if pooling == "cls" else tokens_BTD[:, 1:].mean(1)

        return self._encoded(sensor, normalise, pooled)

    def band_statistics(self, sensor):
        """Return four statistics of each band [n, D], which need no training."""
        normalise = Normalise(self.data.statistics, image_size=self.data.spec.patch_px)
        encode = BandStatistics.of_model_bands().vectors
        return self._encoded(sensor, normalise, lambda image_BCHW: encode({sensor: image_BCHW}))

    def _encoded(self, sensor, normalise, encode):
        order = OrderedBatches(samples=self.numbers, batch_size=64)
        with torch.inference_mode():
            found = [
                encode(normalise(batch.tensors)[sensor]).numpy()
                for batch in Loader(self.data, order, workers=1)
            ]
        return np.concatenate(found)

    def outputs(self, vector_nD):
        """Return the outputs of the probes for the test patches, by probe."""
        of = {name: self.split == name for name in ("train", "val", "test")}
        table = Table(
            task="multiclass", num_classes=len(self.classes),
            features={name: vector_nD[chosen] for name, chosen in of.items()},
            labels={name: self.labels[chosen].astype(np.int64) for name, chosen in of.items()},
        )  # fmt: skip
        return {name: probe(table).test.output for name, probe in PROBES.items()}

    def predictions(self, output):
        """Return stored outputs as predictions."""
        truth = self.labels[self.split == "test"].astype(np.int64)
        return Predictions(task="multiclass", truth=truth, output=output)


class Store:
    """Outputs of the probes in a folder, computed once."""

    def __init__(self, folder):
        """Make the folder."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, name, compute):
        """Compute and store arrays by name, unless they are stored; nothing for no arrays."""
        if not self.has(name) and (found := compute()):
            temporary = self.folder / f"{name}.tmp.npz"
            np.savez(temporary, **found)
            temporary.replace(self.folder / f"{name}.npz")
            print(name, flush=True)

    def has(self, name):
        """Return whether arrays are stored."""
        return (self.folder / f"{name}.npz").exists()

    def read(self, name):
        """Return stored arrays."""
        with np.load(self.folder / f"{name}.npz") as stored:
            return dict(stored)


def quality(out):
    """Return scores and paired differences from the unpruned model."""
    patches, store = Patches(), Store(out / "quality")
    for keep, seed, sensor in itertools.product(KEEPS, SEEDS, SENSORS):
        _fill(
            store,
            SmallerModels(out=out, patches=patches, seed=seed, sensor=sensor, keep=keep),
        )
    return summary(patches, store)


def all_patches(out):
    """Compare recovered models with whole ones on several patches of each cell.

    One patch of each cell leaves intervals that are as wide as the loss that they shall exclude.
    """
    patches, store = Patches(per_cell=MANY_PER_CELL), Store(out / "all-patches")
    for seed, sensor in itertools.product(SEEDS, SENSORS):
        made = SmallerModels(out=out, patches=patches, seed=seed, sensor=sensor, keep=MANY_KEEP)
        for name, load in (
            (f"{sensor}-{seed}-whole", lambda made=made: made.model),
            (f"{sensor}-{seed}-{MANY_KEEP}-recovered", made.recovered),
        ):
            store.get(
                name,
                lambda load=load, sensor=sensor: patches.outputs(patches.vectors(load(), sensor)),
            )
    bootstrap = _bootstrap(patches)
    rows = []
    for sensor, probe in itertools.product(SENSORS, PROBES):
        found = [[f"{sensor}-{seed}-{MANY_KEEP}-recovered"] for seed in SEEDS]
        names = [[f"{sensor}-{seed}-whole"] for seed in SEEDS]
        whole = _scored(bootstrap, patches, store, names, probe)
        score, gap = _difference(bootstrap, patches, store, found, whole, probe)
        rows.append({"sensor": sensor, "probe": probe, "score": score, "difference": gap})
    return {"rows": rows, "keep": MANY_KEEP, "per_cell": MANY_PER_CELL, "seeds": len(SEEDS)}


def summary(patches, store):
    """Return the figures of all that is in the store."""
    rows = [row for sensor in SENSORS for row in _rows(store, patches, sensor)]
    counts = {name: int((patches.split == name).sum()) for name in ("train", "val", "test")}
    fewest = int(np.bincount(patches.labels[patches.split == "test"]).min())
    return {"rows": rows, "patches": counts, "blocks": int(_bootstrap(patches).groups.max()) + 1,
            "fewest_test_cells_a_class": fewest,
            "recovery": RECOVER, "calibrated": CALIBRATE}  # fmt: skip


def _fill(store, smaller):
    """Compute what is missing of one pretraining seed, sensor and number of experts."""
    name = f"{smaller.sensor}-{smaller.seed}"
    store.get(f"{name}-whole", lambda: smaller.outputs(lambda: smaller.model))
    ways = {
        "reap": partial(smaller.chosen, "reap"), "recovered": smaller.recovered,
        "greedy": partial(smaller.chosen, "greedy"), "merging": smaller.merging,
        "slimming": smaller.slimming,
        **{f"random-{draw}": partial(smaller.random, draw) for draw in range(RANDOM_DRAWS)},
    }  # fmt: skip
    for way, make in ways.items():
        store.get(f"{name}-{smaller.keep}-{way}", partial(smaller.outputs, make))


def _rows(store, patches, sensor):
    """Return the scores of each way and the differences from the unpruned model."""
    bootstrap, rows = _bootstrap(patches), []
    for probe in PROBES:
        known = [s for s in SEEDS if store.has(f"{sensor}-{s}-whole")]
        names = [[f"{sensor}-{s}-whole"] for s in known]
        whole_m, whole_mR = _scored(bootstrap, patches, store, names, probe)
        rows.append(
            {"sensor": sensor, "probe": probe, "keep": 4, "way": "whole", **_costs(sensor, 4),
             "seeds": len(known), "score": whole_m.mean(), "drift": 0.0}
        )  # fmt: skip
        for keep, way in itertools.product(KEEPS, WAYS):
            tails = [f"random-{d}" for d in range(RANDOM_DRAWS)] if way == "random" else [way]
            seeds = [
                s for s in known if all(store.has(f"{sensor}-{s}-{keep}-{t}") for t in tails)
            ]  # fmt: skip
            if not seeds:
                continue
            of_seeds = np.isin(known, seeds)
            whole = whole_m[of_seeds], whole_mR[of_seeds]
            found = [[f"{sensor}-{s}-{keep}-{t}" for t in tails] for s in seeds]
            value, gap = _difference(bootstrap, patches, store, found, whole, probe)
            drifts = [store.read(name)["drift"] for some in found for name in some]
            rows.append(
                {"sensor": sensor, "probe": probe, "keep": keep, "way": way,
                 **_costs(sensor, keep), "seeds": len(seeds), "score": value,
                 "drift": float(np.mean(drifts)), "difference": gap}
            )  # fmt: skip
    return rows


def _bootstrap(patches):
    """Return draws of the blocks of the test patches."""
    blocks = patches.blocks[patches.split == "test"]
    return Bootstrap.over(len(blocks), blocks, seed=0, num_draws=NUM_DRAWS)


def _difference(bootstrap, patches, store, found, whole, probe):
    """Return the mean score, and the paired difference from the unpruned with its interval."""
    of = _scored(bootstrap, patches, store, found, probe)
    return of[0].mean(), difference(of, whole)


@cache
def _costs(sensor, keep):
    config = CSMoE.from_pretrained(pretrained("seed-0")).config
    whole = encoder_cost(config, sensors=(sensor,))
    cost = encoder_cost(with_kept(config, sensor, keep), sensors=(sensor,))
    return {"macs": cost.macs_full / whole.macs_full,
            "params": cost.params_trainable / whole.params_trainable}  # fmt: skip


def _scored(bootstrap, patches, store, found, probe):
    """Return the score of each seed [m], and in each draw [m, R], the mean over its models."""
    runs = [[patches.predictions(store.read(name)[probe]) for name in some] for some in found]
    values = [np.mean([score(run)[HEADLINE] for run in some]) for some in runs]
    return np.array(values), np.stack([bootstrap.draws(some)[HEADLINE] for some in runs])
