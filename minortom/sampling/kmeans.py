"""K-means of each stratum, on the sphere or elsewhere, and the tile nearest to each centre."""

import heapq
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # it publishes no types

from minortom.api.cores import available_cores
from minortom.engine.numba_jit import compiled
from minortom.genetic.kernels import distance2
from minortom.sampling.baselines import kept_first, stratum_seed
from minortom.sampling.spread_space import SpreadSpace
from minortom.sampling.strata import Tiles

MAX_ROUNDS = 300
TOLERANCE = 1e-4
"""Stop when the squared moves of all centres add up to this share of the points' variance, the
mean over the three axes. Both limits are those of scikit-learn."""
_STAGE = 4  # first word of the seeds; baselines.py uses 0 and 3, the search 1 and 2
_FIRST_RANKS = 8  # nearest points of a centre that are ranked first
_NEIGHBOURS = 32  # nearest other centres that are examined before all are
_MIN_LENGTH = 1e-9  # of a mean vector; a shorter one has no direction

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def k_means_selection(
    tiles: Tiles,
    sizes: IntArray,
    *,
    seed: int,
    kept: BoolArray | None = None,
    space: SpreadSpace | None = None,
) -> IntArray:
    """Choose in each stratum the tiles nearest to the centres of k-means clusters.

    The points are clustered on the unit sphere, by squared chords; the mean of a cluster is
    scaled to unit length (spherical k-means; Dhillon and Modha 2001, doi
    10.1023/A:1007612920971). The start is greedy k-means++ (Arthur and Vassilvitskii
    2007). Kept tiles
    are centres that do not move, so that the other centres divide the rest of the stratum.
    With a ``space``, its points are clustered in place of those on the sphere, by plain k-means.
    Other arguments and result as in :func:`minortom.sampling.baselines.random_selection`.
    """
    kept = np.zeros(len(tiles), np.bool_) if kept is None else kept

    def chosen_of(s: int) -> IntArray:
        rows, num_kept = kept_first(tiles.strata.rows(s), kept)
        size = int(sizes[s])
        if size in (num_kept, len(rows)):
            return rows[:size]
        generator = np.random.default_rng(stratum_seed(seed, _STAGE, s))
        points = tiles.points[rows] if space is None else space.points(rows, s)
        centres = cluster_centres(points, size, num_kept, generator, on_sphere=space is None)
        free = num_kept + nearest_free(centres[num_kept:], points[num_kept:])
        return np.concatenate([rows[:num_kept], rows[free]])

    # The kernels release the GIL, and each stratum has its own seed.
    with ThreadPoolExecutor(available_cores()) as threads:
        largest_first = np.argsort(-tiles.strata.sizes, kind="stable").tolist()
        return np.sort(np.concatenate(list(threads.map(chosen_of, largest_first))))


def cluster_centres(
    points: FloatArray,
    count: int,
    num_fixed: int,
    generator: np.random.Generator,
    *,
    on_sphere: bool = True,
) -> FloatArray:
    """Return the centres of k-means clusters [count, d].

    Args:
        points: [n, d] at least ``count`` unit vectors, or points with three or more coordinates.
        count: Number of centres, k.
        num_fixed: The first points that are centres and do not move.
        generator: Draws the start.
        on_sphere: Whether the centres are unit vectors (spherical k-means).
    """
    trials = 2 + int(np.log(count))  # as in scikit-learn
    draws = generator.random((count, trials))
    members, of_point = start(points, count, num_fixed, draws)
    return lloyd(points, points[members], of_point, num_fixed, on_sphere=on_sphere)


def lloyd(
    points: FloatArray,
    centres: FloatArray,
    of_point: IntArray,
    num_fixed: int,
    *,
    on_sphere: bool = True,
) -> FloatArray:
    """Move the centres to the means of their clusters until they stay (Lloyd's algorithm).

    Args:
        points: [n, d] points; unit vectors on the sphere.
        centres: [k, d] first centres.
        of_point: [n] position of a centre near each point, where the search for the nearest
            one begins; changed in place to that of the nearest one.
        num_fixed: Number of centres, the first ones, that do not move.
        on_sphere: Whether the means are scaled to unit length.

    Returns:
        [k, d] centres.
    """
    enough = TOLERANCE * float(points.var(axis=0).mean())
    for _ in range(MAX_ROUNDS):
        tree = cKDTree(centres)
        chords, near = tree.query(centres, k=min(_NEIGHBOURS, len(centres)))
        near, chords = near.reshape(len(centres), -1), chords.reshape(len(centres), -1)
        moved = _moved(points, centres, near, chords, of_point, num_fixed, on_sphere)
        move = float(np.square(moved - centres).sum())
        centres = moved
        if move <= enough:
            break
    return centres


def nearest_free(centres: FloatArray, points: FloatArray) -> IntArray:
    """Return a point for each centre, no point twice.

    Of all pairs of a centre and a point, the closest one is taken, then the closest one of those
    whose centre and point are both without a partner, and so on.

    Args:
        centres: [k, d] centres.
        points: [n, d] points; n is at least k.

    Returns:
        [k] position of the point of each centre.
    """
    tree, taken = cKDTree(points), np.zeros(len(points), np.bool_)

    def free_points(centre: int) -> Iterator[tuple[float, int, int]]:
        """Yield (squared chord, centre, point), nearest first."""
        count = _FIRST_RANKS
        while True:
            ranks = np.arange(1, min(count, len(points)) + 1)
            near = tree.query(centres[centre], k=ranks)[1]
            near = near[~taken[near]]
            chords2 = np.square(points[near] - centres[centre]).sum(axis=1)
            for i in np.lexsort([near, chords2]):
                yield float(chords2[i]), centre, int(near[i])
            count *= 4

    nearest = tree.query(centres)[1]
    chords2 = np.square(points[nearest] - centres).sum(axis=1).tolist()
    heap = list(zip(chords2, range(len(centres)), nearest.tolist(), strict=True))
    heapq.heapify(heap)
    places = np.empty(len(centres), np.int64)
    queues: dict[int, Iterator[tuple[float, int, int]]] = {}
    while heap:
        _, centre, point = heapq.heappop(heap)
        if taken[point]:
            queue = queues.setdefault(centre, free_points(centre))
            heapq.heappush(heap, next(queue))
        else:
            taken[point], places[centre] = True, point
    return places


