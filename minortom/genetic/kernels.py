"""Numba kernels on points and chosen members: entropy and farthest point.

``points`` are unit vectors [n, 3]; ``members`` are distinct row numbers into them [k]. Distances
are squared chords (see ``minortom.grid.sphere``). The callers check the arguments.
"""

import numpy as np
from numpy.typing import NDArray

from minortom.engine.numba_jit import compiled, inlined
from minortom.grid.sphere import EARTH_RADIUS_KM

FLOOR_CHORD2 = (0.001 / EARTH_RADIUS_KM) ** 2
"""Minimum squared chord, of 1 m, so that the logarithms of distances are finite."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@inlined
def distance2(a: FloatArray, i: int, b: FloatArray, k: int) -> float:
    """Compute the squared distance between ``a[i]`` and ``b[k]``, with three or more coordinates.

    The first three are written out, which is faster for unit vectors.
    """
    dx, dy, dz = a[i, 0] - b[k, 0], a[i, 1] - b[k, 1], a[i, 2] - b[k, 2]
    total = dx * dx + dy * dy + dz * dz
    for axis in range(3, a.shape[1]):
        total += (a[i, axis] - b[k, axis]) ** 2
    return float(total)


@inlined
def chord2(a: FloatArray, i: int, b: FloatArray, k: int) -> float:
    """Compute the squared chord (or distance) between ``a[i]`` and ``b[k]``, at least 1 m."""
    return max(distance2(a, i, b, k), FLOOR_CHORD2)


@compiled
def log_nearest_sum(points: FloatArray, members: IntArray) -> float:
    """Sum the logarithms of each member's squared chord to its nearest other; 0 for one member."""
    k = len(members)
    places, near = points[members].T.copy(), np.full(k, np.inf)
    for i in range(k):
        _lower_nearest(places, i, 0, i, near)  # two loops without a branch, compiled to SIMD
        _lower_nearest(places, i, i + 1, k, near)
    total = 0.0
    for i in range(k):
        total += _log(near[i])
    return total


@compiled
def _lower_nearest(places: FloatArray, i: int, start: int, stop: int, near: FloatArray) -> None:
    """Update the nearest squared chords of members start to stop with that to member i."""
    x, y, z = places[0, i], places[1, i], places[2, i]
    for k in range(start, stop):
        dx, dy, dz = places[0, k] - x, places[1, k] - y, places[2, k] - z
        near[k] = min(near[k], max(dx * dx + dy * dy + dz * dz, FLOOR_CHORD2))


@compiled
def entropy(points: FloatArray, members: IntArray) -> float:
    """Estimate the differential entropy of the members' location, in nats over km².

    Kozachenko and Leonenko's estimator for the nearest neighbour in two dimensions:
    H = psi(k) - psi(1) + 1/k * sum_i log(A_i) with A_i = 4 pi R² hav(d_i / R),
    where d_i is member i's Haversine distance to the nearest other member, A_i the area of the
    spherical cap with that radius (pi d_i² on a plane) and psi the digamma function. It is
    highest for evenly spaced members, and 0 for fewer than two members.

    Source: Kozachenko and Leonenko, "Sample estimate of the entropy of a random vector",
    Problems of Information Transmission 23 (1987); the form with psi(k): Kraskov, Stögbauer and
    Grassberger (2004), doi 10.1103/PhysRevE.69.066138, equation 20.
    """
    k = len(members)
    if k < 2:
        return 0.0
    digamma_difference = 0.0  # psi(k) - psi(1) = 1 + 1/2 + ... + 1/(k-1)
    for i in range(1, k):
        digamma_difference += 1.0 / i
    scale = np.log(np.pi * EARTH_RADIUS_KM**2)
    return float(digamma_difference + scale + log_nearest_sum(points, members) / k)


@compiled
def _log(value: float) -> float:
    """Return the logarithm; 0 for infinity, the distance of a member without others."""
    return np.log(value) if value < np.inf else 0.0


@compiled
def farthest_point(points: FloatArray, members: IntArray, num_fixed: int) -> None:
    """Fill ``members`` from ``num_fixed`` on, each with the point farthest from the ones before.

    ``members[:num_fixed]`` are given, at least one. Gonzalez (1985), doi
    10.1016/0304-3975(85)90224-5: the maximum distance from a point to its nearest member is at
    most twice the smallest possible maximum.
    """
    nearest = np.full(len(points), np.inf)
    for position in range(len(members)):
        if position >= num_fixed:
            members[position] = np.argmax(nearest)
        chosen = members[position]
        for i in range(len(points)):
            if nearest[i] > 0:
                nearest[i] = min(nearest[i], chord2(points, i, points, chosen))
        nearest[chosen] = -1.0  # a point is chosen once, even if it has duplicates
