"""How good predictions are, and how sure of it one can be.

Every score takes weights of the samples, so that a bootstrap draws numbers, not rows.

Axes, as name suffixes:
    n  samples    K  classes    G  groups    R  draws of the bootstrap
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from csmoe_model.datasets.base import Labels, Task

FloatArray = NDArray[np.float64]
Scores = dict[str, float]

HEADLINE: dict[Task, str] = {
    "multiclass": "average_accuracy",
    "multilabel": "micro_map",
    "segmentation": "miou",
}
"""The score of each task that the paper reports, and by which a strength is chosen."""
NUM_DRAWS = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class Predicted:
    """What a probe says of test samples.

    `output` is [n, K]: of `multilabel` and `multiclass` how likely each class is; of
    `segmentation` each sample's confusion, [n, K, K] (row: truth, column: prediction).
    """

    task: Task
    truth: Labels
    output: FloatArray


Scorer = Callable[[FloatArray], Scores]
"""Scores by how often each sample counts, [n]."""


def score(predicted: Predicted) -> Scores:
    """Compute the scores of a task, every sample once; each is between 0 and 1."""
    return scorer(predicted)(np.ones(len(predicted.output)))


def scorer(predicted: Predicted) -> Scorer:
    """Prepare to score the same predictions many times, with other weights."""
    truth, output = predicted.truth, predicted.output
    if predicted.task == "multilabel":
        precision = average_precision(truth.ravel(), output.ravel())
        return partial(_multilabel, truth, output > 0.5, precision)
    if predicted.task == "segmentation":
        return lambda weight_n: _segmentation(np.tensordot(weight_n, output, axes=1))
    num_classes = output.shape[1]
    pairs = truth * num_classes + output.argmax(1)

    def multiclass(weight_n: FloatArray) -> Scores:
        flat = np.bincount(pairs, weight_n, minlength=num_classes**2).astype(np.float64)
        return _multiclass(flat.reshape(num_classes, num_classes))

    return multiclass


def confusions(
    truth_nHW: NDArray[np.int64], predicted_nHW: NDArray[np.int64], num_classes: int
) -> FloatArray:
    """Count pixels by truth and prediction, [n, K, K]; labels outside 0…K−1 are left out."""
    out = np.zeros((len(truth_nHW), num_classes, num_classes))
    for one, truth, predicted in zip(out, truth_nHW, predicted_nHW, strict=True):
        known = (truth >= 0) & (truth < num_classes)
        pairs = truth[known] * num_classes + predicted[known]
        one[:] = np.bincount(pairs, minlength=num_classes**2).reshape(one.shape)
    return out


def _multiclass(confusion_KK: FloatArray) -> Scores:
    hit_K, true_K, said_K = np.diag(confusion_KK), confusion_KK.sum(1), confusion_KK.sum(0)
    there = true_K > 0
    recall_K = hit_K[there] / true_K[there]
    known = (true_K + said_K) > 0
    f1_K = 2 * hit_K[known] / (true_K + said_K)[known]
    return {
        "average_accuracy": float(recall_K.mean()),
        "overall_accuracy": float(hit_K.sum() / confusion_KK.sum()),
        "macro_f1": float(f1_K.mean()),
    }


def _multilabel(
    truth_nK: Labels, said_nK: Labels, precision: Callable[[FloatArray], float],
    weight_n: FloatArray,
) -> Scores:  # fmt: skip
    hit_K = weight_n @ (truth_nK & said_nK)
    both_K = weight_n @ truth_nK + weight_n @ said_nK
    known = both_K > 0
    return {
        "micro_map": precision(np.repeat(weight_n, truth_nK.shape[1])),
        "micro_f1": float(2 * hit_K.sum() / max(both_K.sum(), 1e-12)),
        "macro_f1": float(np.mean(2 * hit_K[known] / both_K[known])) if known.any() else 0.0,
    }


def _segmentation(confusion_KK: FloatArray) -> Scores:
    hit_K = np.diag(confusion_KK)
    union_K = confusion_KK.sum(0) + confusion_KK.sum(1) - hit_K
    known = union_K > 0
    return {
        "miou": float((hit_K[known] / union_K[known]).mean()),
        "overall_accuracy": float(hit_K.sum() / confusion_KK.sum()),
    }


def average_precision(
    truth: NDArray[np.bool_], likely: FloatArray
) -> Callable[[FloatArray], float]:
    """Prepare the area under the precision-recall steps, by weights; equal scores are one step."""
    order = np.argsort(-likely, kind="stable")
    sorted_truth = truth[order]
    ends = np.append(np.flatnonzero(np.diff(likely[order])), len(order) - 1)

    def area(weights: FloatArray) -> float:
        weight = weights[order]
        hits, said = np.cumsum(weight * sorted_truth)[ends], np.cumsum(weight)[ends]
        if hits[-1] == 0:
            return 0.0
        gained = np.diff(hits, prepend=0.0)
        return float((gained * hits / np.maximum(said, 1e-12)).sum() / hits[-1])

    return area


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A score with the bounds between which 95 % of its bootstrap draws lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Bootstrap:
    """Weights [R, n] of a bootstrap: whole groups are drawn, with replacement.

    Samples of a group are alike: drawing them one by one would make an interval too narrow.
    The same draws serve all predictions, so that their differences are paired.
    """

    seed: int
    groups: NDArray[np.int64]
    """[n] number of each sample's group."""
    num_draws: int = NUM_DRAWS

    @classmethod
    def over(
        cls, num_samples: int, groups: NDArray[np.str_] | None, *, seed: int,
        num_draws: int = NUM_DRAWS,
    ) -> "Bootstrap":  # fmt: skip
        """Prepare draws of groups; of single samples where there are none."""
        numbers = (
            np.arange(num_samples) if groups is None else np.unique(groups, return_inverse=True)[1]
        )
        return cls(seed=seed, groups=numbers.astype(np.int64), num_draws=num_draws)

    def draws(self, runs: Sequence[Predicted]) -> dict[str, FloatArray]:
        """Compute each score [R] of every draw, the mean over the runs (seeds)."""
        return self.draws_of([scorer(run) for run in runs])

    def draws_of(self, scorers: Sequence[Scorer]) -> dict[str, FloatArray]:
        """Compute each score [R] of every draw, the mean over what is scored."""
        rng = np.random.default_rng(self.seed)
        num_groups = int(self.groups.max()) + 1
        share = np.full(num_groups, 1 / num_groups)
        found: dict[str, list[float]] = {}
        for _ in range(self.num_draws):
            weight_n = rng.multinomial(num_groups, share)[self.groups].astype(np.float64)
            for name, value in _mean([one(weight_n) for one in scorers]).items():
                found.setdefault(name, []).append(value)
        return {name: np.array(values) for name, values in found.items()}


def mean_score(runs: Sequence[Predicted]) -> Scores:
    """Give each score as the mean over runs with different seeds."""
    return _mean([score(run) for run in runs])


def _mean(scores: Sequence[Scores]) -> Scores:
    return {name: float(np.mean([one[name] for one in scores])) for name in scores[0]}


def interval(value: float, draw_R: FloatArray) -> Interval:
    """Put the percentiles 2.5 and 97.5 of the draws around a value."""
    low, high = np.percentile(draw_R, (2.5, 97.5))
    return Interval(value=value, low=float(low), high=float(high))
