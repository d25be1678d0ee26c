"""Numba kernels on points and chosen members: entropy, swap search, farthest point.

``points`` are unit vectors [n, 3]; ``members`` are row numbers into them [k], each row once.
Distances are squared chords (see ``minortom.grid.sphere``). Arguments are checked by the callers.
"""

import numpy as np
from numpy.typing import NDArray

from minortom.engine.numba_jit import compiled
from minortom.grid.sphere import EARTH_RADIUS_KM

FLOOR_CHORD2 = (0.001 / EARTH_RADIUS_KM) ** 2
"""Two points are never taken as closer than 1 m, so that logarithms of distances stay finite."""
LOG_DIAMETER2 = np.log(4.0)
MIN_GAIN = 1e-9
"""A swap must raise the summed logarithms by more than rounding can."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@compiled
def chord2(a: FloatArray, i: int, b: FloatArray, k: int) -> float:
    """Give the squared chord between ``a[i]`` and ``b[k]``, 1 m at least."""
    dx, dy, dz = a[i, 0] - b[k, 0], a[i, 1] - b[k, 1], a[i, 2] - b[k, 2]
    return float(max(dx * dx + dy * dy + dz * dz, FLOOR_CHORD2))


@compiled
def log_nearest_sum(points: FloatArray, members: IntArray) -> float:
    """Sum the logarithms of each member's squared chord to the nearest other; 0 for one member."""
    k = len(members)
    places, near = points[members].T.copy(), np.full(k, np.inf)
    for i in range(k):
        _take_nearer(places, i, 0, i, near)  # two loops without a branch, which become SIMD
        _take_nearer(places, i, i + 1, k, near)
    total = 0.0
    for i in range(k):
        total += _log(near[i])
    return total


@compiled
def _take_nearer(places: FloatArray, i: int, start: int, stop: int, near: FloatArray) -> None:
    """Lower the nearest squared chord of members start to stop to that to member i."""
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
    highest for members that keep even distances. Zero for fewer than two members.

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
    """Exchange members for candidates, in place, as long as that raises the score.

    The score of a set is the sum over its members of log(squared chord to the nearest other
    member) + ``weight``. For each candidate the best member to leave is found in one pass over
    the k members, as in FastPAM for k-medoids (Schubert and Rousseeuw 2021, doi
    10.1016/j.is.2021.101804): who leaves matters only to those whose nearest it was.

    Args:
        points: [n, 3] unit vectors.
        members: [k] rows that are chosen; changed in place.
        num_fixed: The first so many members stay.
        weight: [n] what choosing a point adds, whatever the other members.
        candidates: Rows to try, in this order; members among them are passed over.

    Returns:
        How many swaps were made.
    """
    k = len(members)
    if k <= num_fixed:
        return 0
    inside = np.zeros(len(points), np.bool_)
    inside[members] = True
    near, logs, who = nearest_two(points, members)
    places, weights = points[members].T.copy(), weight[members]
    chords, gains, loosening = np.empty(k), np.empty(k), np.empty(k)
    most = _loosen(logs, who, weights, num_fixed, loosening)
    num_swaps = 0
    for candidate in candidates:
        if inside[candidate]:
            continue
        first, second, closest = _chords_to(places, points[candidate], chords)
        # No swap can gain more than this, and most candidates end here.
        bound = max(most + _log(first), loosening[closest] + _log(second))
        if bound + weight[candidate] <= MIN_GAIN:
            continue
        swap_gains(near, logs, who, chords, weights, weight[candidate], gains)
        leaves = num_fixed + int(np.argmax(gains[num_fixed:]))
        if gains[leaves] > MIN_GAIN:
            inside[members[leaves]], inside[candidate] = False, True
            members[leaves], weights[leaves] = candidate, weight[candidate]
            places[:, leaves] = points[candidate]
            _update_nearest(places, leaves, chords, near, logs, who)
            most = _loosen(logs, who, weights, num_fixed, loosening)
            num_swaps += 1
    return num_swaps


