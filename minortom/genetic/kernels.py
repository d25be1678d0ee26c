"""Numba kernels on points and chosen members: entropy, swap search, farthest point.

``points`` are unit vectors [n, 3]; ``members`` are distinct row numbers into them [k]. Distances
are squared chords (see ``minortom.grid.sphere``). The callers check the arguments.
"""

import numpy as np
from numpy.typing import NDArray

from minortom.engine.numba_jit import compiled
from minortom.grid.sphere import EARTH_RADIUS_KM

FLOOR_CHORD2 = (0.001 / EARTH_RADIUS_KM) ** 2
"""Minimum squared chord, of 1 m, so that the logarithms of distances are finite."""
LOG_DIAMETER2 = np.log(4.0)
MIN_GAIN = 1e-9
"""Minimum gain of a swap in the sum of logarithms, above the rounding error."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@compiled
def chord2(a: FloatArray, i: int, b: FloatArray, k: int) -> float:
    """Compute the squared chord between ``a[i]`` and ``b[k]``, at least 1 m."""
    dx, dy, dz = a[i, 0] - b[k, 0], a[i, 1] - b[k, 1], a[i, 2] - b[k, 2]
    return float(max(dx * dx + dy * dy + dz * dz, FLOOR_CHORD2))


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
def swap_search(
    points: FloatArray,
    members: IntArray,
    num_fixed: int,
    weight: FloatArray,
    candidates: IntArray,
) -> int:
    """Swap members for candidates, in place, if the swap raises the score.

    The score of a set is the sum over its members of log(squared chord to the nearest other
    member) + ``weight``. The best member to remove for a candidate is found in one pass over the
    k members, as in FastPAM for k-medoids (Schubert and Rousseeuw 2021, doi
    10.1016/j.is.2021.101804): removing a member affects only members that had it as their nearest.

    Args:
        points: [n, 3] unit vectors.
        members: [k] chosen rows; changed in place.
        num_fixed: Number of fixed members, the first ones, which stay.
        weight: [n] contribution of a member to the score, independent of the other members.
        candidates: Rows to try, in this order; rows that are members are skipped.

    Returns:
        The number of swaps.
    """
    k = len(members)
    if k <= num_fixed:
        return 0
    inside = np.zeros(len(points), np.bool_)
    inside[members] = True
    near, logs, who = nearest_two(points, members)
    places, weights = points[members].T.copy(), weight[members]
    chords, gains, removal_gains = np.empty(k), np.empty(k), np.empty(k)
    max_removal_gain = _fill_removal_gains(logs, who, weights, num_fixed, removal_gains)
    num_swaps = 0
    for candidate in candidates:
        if inside[candidate]:
            continue
        first, second, closest = _chords_to(places, points[candidate], chords)
        # An upper bound of the gain, which rejects most candidates.
        bound = max(max_removal_gain + _log(first), removal_gains[closest] + _log(second))
        if bound + weight[candidate] <= MIN_GAIN:
            continue
        swap_gains(near, logs, who, chords, weights, weight[candidate], gains)
        leaves = num_fixed + int(np.argmax(gains[num_fixed:]))
        if gains[leaves] > MIN_GAIN:
            inside[members[leaves]], inside[candidate] = False, True
            members[leaves], weights[leaves] = candidate, weight[candidate]
            places[:, leaves] = points[candidate]
            _update_nearest(places, leaves, chords, near, logs, who)
            max_removal_gain = _fill_removal_gains(logs, who, weights, num_fixed, removal_gains)
            num_swaps += 1
    return num_swaps


@compiled
def _chords_to(
    places: FloatArray, point: FloatArray, chords: FloatArray
) -> tuple[float, float, int]:
    """Fill in the squared chords to a point; return the two smallest and where the first is."""
    x, y, z = point[0], point[1], point[2]
    for i in range(len(chords)):  # a separate loop, which is compiled to SIMD
        dx, dy, dz = places[0, i] - x, places[1, i] - y, places[2, i] - z
        chords[i] = max(dx * dx + dy * dy + dz * dz, FLOOR_CHORD2)
    first, second, closest = np.inf, np.inf, 0
    for i in range(len(chords)):
        if chords[i] < first:
            first, second, closest = chords[i], first, i
        elif chords[i] < second:
            second = chords[i]
    return first, second, closest


@compiled
def _fill_removal_gains(
    logs: FloatArray, who: IntArray, weights: FloatArray, num_fixed: int, gains: FloatArray
) -> float:
    """Fill in the gain if each member is removed without replacement; return the maximum."""
    for i in range(len(weights)):
        gains[i] = -logs[0, i] - weights[i]
    for i in range(len(weights)):
        # Of two members only one is left; a new member is at most a diameter away.
        next_nearest = logs[1, i] if len(weights) > 2 else LOG_DIAMETER2
        gains[who[0, i]] += next_nearest - logs[0, i]
    return float(np.max(gains[num_fixed:]))


@compiled
def swap_gains(
    near: FloatArray,
    logs: FloatArray,
    who: IntArray,
    chords: FloatArray,
    weights: FloatArray,
    weight: float,
    gains: FloatArray,
) -> None:
    """Compute the gain in score if the candidate replaces each member, in O(k).

    Args:
        near: [2, k] squared chords to each member's nearest and second nearest member.
        logs: [2, k] logarithms of ``near``.
        who: [2, k] positions of these two among the members.
        chords: [k] squared chords from the candidate to each member.
        weights: [k] weight of each member.
        weight: Weight of the candidate.
        gains: [k] output.
    """
    arrival = weight  # the part of the gain that does not depend on the replaced member
    first, second, closest = np.inf, np.inf, -1
    for i in range(len(chords)):
        gains[i] = -logs[0, i] - weights[i]
    for i in range(len(chords)):
        chord = chords[i]
        if chord < first:
            first, second, closest = chord, first, i
        elif chord < second:
            second = chord
        if chord >= near[1, i]:  # if i's nearest is replaced, the second becomes the nearest
            gains[who[0, i]] += logs[1, i] - logs[0, i]
        elif chord >= near[0, i]:  # if i's nearest is replaced, the candidate is the nearest
            gains[who[0, i]] += np.log(chord) - logs[0, i]
        else:  # the candidate is i's nearest in any case
            change = np.log(chord) - logs[0, i]
            arrival += change
            gains[i] -= change
    of_first, of_second = _log(first), _log(second)
    for i in range(len(chords)):
        gains[i] += arrival + (of_second if i == closest else of_first)


@compiled
def nearest_two(points: FloatArray, members: IntArray) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return each member's two nearest others: squared chords, logarithms, positions [2, k]."""
    k = len(members)
    near, logs, who = np.empty((2, k)), np.empty((2, k)), np.empty((2, k), np.int64)
    places = points[members].T.copy()
    for i in range(k):
        _find_two(places, i, near, logs, who)
    return near, logs, who


