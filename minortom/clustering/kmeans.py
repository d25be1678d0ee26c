"""K-means of vectors that need not fit into memory, with weights (Lloyd 1982).

Axes, as name suffixes:
    n  vectors    k  centres    D  width
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minortom.api.choices import Metric
from minortom.clustering.nearest import Search
from minortom.clustering.vectors import ArrayVectors, FloatArray, IntArray, Vectors, rows_of
from minortom.engine.numba_jit import compiled
from minortom.errors import InputError

TOLERANCE = 1e-4
"""Training stops when an iteration reduces the inertia by less than this share."""
_START_VECTORS, _START_VECTORS_PER_CENTRE = 20_000, 10
"""Vectors among which the start is drawn: the larger of the first number and k × the second."""

WeightArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """Centres after some iterations, from which training resumes with the same bits."""

    centre_kD: FloatArray
    inertia: tuple[float, ...] = ()
    """Sum of the squared distances to the nearest centre, before each iteration moved them."""

    def is_final(self, iterations: int) -> bool:
        """Return whether no iteration follows."""
        if len(self.inertia) >= iterations:
            return True
        if len(self.inertia) < 2:
            return False
        before, last = self.inertia[-2:]
        return before - last <= TOLERANCE * before


@dataclass(frozen=True, kw_only=True, eq=False)
class Assignment:
    """Nearest centres of vectors, and the sums of the vectors of each centre."""

    label_n: IntArray
    """Number of the nearest centre."""
    distance_n: WeightArray
    """Squared distance to it."""
    sum_kD: WeightArray
    """Sum of the vectors of each centre, each times its weight."""
    total_k: WeightArray
    """Sum of their weights."""

    def weights(self, metric: Metric) -> WeightArray:
        """Return the weight of each centre among other centres.

        The inertia of vectors around a centre C depends on the nearest centre c of each by
        w |c − C|² for Euclidean distances, where w is the sum of their weights. For unit vectors
        it depends by − 2 |s| c·C, where s is their sum.
        """
        return self.total_k if metric == "euclidean" else np.linalg.norm(self.sum_kD, axis=1)


def lloyd(
    vectors: Vectors,
    state: State,
    *,
    search: Search,
    weight_n: WeightArray,
    iterations: int,
    on_state: Callable[[State], None],
    on_vectors: Callable[[int], None],
) -> State:
    """Move the centres to the means of their vectors until the inertia hardly falls.

    A centre without vectors moves to the vector that is farthest from its own centre.

    Args:
        vectors: Vectors to cluster.
        state: Centres to begin with.
        search: Search for the nearest centre; with its metric `spherical` the vectors have the
            length 1, and so have the centres.
        weight_n: Weight of each vector.
        iterations: Maximum number of iterations, with those of `state`.
        on_state: Called with the state after each iteration.
        on_vectors: Called with the number of vectors of each block.
    """
    while not state.is_final(iterations):
        found = assign(vectors, state.centre_kD, search, weight_n, on_vectors)
        centre_kD = _means(found, state.centre_kD, search.metric)
        empty = np.flatnonzero(found.total_k == 0)
        if len(empty):
            far = np.argsort(-found.distance_n * weight_n, kind="stable")[: len(empty)]
            far = far[found.distance_n[far] * weight_n[far] > 0]
            centre_kD[empty[: len(far)]] = rows_of(vectors, far)
        inertia = float(found.distance_n @ weight_n)
        state = State(centre_kD=centre_kD, inertia=(*state.inertia, inertia))
        on_state(state)
    return state


def assign(
    vectors: Vectors,
    centre_kD: FloatArray,
    search: Search,
    weight_n: WeightArray,
    on_vectors: Callable[[int], None],
) -> Assignment:
    """Assign each vector to its nearest centre; see `lloyd` for the arguments."""
    found = Assignment(
        label_n=np.empty(len(vectors), np.int64), distance_n=np.empty(len(vectors)),
        sum_kD=np.zeros(centre_kD.shape), total_k=np.zeros(len(centre_kD)),
    )  # fmt: skip
    for block in search.blocks(vectors, centre_kD):
        found.label_n[block.rows] = block.label_n
        found.distance_n[block.rows] = block.distance_n
        add_vectors(
            block.vector_nD, block.label_n, weight_n[block.rows], found.sum_kD, found.total_k
        )
        on_vectors(len(block.label_n))
    return found


def draw_start(
    vectors: Vectors,
    count: int,
    *,
    search: Search,
    weight_n: WeightArray,
    generator: np.random.Generator,
) -> State:
    """Draw the first centres among the vectors by greedy k-means++.

    For each centre several vectors are drawn, in proportion to their squared distances from the
    nearest centre so far (Arthur and Vassilvitskii 2007). The one that leaves the smallest sum of
    these distances is taken. The vectors are drawn among a random part of all.

    Raises:
        InputError: If the vectors have fewer different values than there are clusters.
    """
    part = max(_START_VECTORS, _START_VECTORS_PER_CENTRE * count)
    rows = np.arange(len(vectors))
    if part < len(rows):
        rows = np.sort(generator.choice(len(rows), part, replace=False))
    candidates, weights = ArrayVectors(rows_of(vectors, rows)), weight_n[rows]
    trials = 2 + int(np.log(count))  # as in scikit-learn
    drawn = generator.choice(len(rows), 1, p=weights / weights.sum())
    found, nearest_n = [int(drawn[0])], np.full(len(rows), np.inf)
    nearest_n = _with_best(candidates, drawn, nearest_n, weights, search)[1]
    while len(found) < count:
        chance = np.cumsum(nearest_n * weights)
        if chance[-1] == 0:
            raise InputError(
                f"expected at least {count:,} different embeddings for {count:,} clusters, found "
                f"{len(found):,}; give a smaller --k"
            )
        draws = generator.random(trials) * chance[-1]
        drawn = np.searchsorted(chance, draws, side="right").clip(max=len(rows) - 1)
        best, nearest_n = _with_best(candidates, drawn, nearest_n, weights, search)
        found.append(int(drawn[best]))
    return State(centre_kD=rows_of(candidates, np.array(found)))


def _with_best(
    candidates: Vectors,
    drawn: IntArray,
    nearest_n: WeightArray,
    weight_n: WeightArray,
    search: Search,
) -> tuple[int, WeightArray]:
    """Return the drawn vector that is best as the next centre, and the distances with it."""
    with_each_nk = np.empty((len(nearest_n), len(drawn)), np.float64)
    for rows, distance_nk in search.distances(candidates, rows_of(candidates, drawn)):
        with_each_nk[rows] = np.minimum(nearest_n[rows, None], distance_nk)
    with_each_nk[drawn, np.arange(len(drawn))] = 0  # not a rounding error
    best = int(np.argmin(weight_n @ with_each_nk))
    return best, with_each_nk[:, best].copy()


@compiled
def add_vectors(
    vector_nD: FloatArray,
    label_n: IntArray,
    weight_n: WeightArray,
    sum_kD: WeightArray,
    total_k: WeightArray,
) -> None:
    """Add each vector times its weight to the sum of its centre, and its weight to the total."""
    for n in range(len(label_n)):
        k, weight = label_n[n], weight_n[n]
        total_k[k] += weight
        for d in range(vector_nD.shape[1]):
            sum_kD[k, d] += weight * vector_nD[n, d]


def _means(found: Assignment, centre_kD: FloatArray, metric: Metric) -> FloatArray:
    """Return the means; a centre without vectors, or whose mean has no direction, stays."""
    scale_k = found.weights(metric)
    is_known = scale_k > 0
    mean_kD = centre_kD.copy()
    mean_kD[is_known] = (found.sum_kD[is_known] / scale_k[is_known, None]).astype(np.float32)
    return mean_kD