@compiled
def start(
    points: FloatArray, count: int, num_fixed: int, draws: FloatArray
) -> tuple[IntArray, IntArray]:
    """Draw the first centres among the points by greedy k-means++.

    For each centre several points are drawn, each in proportion to its squared chord to the
    nearest centre so far; if all of these are zero, each point that is not a centre is equally
    likely. The drawn point that leaves the smallest sum of squared chords is taken.

    Args:
        points: [n, d] points, at least ``count``.
        count: Number of centres.
        num_fixed: The first points that are centres.
        draws: [count, t] random numbers from 0 to 1, for t points to draw for each centre.

    Returns:
        [count] positions of the drawn points, the fixed ones first; and [n] position of the
        nearest of them for each point.
    """
    members, of_point = np.empty(count, np.int64), np.zeros(len(points), np.int64)
    nearest, free = np.full(len(points), np.inf), np.ones(len(points), np.bool_)
    for m in range(count):
        if m < num_fixed:
            row = m
        elif m == 0:
            row = int(draws[m, 0] * len(points))
        else:
            drawn = _drawn(nearest, free, draws[m])
            row = drawn[np.argmin(_sums_with(points, nearest, drawn))]
        members[m], free[row] = row, False
        for i in range(len(points)):
            chord2 = distance2(points, i, points, row)
            if chord2 < nearest[i]:
                nearest[i], of_point[i] = chord2, m
    return members, of_point


@compiled
def _drawn(weights: FloatArray, free: BoolArray, draws: FloatArray) -> IntArray:
    """Draw free points in proportion to their weights; uniformly if all weights are zero."""
    total, num_free, last = 0.0, 0, 0
    for i in range(len(weights)):
        total += weights[i]
        num_free += free[i]
    rests = np.sort(draws) * (total if total > 0 else num_free)
    drawn, found, passed = np.zeros(len(draws), np.int64), 0, 0.0
    for i in range(len(weights)):
        weight = weights[i] if total > 0 else 1.0
        if not free[i] or weight <= 0:
            continue
        last, passed = i, passed + weight
        while found < len(draws) and rests[found] < passed:
            drawn[found], found = i, found + 1
        if found == len(draws):
            break
    drawn[found:] = last  # a number close to 1 may exceed the sum by its rounding error
    return drawn


@compiled
def _sums_with(points: FloatArray, nearest: FloatArray, drawn: IntArray) -> FloatArray:
    """Return for each drawn point the sum of squared chords with it as an additional centre."""
    centres, sums = points[drawn], np.zeros(len(drawn))
    for i in range(len(points)):
        for t in range(len(drawn)):
            sums[t] += min(distance2(points, i, centres, t), nearest[i])
    return sums


@compiled
def _moved(
    points: FloatArray,
    centres: FloatArray,
    near: IntArray,
    chords: FloatArray,
    of_point: IntArray,
    num_fixed: int,
    on_sphere: bool,
) -> FloatArray:
    """Assign each point to its nearest centre, and return the means of the clusters.

    A centre whose chord to a point's present centre is more than the sum of the chords from the
    point to its present and to its best centre cannot be nearer (triangle inequality).

    Args:
        points: [n, d] points.
        centres: [k, d] centres.
        near: [k, m] the centres nearest to each centre, nearest first.
        chords: [k, m] chords to them.
        of_point: [n] centre of each point; updated in place.
        num_fixed: Number of centres that do not move.
        on_sphere: Whether the means are scaled to unit length.
    """
    sums, sizes = np.zeros(centres.shape), np.zeros(len(centres), np.int64)
    farthest = np.empty(len(points))
    for i in range(len(points)):
        centre = of_point[i]
        best, best_chord2 = centre, distance2(points, i, centres, centre)
        first = np.sqrt(best_chord2)
        limit, is_whole = 2 * first, False
        for m in range(near.shape[1]):
            if chords[centre, m] > limit:
                is_whole = True
                break
            chord2 = distance2(points, i, centres, near[centre, m])
            if chord2 < best_chord2:
                best, best_chord2 = near[centre, m], chord2
                limit = first + np.sqrt(chord2)
        if not is_whole and near.shape[1] < len(centres):
            for c in range(len(centres)):
                chord2 = distance2(points, i, centres, c)
                if chord2 < best_chord2:
                    best, best_chord2 = c, chord2
        of_point[i], farthest[i] = best, best_chord2
        sizes[best] += 1
        sums[best] += points[i]
    moved = centres.copy()
    for c in range(num_fixed, len(centres)):
        if not sizes[c]:  # as scikit-learn does: a new cluster at the farthest point
            row = int(np.argmax(farthest))
            moved[c], farthest[row] = points[row], 0.0
            continue
        length = np.sqrt((sums[c] ** 2).sum()) if on_sphere else float(sizes[c])
        if length > _MIN_LENGTH:
            moved[c] = sums[c] / length
    return moved
