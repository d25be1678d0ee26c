"""Measure whether experts differ: routing, exchanged experts and dropped ones, on held-out cells.

    python benchmarks/experts.py OUT [--write]

It compares the pretrained models of `_planet_models.py` with the same network at random weights,
three seeds each. The test cells of the planet are more than 100 km from all training cells.

- Information of the land cover of a patch about its experts, beyond chance (bits).
- Reconstruction loss of a cell, both sensors from both, if each slot is computed by the next expert
  (`rolled`), by all experts, whose outputs are averaged (`averaged`), or if one expert is dropped.

Finished models are kept in OUT. `--write` writes benchmarks/results/experts.json;
benchmarks/_tables.py makes the tables of docs/evidence.md.

Axes, as name suffixes:
    n  cells    E  experts of a layer    K  land covers    B S D  images, slots of an expert, width
"""

import argparse
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from _arms import outputs_of_missing, scored_by, store_of
from _pair_errors import pair_errors
from _paired import interval_of
from _planet_models import pretrained
from _pruning_quality import HEADLINE, Patches
from _results import store

from csmoe_model.analysis.expert_usage import chance_information, information, measure_usage
from csmoe_model.csmoe import CSMoE
from csmoe_model.extractors.checkpoint import load_encoder
from csmoe_model.nn.soft_moe import SoftMoE
from csmoe_model.pruning.slicing import keep_experts

SEEDS = (0, 1, 2)
KINDS = ("trained", "random")


class Shifted(torch.nn.Module):
    """Experts whose slots are computed by other ones: the mean over some shifts of the experts."""

    def __init__(self, experts, shifts):
        """Store the experts and the shifts."""
        super().__init__()
        self.experts, self.shifts = experts, shifts

    def forward(self, slots_BSED):
        """Compute the slots of expert e with expert e + shift, and average over the shifts."""
        found = [
            self.experts(slots_BSED.roll(shift, 2)).roll(-shift, 2) for shift in self.shifts
        ]  # fmt: skip
        return torch.stack(found).mean(0)


def shifted(model, shifts):
    """Return a copy of a model whose slots are computed by other experts."""
    changed = deepcopy(model)
    for module in changed.modules():
        if isinstance(module, SoftMoE):
            module.experts = Shifted(module.experts, shifts)
    return changed


def variants(model):
    """Return the whole model and the changed ones, by name; `LAYER/EXPERT` without an expert."""
    config = model.config
    found = {
        "whole": model, "rolled": shifted(model, (1,)),
        "averaged": shifted(model, tuple(range(config.num_experts))),
    }  # fmt: skip
    for layer in config.layers():
        for expert in config.experts_of(layer):
            others = tuple(one for one in config.experts_of(layer) if one != expert)
            found[f"{layer}/{expert}"] = keep_experts(model, {layer: others})
    return found


def measured(name, patches):
    """Return the loss of each test cell by each variant of a model, and its information."""
    kind, _, seed = name.partition("-")
    trained = load_encoder(pretrained(f"seed-{seed}"))
    model = trained.model
    if kind == "random":
        torch.manual_seed(int(seed))
        model = CSMoE(model.config).eval()
        model.origin, model.preprocess = trained.model.origin, trained.model.preprocess
    test = patches.numbers[patches.split == "test"]
    models = variants(model)
    statistics = trained.model.origin.statistics
    errors = pair_errors(list(models.values()), patches.data, test, statistics)
    found = {
        f"loss {variant}": sum(of_variant.values())
        for variant, of_variant in zip(models, errors, strict=True)
    }
    usage = measure_usage(replace(trained, model=model), patches.data, test, workers=1)
    groups = patches.classes[patches.labels[patches.split == "test"]].tolist()
    cells = patches.cells[patches.split == "test"].tolist()
    for number, layer in enumerate(usage.layers):
        share_KE = usage.share_KLE[:, number]
        chance = chance_information(share_KE, groups, cells, seed=0)
        found[f"bits {layer.name} {layer.sensor}"] = np.array(
            information(share_KE, groups) - chance
        )
    return found


def change(loss_n, whole_n):
    """Return a function that computes the relative change of the mean loss."""
    return lambda weight_n: {HEADLINE: float(weight_n @ (loss_n - whole_n) / (weight_n @ whole_n))}


