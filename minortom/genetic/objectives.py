"""The objectives of the search: five scores of the distances between members.

``points`` and ``members`` as in ``minortom.genetic.kernels``; d_ij is the Haversine distance in km.
"""

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from minortom.api.choices import Objective
from minortom.engine.numba_jit import compiled
from minortom.genetic.kernels import entropy
from minortom.genetic.pairwise_distance import mean_pairwise_km
from minortom.genetic.subset_kernels import members_of
from minortom.grid.sphere import EARTH_RADIUS_KM

CODES: dict[Objective, int] = {name: code for code, name in enumerate(get_args(Objective))}
"""Objective -> number of the objective in the kernels."""

NUM_BINS = 100
"""Number of bins of the histogram, from 0 to half the Earth's circumference: 200 km each."""
HALF_CIRCUMFERENCE_KM = np.pi * EARTH_RADIUS_KM

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@compiled
def scores(points: FloatArray, rows: IntArray, num_fixed: int, code: int) -> FloatArray:
    """Compute the objective of the members of each subset.

    Args:
        points: [n, 3] unit vectors.
        rows: [m, width] subsets, as in ``minortom.genetic.subset_kernels``.
        num_fixed: Number of fixed points, the first ones, which are members of each subset.
        code: Number of the objective in ``CODES``.
    """
    values = np.empty(len(rows))
    for i in range(len(rows)):
        members = np.concatenate((np.arange(num_fixed), members_of(rows[i])))
        values[i] = objective(points, members, code)
    return values


@compiled
def objective(points: FloatArray, members: IntArray, code: int) -> float:
    """Compute the objective with a given number; 0 for fewer than two members."""
    if len(members) < 2:
        return 0.0
    if code == 0:
        return entropy(points, members)
    if code == 1:
        return histogram_entropy(points, members)
    if code == 2:
        return distance_entropy(points, members)
    if code == 3:
        return mean_pairwise_km(points[members])
    return min_distance(points, members)


@compiled
def histogram_entropy(points: FloatArray, members: IntArray) -> float:
    """Compute Shannon's entropy (1948) of the histogram of all d_ij, in nats.

    H = - sum_b p_b log p_b, where p_b is the share of pairs in bin b of ``NUM_BINS``. The maximum
    has equally many pairs in each bin.
    """
    counts = np.zeros(NUM_BINS)
    distances = _pairs_km(points, members)
    for i in range(len(distances)):
        counts[min(int(distances[i] / HALF_CIRCUMFERENCE_KM * NUM_BINS), NUM_BINS - 1)] += 1
    return _shannon(counts)


@compiled
def distance_entropy(points: FloatArray, members: IntArray) -> float:
    """Compute Shannon's entropy of the distances as shares of their sum, in nats.

    H = - sum_ij p_ij log p_ij with p_ij = d_ij / sum d, over pairs. The maximum has equal
    distances.
    """
    return _shannon(_pairs_km(points, members))


@compiled
def min_distance(points: FloatArray, members: IntArray) -> float:
    """Compute the minimum d_ij in km.

    p-dispersion (Kuby 1987, doi 10.1111/j.1538-4632.1987.tb00133.x); the objective
    ``mean-distance`` is the max-sum variant of the same paper.
    """
    return float(np.min(_pairs_km(points, members)))


@compiled
def _pairs_km(points: FloatArray, members: IntArray) -> FloatArray:
    """Return the distances of all pairs in km; 0 for duplicates."""
    k = len(members)
    distances = np.empty(k * (k - 1) // 2)
    n = 0
    for i in range(k):
        a = points[members[i]]
        for j in range(i + 1, k):
            b = points[members[j]]
            dx, dy, dz = a[0] - b[0], a[1] - b[1], a[2] - b[2]
            half_chord = min(np.sqrt(dx * dx + dy * dy + dz * dz) / 2, 1.0)
            distances[n] = 2 * EARTH_RADIUS_KM * np.arcsin(half_chord)
            n += 1
    return distances


@compiled
def _shannon(masses: FloatArray) -> float:
    """Compute - sum p log p of non-negative masses, which are normalised to the sum 1."""
    total = np.sum(masses)
    value = 0.0
    for i in range(len(masses)):
        if masses[i] > 0:
            share = masses[i] / total
            value -= share * np.log(share)
    return value