@compiled
def _chords_to(
    places: FloatArray, point: FloatArray, chords: FloatArray
) -> tuple[float, float, int]:
    """Fill in the squared chords to a point; give the least two, and where the least is."""
    x, y, z = point[0], point[1], point[2]
    for i in range(len(chords)):  # a loop of its own, which the compiler turns into SIMD
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
def _loosen(
    logs: FloatArray, who: IntArray, weights: FloatArray, num_fixed: int, loosening: FloatArray
) -> float:
    """Fill in what the score gains as each member leaves and nobody comes; give the most."""
    for i in range(len(weights)):
        loosening[i] = -logs[0, i] - weights[i]
    for i in range(len(weights)):
        # One of two leaves, one is left: whoever comes is at most a diameter away.
        next_nearest = logs[1, i] if len(weights) > 2 else LOG_DIAMETER2
        loosening[who[0, i]] += next_nearest - logs[0, i]
    return float(np.max(loosening[num_fixed:]))


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
    """Give what the score gains if the candidate takes the place of each member, in O(k).

    Args:
        near: [2, k] squared chords to each member's nearest and second nearest.
        logs: [2, k] their logarithms.
        who: [2, k] the positions of these two among the members.
        chords: [k] squared chords from the candidate to each member.
        weights: [k] weight of each member.
        weight: Weight of the candidate.
        gains: [k] is filled.
    """
    arrival = weight  # what changes whoever leaves
    first, second, closest = np.inf, np.inf, -1
    for i in range(len(chords)):
        gains[i] = -logs[0, i] - weights[i]
    for i in range(len(chords)):
        chord = chords[i]
        if chord < first:
            first, second, closest = chord, first, i
        elif chord < second:
            second = chord
        if chord >= near[1, i]:  # if i's nearest leaves, the second nearest follows
            gains[who[0, i]] += logs[1, i] - logs[0, i]
        elif chord >= near[0, i]:  # if i's nearest leaves, the candidate follows
            gains[who[0, i]] += np.log(chord) - logs[0, i]
        else:  # the candidate is i's nearest whoever leaves
            change = np.log(chord) - logs[0, i]
            arrival += change
            gains[i] -= change
    of_first, of_second = _log(first), _log(second)
    for i in range(len(chords)):
        gains[i] += arrival + (of_second if i == closest else of_first)


@compiled
def nearest_two(points: FloatArray, members: IntArray) -> tuple[FloatArray, FloatArray, IntArray]:
    """Find each member's two nearest others: squared chords, their logarithms, positions [2, k]."""
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
    """Take member k as member i's nearest or second nearest if it is; tell whether it is."""
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
    """Bring the two nearest up to date after the member at ``changed`` was replaced."""
    for i in range(len(chords)):
        if i == changed or who[0, i] == changed or who[1, i] == changed:
            _find_two(places, i, near, logs, who)
        elif _offer(near, logs, who, i, changed, chords[i]):
            logs[0, i], logs[1, i] = _log(near[0, i]), _log(near[1, i])


@compiled
def _log(value: float) -> float:
    """Give the logarithm, and 0 for the infinite distance of a member without others."""
    return np.log(value) if value < np.inf else 0.0


@compiled
def farthest_point(points: FloatArray, members: IntArray, num_fixed: int) -> None:
    """Fill ``members`` from position ``num_fixed`` on with the point farthest from those before.

    ``members[:num_fixed]`` are given, one at least. Gonzalez (1985), doi
    10.1016/0304-3975(85)90224-5: the largest distance from a point to its nearest member is at
    most twice the smallest possible.
    """
    nearest = np.full(len(points), np.inf)
    for position in range(len(members)):
        if position >= num_fixed:
            members[position] = np.argmax(nearest)
        chosen = members[position]
        for i in range(len(points)):
            if nearest[i] > 0:
                nearest[i] = min(nearest[i], chord2(points, i, points, chosen))
        nearest[chosen] = -1.0  # never chosen twice, not even among duplicates
