"""Reserves: ranked additional tiles of each stratum that replace unusable selected tiles.

It is not known in advance which selected tile is unusable. The first reserve is therefore the
tile that reduces the mean distance from the stratum's tiles to their nearest chosen tile the most,
the second the best tile after that, and so on: the greedy solution of the k-median problem.
The tile farthest from all chosen tiles would be easier to find, but usually lies at the edge of
the stratum.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # it publishes no types

from minortom.engine.numba_jit import compiled
from minortom.errors import InputError
from minortom.genetic.kernels import distance2
from minortom.sampling.spread_space import SpreadSpace
from minortom.sampling.strata import Tiles

MAX_RESERVES = 10_000
_REFERENCES, _CANDIDATES = 2000, 1000
"""Maximum numbers of a stratum's tiles that are used, at even steps in the order of the file."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def check_count(count: int) -> None:
    """Check the number of reserves a stratum.

    Raises:
        InputError: If it is out of range.
    """
    if not 0 <= count <= MAX_RESERVES:
        raise InputError(f"--reserves must be from 0 to {MAX_RESERVES:,}, found {count}")


def ranked_reserves(
    tiles: Tiles,
    chosen: IntArray,
    count: int,
    *,
    min_chord2: float = 0.0,
    space: SpreadSpace | None = None,
) -> tuple[IntArray, IntArray]:
    """Choose the reserves of each stratum that has a chosen tile.

    Args:
        tiles: Tiles and strata.
        chosen: Chosen rows.
        count: Reserves in each stratum; a stratum with fewer free tiles has fewer.
        min_chord2: Minimum squared chord from a reserve to all chosen tiles and other reserves.
        space: Space of the distances to the nearest chosen tile; None is on the ground.

    Returns:
        Rows of the reserves and their ranks from 1, sorted by stratum and then by rank.
    """
    taken, found = chosen, {}
    for s in np.argsort(tiles.strata.sizes, kind="stable"):  # smallest stratum first
        rows = tiles.strata.rows(int(s))
        is_chosen = np.isin(rows, chosen, assume_unique=True)
        free = rows[~is_chosen]
        if min_chord2 > 0 and len(free):
            chords, _ = cKDTree(tiles.points[taken]).query(tiles.points[free])
            free = free[chords**2 >= min_chord2]
        if not is_chosen.any() or not len(free):
            continue
        candidates = _some(free, max(_CANDIDATES, count))
        references, members, points = (
            tiles.points[some] if space is None else space.points(some, int(s))
            for some in (_some(rows, _REFERENCES), rows[is_chosen], candidates)
        )
        nearest = np.asarray(cKDTree(members).query(references)[0], np.float64)
        best = cover_greedily(
            references, nearest, points, tiles.points[candidates], count, min_chord2
        )  # fmt: skip
        found[int(s)] = candidates[best]
        taken = np.concatenate([taken, found[int(s)]])
    by_stratum = [found[s] for s in sorted(found)]
    none = [np.empty(0, np.int64)]
    ranks = [np.arange(1, len(rows) + 1) for rows in by_stratum]
    return np.concatenate(none + by_stratum), np.concatenate(none + ranks)


def _some(rows: IntArray, maximum: int) -> IntArray:
    """Return at most ``maximum`` of the rows, at even steps."""
    if len(rows) <= maximum:
        return rows
    return rows[np.arange(maximum) * len(rows) // maximum]


@compiled
def cover_greedily(
    references: FloatArray,
    nearest: FloatArray,
    candidates: FloatArray,
    places: FloatArray,
    count: int,
    min_chord2: float,
) -> IntArray:
    """Take the candidate that reduces the references' distances the most, and repeat.

    A candidate's gain never grows when others are taken. It is therefore enough to recompute the
    gain of the best candidate (lazy greedy; Minoux 1978, doi 10.1007/BFb0006528). Chords are used
    in place of distances.

    Args:
        references: [m, d] unit vectors, or points of another space.
        nearest: [m] chord from each reference to its nearest chosen tile; updated in place.
        candidates: [c, d] unit vectors, or points of that space.
        places: [c, 3] unit vectors of the candidates.
        count: Maximum number of candidates to take.
        min_chord2: Minimum squared chord between any two taken candidates.

    Returns:
        Positions of the taken candidates, in this order.
    """
    gains = np.full(len(candidates), np.inf)
    taken = np.empty(min(count, len(candidates)), np.int64)
    num_taken = 0
    while num_taken < len(taken):
        best = int(np.argmax(gains))
        if gains[best] < 0:  # all are taken or too close
            break
        gain = 0.0
        for r in range(len(references)):
            gain += max(nearest[r] - np.sqrt(distance2(references, r, candidates, best)), 0.0)
        if gain < gains[best]:
            gains[best] = gain
            continue
        taken[num_taken] = best
        num_taken += 1
        for r in range(len(references)):
            nearest[r] = min(nearest[r], np.sqrt(distance2(references, r, candidates, best)))
        for i in range(len(candidates)):
            if distance2(places, i, places, best) < min_chord2:
                gains[i] = -1.0
        gains[best] = -1.0
    return taken[:num_taken]
