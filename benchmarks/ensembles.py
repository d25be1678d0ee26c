"""Train specialists on the synthetic planet, select ensembles, and test land cover far away.

    python benchmarks/ensembles.py out/ [--seeds 0,1,2] [--images 1500] [--cells 100]

Specialists of other tasks than land cover, weight-free features and the pretrained models of
`benchmarks/evaluate.py` are scored by one closed-form ridge probe on test cells that are more than
100 km from all training cells. Existing outputs in `out/` are kept, so that an interrupted
benchmark resumes. The specialists are small and short-trained, so that a CPU suffices.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from _ensemble_probe import probe, scored
from _ensemble_sets import IMAGE_PX, Patches, land_cover, task
from _learned_gate import top_members
from _planet_models import pretrained, shards
from _results import store

from csmoe_model.ensembles.ridge import HeldOutRidge, class_targets, group_folds
from csmoe_model.ensembles.selection import select_members
from csmoe_model.evaluation.bootstrap import Bootstrap, interval
from csmoe_model.extractors.load import load_extractor
from csmoe_model.extractors.map_images import encode_set
from csmoe_model.extractors.random_convolutions import RandomConvolutions
from csmoe_model.extractors.vector_statistics import VectorStatistics
from csmoe_model.specialists import train

SPECIALISTS = {
    "s2-climate": ("climate", "s2"),
    "s2-latitude": ("latitude", "s2"),
    "s1-climate": ("climate", "s1"),
    "s1-greenness": ("greenness", "s1"),
}
REGIONS = ("west", "east", "all")
TRAINING = {"image_size": IMAGE_PX, "epochs": 8, "batch_size": 32, "lr": 2e-3, "patience": 0}
FREE = ("band-statistics", "random-convolutions")
FILTERS = 64
"""Random filters a sensor."""
FOLD_SEEDS, RANDOM_SETS = 5, 5
SPLITS = ("train", "val", "test")


def specialist(out, patches, name, sensor, seed, *, images):
    """Train a specialist, or resume it; return its folder."""
    folder = out / f"{sensor}-{name}-{seed}"
    train(
        data=task(patches, name, images=images), root=None, out=folder, sensor=sensor, seed=seed,
        **TRAINING, resume=folder.exists() and not (folder / "model").exists(), save_every=100,
    )  # fmt: skip
    print("trained", folder.name, flush=True)
    return folder


def encoded(out, data, name, extractor):
    """Return the standardised vectors of each split, and the cost of an image."""
    file = out / "features" / f"{name}.npz"
    sensors = tuple(sensor for sensor in extractor.sensors if sensor in data.sensors)
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        raw = {
            split: encode_set(extractor, data.split(split), sensors=sensors, bands=data.bands)
            for split in SPLITS
        }
        np.savez(file, **raw)
        print("encoded", name, flush=True)
    raw = np.load(file)
    statistics = VectorStatistics.of(raw["train"])
    found = {s: statistics.apply(torch.from_numpy(raw[s])).numpy() for s in SPLITS}
    return found, extractor.cost_of(dict.fromkeys(sensors, (120, 120)))


def pool_of(out, patches, data, seed, *, images):
    """Return the members of a seed by name: vectors and costs."""
    found = {}
    for name, (label, sensor) in SPECIALISTS.items():
        folder = specialist(out, patches, label, sensor, seed, images=images)
        found[name] = encoded(out, data, folder.name, load_extractor(folder))
    for region in REGIONS:
        folder = specialist(out, patches, region, "s2", seed, images=images)
        found[region] = encoded(out, data, folder.name, load_extractor(folder))
    found["band-statistics"] = encoded(
        out, data, "band-statistics", load_extractor("band-statistics")
    )
    filters = RandomConvolutions.unfitted(num_filters=FILTERS).fitted(
        data.split("train"), sensors=("s2", "s1"), bands=data.bands, seed=0
    )
    found["random-convolutions"] = encoded(out, data, "random-convolutions", filters)
    found["csmoe"] = encoded(out, data, f"csmoe-{seed}", load_extractor(pretrained(f"seed-{seed}")))
    return found


def planted(pool, seed):
    """Return useless members, and a duplicate, by name."""
    rng, real = np.random.default_rng([seed, 1]), pool["s2-climate"][0]
    width = real["train"].shape[1]
    made = {
        "noise": {s: rng.normal(size=real[s].shape) / width**0.5 for s in SPLITS},
        "constant": {s: np.zeros((len(real[s]), 40)) for s in SPLITS},
        "scrambled": {s: rng.permutation(real[s]) for s in SPLITS},
        "exact duplicate": real,
        "duplicate of the filters": pool["random-convolutions"][0],
    }
    cost = pool["s2-climate"][1]
    return {
        name: ({s: x.astype(np.float32) for s, x in parts.items()}, cost)
        for name, parts in made.items()
    }


def selected(pool, data, *, fold_seed=0, budget=None):
    """Return the names of the selected members, and the steps."""
    train_split, names = data.split("train"), list(pool)
    groups = np.unique(train_split.groups, return_inverse=True)[1]
    ridge = HeldOutRidge(
        [pool[name][0]["train"] for name in names],
        class_targets(train_split.labels, data.task, len(data.classes)),
        group_folds(groups, seed=fold_seed),
    )
    costs = [pool[name][1].multiply_adds for name in names]
    steps = select_members(ridge, groups, costs, budget=budget)
    return [names[step.candidate] for step in steps if step.chosen], steps


def rejected_kinds(chosen):
    """Return which planted members were rejected; a duplicate is one of two equal members."""
    return {
        "noise": "noise" not in chosen,
        "constant": "constant" not in chosen,
        "scrambled": "scrambled" not in chosen,
        "exact duplicate": not {"exact duplicate", "s2-climate"} <= set(chosen),
        "duplicate of the filters":
            not {"duplicate of the filters", "random-convolutions"} <= set(chosen),
    }  # fmt: skip


def of_seed(out, patches, data, seed, *, images):
    """Return the predictions of each row for a seed, and what was selected."""
    whole = pool_of(out, patches, data, seed, images=images)
    real = {name: whole[name] for name in (*SPECIALISTS, *FREE)}
    useless = planted(whole, seed)
    chosen, steps = selected(real, data)
    gate = top_members(
        [real[name][0]["train"] for name in real], data.split("train").labels,
        len(data.classes), len(chosen), seed=seed,
    )  # fmt: skip
    sets = {
        **{name: [name] for name in real},
        "weight-free pool": list(FREE), "greedy": chosen, "all real members": list(real),
        "all and the planted": [*real, *useless],
        "learned gate, top k": [list(real)[k] for k in gate],
        "csmoe": ["csmoe"], "csmoe and greedy": ["csmoe", *chosen],
        "csmoe and weight-free": ["csmoe", *FREE],
        "west and east": ["west", "east"], "trained on all": ["all"],
    }  # fmt: skip
    members, rng = {**whole, **useless}, np.random.default_rng([seed, 2])
    runs = {name: [probe(members, names, data)] for name, names in sets.items()}
    runs["random sets"] = [
        probe(members, rng.permutation(list(real))[: len(chosen)].tolist(), data)
        for _ in range(RANDOM_SETS)
    ]
    info = {
        "chosen": chosen, "gate": sets["learned gate, top k"], "budgets": budgets(real, data),
        "rejected": [
            rejected_kinds(selected({**real, **useless}, data, fold_seed=fold)[0])
            for fold in range(FOLD_SEEDS)
        ],
        "steps": [{**asdict(step), "candidate": list(real)[step.candidate]} for step in steps],
        "costs": {name: asdict(whole[name][1]) for name in whole},
    }  # fmt: skip
    return runs, info


def budgets(real, data):
    """Return the members and the cost of an ensemble for some budgets."""
    costs = sorted({cost.multiply_adds for _, cost in real.values()})
    found = {}
    for budget in (costs[1], costs[-1], sum(costs) // 2):
        names, _ = selected(real, data, budget=budget)
        spent = sum(real[name][1].multiply_adds for name in names)
        assert spent <= budget
        found[budget] = {"members": names, "multiply_adds": spent}
    return found


def differences(draws, values):
    """Return the differences that the requirements name, with intervals."""
    best = max((*SPECIALISTS, *FREE), key=lambda name: values[name])
    pairs = [
        ("greedy", best), ("greedy", "random sets"), ("greedy", "weight-free pool"),
        ("greedy", "learned gate, top k"), ("greedy", "all and the planted"),
        ("west and east", "trained on all"), ("csmoe and greedy", "csmoe"),
        ("csmoe and greedy", "csmoe and weight-free"),
    ]  # fmt: skip
    return [
        {"of": one, "minus": two} | asdict(
            interval(values[one] - values[two], draws[one] - draws[two])
        )
        for one, two in pairs
    ]  # fmt: skip


def main():
    """Store and print the scores and the differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--images", type=int, default=1500, help="training images of a specialist")
    parser.add_argument("--cells", type=int, default=100, help="cells of each land cover and split")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    data = land_cover(shards("probing"), cells=options.cells)
    patches = Patches(options.out, shards("pretraining"))
    found = [
        of_seed(options.out, patches, data, int(seed), images=options.images)
        for seed in options.seeds.split(",")
    ]
    test = data.split("test")
    bootstrap = Bootstrap.over(len(test), test.independent, seed=0)
    runs = {name: [run for one, _ in found for run in one[name]] for name in found[0][0]}
    rows, draws = scored(runs, bootstrap)
    values = {name: row["value"] for name, row in rows.items()}
    record = {
        "seeds": options.seeds,
        "images": options.images, "cells": options.cells, "training": TRAINING,
        "test_cells": len(np.unique(test.groups)), "blocks": len(np.unique(test.independent)),
        "scores": rows,
        "differences": differences(draws, values), "selections": [info for _, info in found],
    }  # fmt: skip
    store("ensembles", record)
    print(json.dumps({key: record[key] for key in ("scores", "differences")}, indent=1))


if __name__ == "__main__":
    main()