def explained_by_class(change_nE, class_n):
    """Return a function that computes how much of the difference between experts classes explain.

    The relative change of a cell's loss without an expert, minus the mean over the experts, is
    what makes an expert special for this cell. The result is the share of its variance that lies
    between the classes, adjusted for chance: 0 where a class says nothing, at most 1.
    """
    centred_nE = change_nE - change_nE.mean(1, keepdims=True)
    member_nK = (class_n[:, None] == np.unique(class_n)).astype(np.float64)

    def score(weight_n):
        size_K = weight_n @ member_nK
        mean_KE = (member_nK * weight_n[:, None]).T @ centred_nE / np.maximum(size_K, 1e-9)[:, None]
        overall_E = np.average(centred_nE, axis=0, weights=weight_n)
        whole = float((weight_n @ np.square(centred_nE - overall_E)).sum())
        within = float((weight_n @ np.square(centred_nE - member_nK @ mean_KE)).sum())
        count = weight_n.sum() ** 2 / np.square(weight_n).sum()  # of equally weighted cells
        inflation = (count - 1) / (count - int((size_K > 0).sum()))
        return {HEADLINE: 1 - within / whole * inflation}

    return score


class Kind:
    """Figures of one kind of weights, with intervals over blocks of the test cells and seeds."""

    def __init__(self, runs, patches):
        """Take the arrays of each seed."""
        test = patches.split == "test"
        self.runs, self.classes = runs, patches.classes
        self.blocks, self.labels = patches.blocks[test], patches.labels[test]
        self.dropped = {}
        for name in (name for name in runs[0] if "/" in name):
            layer = name.removeprefix("loss ").partition("/")[0]
            self.dropped.setdefault(layer, []).append(name)

    def changed(self, names, rows=slice(None)):
        """Return the relative change of the loss, the mean over some variants."""
        scorers = [
            change(np.mean([run[name][rows] for name in names], axis=0), run["loss whole"][rows])
            for run in self.runs
        ]
        return interval_of(*scored_by(self.blocks[rows], scorers))

    def layer(self, names):
        """Return the figures of a layer without one of its experts."""
        by_class = [explained_by_class(relative(run, names), self.labels) for run in self.runs]
        return {
            "dropped": self.changed(names),
            "largest": [
                max(float(run[name].mean() / run["loss whole"].mean() - 1) for name in names)
                for run in self.runs
            ],
            "by_class": interval_of(*scored_by(self.blocks, by_class)),
        }

    def figures(self):
        """Return all figures."""
        every = [name for names in self.dropped.values() for name in names]
        bits = [name for name in self.runs[0] if name.startswith("bits ")]
        return {
            "loss": [float(run["loss whole"].mean()) for run in self.runs],
            "rolled": self.changed(["loss rolled"]), "averaged": self.changed(["loss averaged"]),
            "bits": {
                name.removeprefix("bits "): [float(run[name]) for run in self.runs]
                for name in bits
            },
            "layers": {layer: self.layer(names) for layer, names in self.dropped.items()},
            "classes": {
                str(self.classes[code]): self.changed(every, self.labels == code)
                for code in np.unique(self.labels)
            },
        }  # fmt: skip


def summary(stored, patches):
    """Return the figures of each kind of weights."""
    blocks = patches.blocks[patches.split == "test"]
    found = {
        kind: Kind([stored.read(f"{kind}-{seed}") for seed in SEEDS], patches).figures()
        for kind in KINDS
    }
    return {"cells": len(blocks), "blocks": len(np.unique(blocks)), "seeds": SEEDS} | found


def relative(run, names):
    """Return the relative change of the loss of each cell without each expert, [n, E]."""
    return np.stack([run[name] / run["loss whole"] - 1 for name in names], axis=1)


def main():
    """Measure what is missing; print or write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--write", action="store_true", help="write the results")
    options = parser.parse_args()
    patches = Patches()
    names = [f"{kind}-{seed}" for seed in SEEDS for kind in KINDS]
    outputs_of_missing(options.out, names, lambda name: measured(name, patches))
    found = summary(store_of(options.out), patches)
    for kind in KINDS:
        print(kind, {key: found[kind][key] for key in ("loss", "rolled", "averaged")})
    if options.write:
        store("experts", found)


if __name__ == "__main__":
    main()
