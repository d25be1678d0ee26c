"""Precision, recall and F1 of retrieved images by common labels, defined as for CSMAE.

For a query with the labels Q and a retrieved image with the labels R, precision is |Q ∩ R| / |R|
and recall |Q ∩ R| / |Q|; both are averaged over the k retrieved images and then over the queries,
and F1 is the harmonic mean of the two averages (Hackstein et al. 2025,
https://arxiv.org/abs/2401.07782).

Axes, as name suffixes:
    q  queries    n  images of the archive    k  retrieved of each query    K  classes
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from csmoe_model.datasets.base import Labels, Task
from csmoe_model.evaluation.metrics import FloatArray, Scores

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Retrieved:
    """Precision and recall of each query."""

    precision_q: FloatArray
    """Mean over the retrieved images."""
    recall_q: FloatArray
    """Mean over the retrieved images."""

    def score(self, weight_q: FloatArray | None = None) -> Scores:
        """Return the averages over the queries, weighted where weights are given."""
        precision = float(np.average(self.precision_q, weights=weight_q))
        recall = float(np.average(self.recall_q, weights=weight_q))
        total = precision + recall
        f1 = 2 * precision * recall / total if total else 0.0
        return {"f1": f1, "precision": precision, "recall": recall}


def as_sets(labels: Labels, task: Task, num_classes: int) -> BoolArray:
    """Return the labels of samples as membership masks, [n, K]."""
    if task == "multilabel":
        return np.asarray(labels, np.bool_)
    sets: BoolArray = np.arange(num_classes) == labels[:, None]
    return sets


def retrieved(
    query_qK: BoolArray, archive_nK: BoolArray, number_qk: NDArray[np.int64]
) -> Retrieved:
    """Compare the labels of each query with those of its retrieved images.

    An image without a label has no label in common with any query: it counts as 0.

    Args:
        query_qK: Labels of the queries.
        archive_nK: Labels of the archive.
        number_qk: Numbers of the retrieved images of each query.
    """
    precision = np.zeros(len(query_qK))
    recall = np.zeros(len(query_qK))
    size_q, size_n = _sizes(query_qK), _sizes(archive_nK)
    for rank in range(number_qk.shape[1]):
        found = number_qk[:, rank]
        shared_q = (query_qK & archive_nK[found]).sum(1)
        precision += shared_q / size_n[found]
        recall += shared_q / size_q
    count = number_qk.shape[1]
    return Retrieved(precision_q=precision / count, recall_q=recall / count)


def by_chance(query_qK: BoolArray, archive_nK: BoolArray) -> Retrieved:
    """Return the expected scores of images drawn at random from the archive."""
    share_K = (archive_nK / _sizes(archive_nK)[:, None]).mean(0)
    present_K = archive_nK.mean(0)
    return Retrieved(
        precision_q=query_qK @ share_K, recall_q=(query_qK @ present_K) / _sizes(query_qK)
    )


def _sizes(sets_nK: BoolArray) -> FloatArray:
    sizes: FloatArray = np.maximum(sets_nK.sum(1), 1).astype(np.float64)
    return sizes
