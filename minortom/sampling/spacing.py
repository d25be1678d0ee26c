"""The minimum distance between chosen tiles of all strata: check it, and replace close tiles."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # it publishes no types

from minortom.errors import InputError
from minortom.grid.sphere import EARTH_RADIUS_KM, chord_of_km, km_of_chord
from minortom.sampling.strata import Tiles

HALF_CIRCUMFERENCE_KM = np.pi * EARTH_RADIUS_KM
_SLACK = 1 + 1e-9  # two tiles at the minimum distance, within rounding, count as too close

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def min_chord2_of(min_distance_km: float) -> float:
    """Return the minimum squared chord for a minimum distance between chosen tiles.

    Raises:
        InputError: If the distance is not above zero, or longer than half the Earth's
            circumference.
    """
    if not 0 < min_distance_km <= HALF_CIRCUMFERENCE_KM:
        raise InputError(
            f"--min-distance-km must be above 0 and at most {HALF_CIRCUMFERENCE_KM:,.0f}, half "
            f"the Earth's circumference, found {min_distance_km:g}"
        )
    return (chord_of_km(min_distance_km) * _SLACK) ** 2


def check_kept_apart(
    tiles: Tiles, kept: BoolArray, min_distance_km: float, names: Iterable[str]
) -> None:
    """Check that the kept tiles are far enough from each other.

    Args:
        tiles: Tiles and strata.
        kept: [n] mask of the tiles that must be selected.
        min_distance_km: Minimum distance.
        names: Names of the tiles, for the error message.

    Raises:
        InputError: If two kept tiles are too close; it names the closest two.
    """
    rows = np.flatnonzero(kept)
    if len(rows) < 2:
        return
    chords, neighbours = cKDTree(tiles.points[rows]).query(tiles.points[rows], k=2)
    nearest = int(np.argmin(chords[:, 1]))
    if chords[nearest, 1] ** 2 < min_chord2_of(min_distance_km):
        # For two tiles at one point, the tree may return a tile as its own neighbour.
        partner = next(i for i in neighbours[nearest].tolist() if i != nearest)
        one, other = np.array(list(names))[rows[sorted((nearest, partner))]].tolist()
        raise InputError(
            f"kept cells must be at least {min_distance_km:g} km apart (--min-distance-km), found "
            f"{one} and {other} at {float(km_of_chord(chords[nearest, 1])):,.1f} km; remove one of "
            "them from --keep, or lower --min-distance-km"
        )


def keep_apart(tiles: Tiles, rows: IntArray, kept: BoolArray, min_chord2: float) -> IntArray:
    """Replace chosen tiles until any two, of all strata, have the minimum distance.

    Kept tiles stay. The other chosen tiles are examined from the smallest stratum to the largest;
    a tile stays if it is far enough from all tiles that stay before it. Then each stratum, in
    the same order, replaces its removed tiles one by one with the tile that is farthest from all
    chosen tiles. If no tile is far enough, the stratum has fewer tiles than requested.

    Args:
        tiles: Tiles and strata.
        rows: Chosen rows, ascending.
        kept: [n] mask of the tiles that must be selected; they are far enough from each other.
        min_chord2: Minimum squared chord, from :func:`min_chord2_of`.

    Returns:
        Chosen rows, ascending.
    """
    stay = _staying_mask(tiles, rows, kept, min_chord2)
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
    """Take the free tile farthest from all chosen and taken tiles, and repeat.

    Args:
        tiles: Tiles and strata.
        free: Rows to take from.
        chosen: Rows that are chosen already.
        count: Maximum number of rows to take.
        min_chord2: Minimum squared chord (above zero) from a taken row to all others.

    Returns:
        The taken rows, in this order.
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


def _staying_mask(tiles: Tiles, rows: IntArray, kept: BoolArray, min_chord2: float) -> BoolArray:
    """Return a mask of the chosen rows that stay.

    Within a stratum, tiles with fewer close neighbours are examined first.
    """
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
