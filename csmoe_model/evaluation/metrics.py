"""Scores of predictions: multiclass, multilabel and segmentation.

Every score takes sample weights, so that a bootstrap draws weights and copies no rows.

Axes, as name suffixes:
    n  samples    K  classes
"""

from collections.abc import Callable
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
"""Score of each task that the paper reports, also used to choose the regularisation strength."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Predictions of a probe for the samples of a split.

    `output` is the probability or vote of each class [n, K] (multiclass, multilabel), or the
    confusion matrix of each sample [n, K, K] (segmentation; rows are the truth).
    """

    task: Task
    truth: Labels
    output: FloatArray


Scorer = Callable[[FloatArray], Scores]
"""Computes the scores for sample weights [n]."""


def score(predicted: Predictions) -> Scores:
    """Compute the scores of a task with equal weights; each is between 0 and 1."""
    return scorer(predicted)(np.ones(len(predicted.output)))


def scorer(predicted: Predictions) -> Scorer:
    """Return a function that scores the predictions for any sample weights."""
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


def confusion_matrices(
    truth_nHW: NDArray[np.int64], predicted_nHW: NDArray[np.int64], num_classes: int
) -> FloatArray:
    """Count the pixels of each image by truth and prediction, [n, K, K].

    Labels outside 0…K−1 are ignored.
    """
    out = np.zeros((len(truth_nHW), num_classes, num_classes))
    for one, truth, predicted in zip(out, truth_nHW, predicted_nHW, strict=True):
        known = (truth >= 0) & (truth < num_classes)
        pairs = truth[known] * num_classes + predicted[known]
        one[:] = np.bincount(pairs, minlength=num_classes**2).reshape(one.shape)
    return out


def _multiclass(confusion_KK: FloatArray) -> Scores:
    hit_K, true_K, predicted_K = np.diag(confusion_KK), confusion_KK.sum(1), confusion_KK.sum(0)
    present = true_K > 0
    recall_K = hit_K[present] / true_K[present]
    known = (true_K + predicted_K) > 0
    f1_K = 2 * hit_K[known] / (true_K + predicted_K)[known]
    return {
        "average_accuracy": float(recall_K.mean()),
        "overall_accuracy": float(hit_K.sum() / confusion_KK.sum()),
        "macro_f1": float(f1_K.mean()),
    }


def _multilabel(
    truth_nK: Labels, predicted_nK: Labels, precision: Callable[[FloatArray], float],
    weight_n: FloatArray,
) -> Scores:  # fmt: skip
    hit_K = weight_n @ (truth_nK & predicted_nK)
    both_K = weight_n @ truth_nK + weight_n @ predicted_nK
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
    truth: NDArray[np.bool_], probability: FloatArray
) -> Callable[[FloatArray], float]:
    """Return a function that computes the average precision for any weights.

    It is the area under the steps of the precision-recall curve. Equal probabilities are one step.
    """
    order = np.argsort(-probability, kind="stable")
    sorted_truth = truth[order]
    ends = np.append(np.flatnonzero(np.diff(probability[order])), len(order) - 1)

    def area(weights: FloatArray) -> float:
        weight = weights[order]
        hits, positives = np.cumsum(weight * sorted_truth)[ends], np.cumsum(weight)[ends]
        if hits[-1] == 0:
            return 0.0
        gained = np.diff(hits, prepend=0.0)
        return float((gained * hits / np.maximum(positives, 1e-12)).sum() / hits[-1])

    return area
