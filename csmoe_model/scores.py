"""How good predictions are, and how sure of it one can be.

Every score takes weights of the samples, so that a bootstrap draws numbers, not rows.

Axes, as name suffixes:
    n  samples    K  classes    G  groups    R  draws of the bootstrap
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from csmoe_model.labelled import Labels, Task

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


def score(predicted: Predicted, weight_n: FloatArray | None = None) -> Scores:
    """Compute the scores of a task; each is between 0 and 1.

    Args:
        predicted: Truth and output.
        weight_n: How often each sample counts; once when None.
    """
    weights = np.ones(len(predicted.output)) if weight_n is None else weight_n
    if predicted.task == "multilabel":
        return _multilabel(predicted.truth, predicted.output, weights)
    if predicted.task == "segmentation":
        return _segmentation(np.tensordot(weights, predicted.output, axes=1))
    num_classes = predicted.output.shape[1]
    pairs = predicted.truth * num_classes + predicted.output.argmax(1)
    flat = np.bincount(pairs, weights, minlength=num_classes**2)
    return _multiclass(flat.reshape(num_classes, num_classes))


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


def _multilabel(truth_nK: Labels, likely_nK: FloatArray, weight_n: FloatArray) -> Scores:
    said = likely_nK > 0.5
    hit_K = weight_n @ (truth_nK & said)
    both_K = weight_n @ truth_nK + weight_n @ said
    known = both_K > 0
    weights = np.repeat(weight_n, truth_nK.shape[1])
    return {
        "micro_map": average_precision(truth_nK.ravel(), likely_nK.ravel(), weights),
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


def average_precision(truth: NDArray[np.bool_], likely: FloatArray, weights: FloatArray) -> float:
    """Give the area under the precision-recall steps; equal scores are one step."""
    order = np.argsort(-likely, kind="stable")
    hits = np.cumsum((weights * truth)[order])
    said = np.cumsum(weights[order])
    ends = np.append(np.flatnonzero(np.diff(likely[order])), len(order) - 1)
    ends = ends[said[ends] > 0]
    if not len(ends) or hits[-1] == 0:
        return 0.0
    gained = np.diff(hits[ends], prepend=0.0)
    return float((gained * hits[ends] / said[ends]).sum() / hits[-1])


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
        """Compute each score [R] of every draw, the mean over the runs (seeds).

        A score whose draw holds no sample is left at what the whole set gives; a draw has
        always as many groups as the set.
        """
        rng = np.random.default_rng(self.seed)
        num_groups = int(self.groups.max()) + 1
        share = np.full(num_groups, 1 / num_groups)
        found: dict[str, list[float]] = {}
        for _ in range(self.num_draws):
            weight_n = rng.multinomial(num_groups, share)[self.groups].astype(np.float64)
            for name, value in mean_score(runs, weight_n).items():
                found.setdefault(name, []).append(value)
        return {name: np.array(values) for name, values in found.items()}


def mean_score(runs: Sequence[Predicted], weight_n: FloatArray | None = None) -> Scores:
    """Give each score as the mean over runs with different seeds."""
    scores = [score(run, weight_n) for run in runs]
    return {name: float(np.mean([one[name] for one in scores])) for name in scores[0]}


def interval(value: float, draw_R: FloatArray) -> Interval:
    """Put the percentiles 2.5 and 97.5 of the draws around a value."""
    low, high = np.percentile(draw_R, (2.5, 97.5))
    return Interval(value=value, low=float(low), high=float(high))