@compiled
def _find_two(
    places: FloatArray, i: int, near: FloatArray, logs: FloatArray, who: IntArray
) -> None:
    near[:, i], who[:, i] = np.inf, i
    x, y, z = places[0, i], places[1, i], places[2, i]
    for k in range(places.shape[1]):
        if k != i:
            dx, dy, dz = places[0, k] - x, places[1, k] - y, places[2, k] - z
            chord = max(dx * dx + dy * dy + dz * dz, FLOOR_CHORD2)
            _offer(near, logs, who, i, k, chord)
    logs[0, i], logs[1, i] = _log(near[0, i]), _log(near[1, i])


@compiled
def _offer(near: FloatArray, logs: FloatArray, who: IntArray, i: int, k: int, chord: float) -> bool:
    """Insert member k as member i's nearest or second nearest if it is; return whether it is."""
    if chord < near[0, i]:
        near[1, i], logs[1, i], who[1, i] = near[0, i], logs[0, i], who[0, i]
        near[0, i], who[0, i] = chord, k
    elif chord < near[1, i]:
        near[1, i], who[1, i] = chord, k
    else:
        return False
    return True


@compiled
def _update_nearest(
    places: FloatArray,
    changed: int,
    chords: FloatArray,
    near: FloatArray,
    logs: FloatArray,
    who: IntArray,
) -> None:
    """Update the two nearest of all members after the member at ``changed`` was replaced."""
    for i in range(len(chords)):
        if i == changed or who[0, i] == changed or who[1, i] == changed:
            _find_two(places, i, near, logs, who)
        elif _offer(near, logs, who, i, changed, chords[i]):
            logs[0, i], logs[1, i] = _log(near[0, i]), _log(near[1, i])


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
