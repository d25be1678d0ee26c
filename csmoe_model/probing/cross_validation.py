"""Logistic probe whose regularisation strength is chosen by cross-validation on few labels.

The probe of `heads.py` chooses the strength on the whole validation split. With ten labels a class
for training, that may be hundreds of labels more. This one uses the training labels alone.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from csmoe_model.datasets.base import Labels
from csmoe_model.evaluation.metrics import HEADLINE, score
from csmoe_model.probing.heads import (
    FloatArray,
    Table,
    TrainedProbe,
    probabilities,
    regression_path,
)

NAME = "logistic, cross-validated"
"""Name of the probe in results."""
MAX_FOLDS = 5
"""Folds; fewer where a class has fewer training samples."""


def num_folds(labels: Labels) -> int:
    """Return the number of folds in which each class of some labels [n] has a sample."""
    _, counts = np.unique(labels, return_counts=True)
    return min(MAX_FOLDS, int(counts.min()))


def cross_validated_probe(table: Table, *, seed: int) -> TrainedProbe:
    """Fit a logistic regression with the strength of the best score over held-out folds of `train`.

    The samples of each class are dealt at random to the folds. The features of a fold are
    standardised over the other folds. One score is computed over the held-out predictions of all
    folds. If strengths have equal scores, the strongest penalty is chosen. The regression is then
    fitted to the whole of `train`; `val` is not read.

    Args:
        table: Features and labels of a multiclass set; each class of `train` has at least two
            samples.
        seed: Random seed of the folds.
    """
    strength, value = _best_strength(table, stratified_folds(table.labels["train"], seed=seed))
    data = table.standardised()
    regressions = next(fitted for one, fitted in regression_path(data) if one == strength)
    return TrainedProbe(
        test=data.predicted("test", probabilities(regressions, data, "test")),
        settings={"C": strength, "cross-validated": round(value, 6)},
    )


def stratified_folds(labels: Labels, *, seed: int) -> NDArray[np.int64]:
    """Return the fold of each sample [n]: those of a class are dealt in a random order."""
    order, count = np.random.default_rng(seed).permutation(len(labels)), num_folds(labels)
    fold = np.empty(len(labels), np.int64)
    for k in np.unique(labels):
        members = order[labels[order] == k]
        fold[members] = np.arange(len(members)) % count
    return fold


def _best_strength(table: Table, fold: NDArray[np.int64]) -> tuple[float, float]:
    """Return the strength with the best score over held-out predictions, and this score."""
    features, labels = table.features["train"], table.labels["train"]
    outputs: dict[float, FloatArray] = {}
    for number in range(int(fold.max()) + 1):
        out, kept = fold == number, fold != number
        part = replace(
            table, features={"train": features[kept], "val": features[out]},
            labels={"train": labels[kept], "val": labels[out]},
        ).standardised()  # fmt: skip
        for strength, regressions in regression_path(part):
            output = outputs.setdefault(strength, np.empty((len(labels), table.num_classes)))
            output[out] = probabilities(regressions, part, "val")
    scores = {
        strength: score(table.predicted("train", output))[HEADLINE[table.task]]
        for strength, output in outputs.items()
    }
    best = max(scores.values())
    return next((one, value) for one, value in sorted(scores.items()) if value > best - 1e-12)
