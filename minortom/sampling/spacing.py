"""A least distance between chosen tiles, over all strata: what is too near goes, others come."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # it publishes no types

from minortom.errors import InputError
from minortom.grid.sphere import EARTH_RADIUS_KM, chord_of_km, km_of_chord
from minortom.sampling.strata import Tiles

HALF_CIRCUMFERENCE_KM = np.pi * EARTH_RADIUS_KM
_SLACK = 1 + 1e-9  # two tiles at just the least distance, within rounding, count as too near

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def least_chord2(min_distance_km: float) -> float:
    """Turn a least distance into the squared chord that two chosen tiles keep at least.

    Raises:
        InputError: If no two points on Earth could be so far apart, or it is not above zero.
    """
    if not 0 < min_distance_km <= HALF_CIRCUMFERENCE_KM:
        raise InputError(
            f"--min-distance-km must be above 0 and at most {HALF_CIRCUMFERENCE_KM:,.0f}, half "
            f"round the Earth, not {min_distance_km:g}"
        )
    return (chord_of_km(min_distance_km) * _SLACK) ** 2


def check_kept_apart(
    tiles: Tiles, kept: BoolArray, min_distance_km: float, names: Iterable[str]
) -> None:
    """Make sure that the tiles that must be in are far enough from each other.

    Args:
        tiles: Tiles and strata.
        kept: [n] tiles that must be in.
        min_distance_km: The least distance.
        names: The tiles' names, for the message.

    Raises:
        InputError: If two of them are too near; it names the nearest two.
    """
    rows = np.flatnonzero(kept)
    if len(rows) < 2:
        return
    chords, neighbours = cKDTree(tiles.points[rows]).query(tiles.points[rows], k=2)
    nearest = int(np.argmin(chords[:, 1]))
    if chords[nearest, 1] ** 2 < least_chord2(min_distance_km):
        # Of two in one place, either may be found as the nearest to itself.
        partner = next(i for i in neighbours[nearest].tolist() if i != nearest)
        one, other = np.array(list(names))[rows[sorted((nearest, partner))]].tolist()
        raise InputError(
            f"the cells {one} and {other} are to be kept but only "
            f"{float(km_of_chord(chords[nearest, 1])):,.1f} km apart; --min-distance-km is "
            f"{min_distance_km:g}: keep one of them, or ask for less"
        )


def keep_apart(tiles: Tiles, rows: IntArray, kept: BoolArray, min_chord2: float) -> IntArray:
    """Exchange chosen tiles until no two, of whatever strata, are nearer than that.

    Kept tiles stay. The others stay in turn, those of the smallest stratum first, as long as
    they are far enough from all before. In the same order each stratum then takes in, for each
    tile that went, the tile that is farthest from all chosen ones, as long as one is far enough:
    else it stays short.

    Args:
        tiles: Tiles and strata.
        rows: Chosen rows, ascending.
        kept: [n] tiles that must be in, far enough from each other.
        min_chord2: Least squared chord, from :func:`least_chord2`.

    Returns:
        Chosen rows, ascending.
    """
    stay = _those_that_stay(tiles, rows, kept, min_chord2)
    if stay.all():
        return rows
    codes, chosen = tiles.strata.codes, rows[stay]
    short = np.bincount(codes[rows[~stay]], minlength=len(tiles.strata))
    order = np.argsort(tiles.strata.sizes, kind="stable")
    for s in order[short[order] > 0]:
        free = np.setdiff1d(tiles.strata.rows(int(s)), chosen, assume_unique=True)
        found = farthest_rows(tiles, free, chosen, int(short[s]), min_chord2)
        chosen = np.concatenate([chosen, found])
    return np.sort(chosen)


def farthest_rows(
    tiles: Tiles, free: IntArray, chosen: IntArray, count: int, min_chord2: float
) -> IntArray:
    """Take, again and again, the free tile farthest from those chosen and taken before.

    Args:
        tiles: Tiles and strata.
        free: Rows to take from.
        chosen: Rows to be far from.
        count: Rows to take at most.
        min_chord2: Rows nearer than that, as a squared chord above zero, are not taken.

    Returns:
        The rows in the order in which they were taken.
    """
    points, taken = tiles.points[free], np.empty(min(count, len(free)), np.int64)
    nearest = np.full(len(free), 4.0)
    if len(chosen) and len(free):
        nearest = cKDTree(tiles.points[chosen]).query(points)[0] ** 2
    for i in range(len(taken)):
        best = int(np.argmax(nearest))
        if nearest[best] < min_chord2:
            return free[taken[:i]]
        taken[i] = best
        nearest = np.minimum(nearest, np.square(points - points[best]).sum(axis=1))
    return free[taken]


def _those_that_stay(tiles: Tiles, rows: IntArray, kept: BoolArray, min_chord2: float) -> BoolArray:
    """Mark the chosen rows that stay; of tiles of one stratum those with fewer near ones first."""
    pairs = cKDTree(tiles.points[rows]).query_pairs(np.sqrt(min_chord2), output_type="ndarray")
    conflicts = np.bincount(pairs.ravel(), minlength=len(rows))
    starts = np.concatenate([[0], np.cumsum(conflicts)])
    both_ways = np.concatenate([pairs, pairs[:, ::-1]])
    near = both_ways[np.argsort(both_ways[:, 0], kind="stable"), 1]
    of_stratum = tiles.strata.sizes[tiles.strata.codes[rows]]
    order = np.lexsort([rows, conflicts, of_stratum, ~kept[rows]])
    stay = np.zeros(len(rows), np.bool_)
    for i in order:
        stay[i] = not stay[near[starts[i] : starts[i + 1]]].any()
    return stay
