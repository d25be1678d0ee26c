"""The closed-form probe of `benchmarks/ensembles.py`."""

from dataclasses import asdict

import numpy as np

from csmoe_model.ensembles.ridge import STRENGTHS, class_targets
from csmoe_model.evaluation.bootstrap import interval, mean_score
from csmoe_model.evaluation.metrics import Predictions, score

SCORE = "average_accuracy"


def probe(members, names, data):
    """Return the predictions of a ridge classifier for the test split.

    The penalty is chosen on `val`.

    Args:
        members: Standardised vectors of each split, and the cost, by name.
        names: Members whose vectors are concatenated.
        data: The labelled set.
    """
    x = {
        split: np.concatenate([members[name][0][split] for name in names], axis=1).astype(float)
        for split in ("train", "val", "test")
    }
    labels = {split: data.split(split).labels for split in x}
    target = class_targets(labels["train"], data.task, len(data.classes))
    gram, cross = x["train"].T @ x["train"], x["train"].T @ target
    best = None
    for strength in STRENGTHS:
        penalty = strength * len(target) * np.eye(len(gram))
        coefficient = np.linalg.solve(gram + penalty, cross)
        found = score(predicted(labels["val"], x["val"] @ coefficient))[SCORE]
        if best is None or found > best[0]:
            best = found, coefficient
    return predicted(labels["test"], x["test"] @ best[1])


def predicted(truth, output):
    """Return the outputs as predictions of a multiclass set."""
    return Predictions(task="multiclass", truth=truth, output=output)


def scored(runs, bootstrap):
    """Return the score of each row with its interval, and its bootstrap draws."""
    draws = {name: bootstrap.draws(of)[SCORE] for name, of in runs.items()}
    rows = {name: asdict(interval(mean_score(of)[SCORE], draws[name])) for name, of in runs.items()}
    return rows, draws
