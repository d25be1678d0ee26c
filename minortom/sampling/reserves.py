"""Reserves: further tiles of each stratum, ranked, for chosen ones that turn out unusable.

Nobody knows beforehand which tile will fail, and one that fails leaves a hole where its
neighbours are now the nearest. So the reserve to use first is the one that helps the stratum most
wherever the hole is: the tile that shortens the mean way from the stratum's tiles to their
nearest chosen one the most. The next is the best after that one, and so on: the greedy answer to
the k-median problem. The farthest tile, which is easier to find, lies at a rim more often than not.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # it publishes no types

from minortom.engine.numba_jit import compiled
from minortom.errors import InputError
from minortom.sampling.strata import Tiles

MOST_RESERVES = 10_000
_REFERENCES, _CANDIDATES = 2000, 1000
"""So many of a stratum's tiles, at even steps in the order of the file, stand for all of them."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def check_count(count: int) -> None:
    """Make sure that so many reserves a stratum can be asked for.

    Raises:
        InputError: If not.
    """
    if not 0 <= count <= MOST_RESERVES:
        raise InputError(f"--reserves must be from 0 to {MOST_RESERVES:,}, not {count}")


def ranked_reserves(
    tiles: Tiles, chosen: IntArray, count: int, *, min_chord2: float = 0.0
) -> tuple[IntArray, IntArray]:
    """Choose reserves in each stratum that has a chosen tile.

    Args:
        tiles: Tiles and strata.
        chosen: Chosen rows.
        count: Reserves of each stratum; fewer where no more tiles are left.
        min_chord2: Squared chord that each keeps from all chosen tiles and all other reserves.

    Returns:
        Rows of the reserves, and their ranks from 1, by stratum and then by rank.
    """
    taken, found = chosen, {}
    for s in np.argsort(tiles.strata.sizes, kind="stable"):  # where tiles are scarce, first
        rows = tiles.strata.rows(int(s))
        is_chosen = np.isin(rows, chosen, assume_unique=True)
        free = rows[~is_chosen]
        if min_chord2 > 0 and len(free):
            chords, _ = cKDTree(tiles.points[taken]).query(tiles.points[free])
            free = free[chords**2 >= min_chord2]
        if not is_chosen.any() or not len(free):
            continue
        references, candidates = _some(rows, _REFERENCES), _some(free, max(_CANDIDATES, count))
        places = tiles.points[references]
        nearest = np.asarray(cKDTree(tiles.points[rows[is_chosen]]).query(places)[0], np.float64)
        points = tiles.points[candidates]
        found[int(s)] = candidates[cover_greedily(places, nearest, points, count, min_chord2)]
        taken = np.concatenate([taken, found[int(s)]])
    by_stratum = [found[s] for s in sorted(found)]
    none = [np.empty(0, np.int64)]
    ranks = [np.arange(1, len(rows) + 1) for rows in by_stratum]
    return np.concatenate(none + by_stratum), np.concatenate(none + ranks)


def _some(rows: IntArray, most: int) -> IntArray:
    """Take rows at even steps, all of them where they are few."""
    if len(rows) <= most:
        return rows
    return rows[np.arange(most) * len(rows) // most]


@compiled
def cover_greedily(
    references: FloatArray,
    nearest: FloatArray,
    candidates: FloatArray,
    count: int,
    min_chord2: float,
) -> IntArray:
    """Take, again and again, the candidate that shortens the references' ways the most.

    A candidate's gain never grows as others are taken, so that only the one that seems best is
    reckoned anew (Minoux 1978, doi 10.1007/BFb0006528). Chords stand for distances.

    Args:
        references: [m, 3] unit vectors.
        nearest: [m] chord from each to the nearest chosen tile; brought up to date in place.
        candidates: [c, 3] unit vectors.
        count: Candidates to take, fewer where none is left.
        min_chord2: Squared chord between any two that are taken.

    Returns:
        Positions of those taken, in this order.
    """
    gains = np.full(len(candidates), np.inf)
    taken = np.empty(min(count, len(candidates)), np.int64)
    num_taken = 0
    while num_taken < len(taken):
        best = int(np.argmax(gains))
        if gains[best] < 0:  # all are taken or too near
            break
        gain = 0.0
        for r in range(len(references)):
            gain += max(nearest[r] - _chord(references, r, candidates, best), 0.0)
        if gain < gains[best]:
            gains[best] = gain
            continue
        taken[num_taken] = best
        num_taken += 1
        for r in range(len(references)):
            nearest[r] = min(nearest[r], _chord(references, r, candidates, best))
        for i in range(len(candidates)):
            if _chord(candidates, i, candidates, best) ** 2 < min_chord2:
                gains[i] = -1.0
        gains[best] = -1.0
    return taken[:num_taken]


@compiled
def _chord(a: FloatArray, i: int, b: FloatArray, k: int) -> float:
    dx, dy, dz = a[i, 0] - b[k, 0], a[i, 1] - b[k, 1], a[i, 2] - b[k, 2]
    return float(np.sqrt(dx * dx + dy * dy + dz * dz))
