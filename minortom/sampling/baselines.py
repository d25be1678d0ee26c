"""Baseline selections without a search: random, farthest point and GRTS."""

import numpy as np
from numpy.typing import NDArray

from minortom.genetic import kernels
from minortom.sampling.strata import Strata, Tiles

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_STAGE = 0  # first word of the seeds of this file; the search uses 1 and 2
_GRTS_STAGE = 3
_MAX_LEVELS = 24  # 40,000 km / 2^24 is 2 m


def stratum_seed(seed: int, stage: int, *words: int) -> np.random.SeedSequence:
    """Return the seed of one stratum in one stage; it does not depend on the order of the work."""
    return np.random.SeedSequence(seed, spawn_key=(stage, *words))


def feasible_sizes(strata: Strata, requested: int | IntArray) -> IntArray:
    """Return the tiles to choose in each stratum [S]: min(N_s, n), N_s one number or [S]."""
    return np.minimum(strata.sizes, requested)


def kept_first(rows: IntArray, kept: BoolArray) -> tuple[IntArray, int]:
    """Return the rows with the kept ones first, and the number of kept ones."""
    is_kept = kept[rows]
    return np.concatenate([rows[is_kept], rows[~is_kept]]), int(is_kept.sum())


def random_selection(
    tiles: Tiles, sizes: IntArray, *, seed: int, kept: BoolArray | None = None
) -> IntArray:
    """Draw tiles of each stratum, all subsets equally likely (the paper's MTom_r).

    Args:
        tiles: Tiles and strata.
        sizes: [S] tiles to choose in each stratum.
        seed: Same seed, same tiles.
        kept: [n] mask of the tiles that must be selected; they count towards ``sizes``.

    Returns:
        Chosen rows, ascending.
    """
    kept = np.zeros(len(tiles), np.bool_) if kept is None else kept
    chosen = []
    for s, size in enumerate(sizes):
        rows, num_kept = kept_first(tiles.strata.rows(s), kept)
        generator = np.random.default_rng(stratum_seed(seed, _STAGE, s))
        drawn = generator.choice(rows[num_kept:], size - num_kept, replace=False)
        chosen += [rows[:num_kept], drawn]
    return np.sort(np.concatenate(chosen))


def farthest_point_selection(
    tiles: Tiles, sizes: IntArray, *, seed: int, kept: BoolArray | None = None
) -> IntArray:
    """Choose in each stratum the tile farthest from all chosen tiles, and repeat.

    This is the greedy solution of the k-centre problem (Gonzalez 1985). It starts from the kept
    tiles, or from one random tile. Arguments and result as in :func:`random_selection`.
    """
    kept = np.zeros(len(tiles), np.bool_) if kept is None else kept
    chosen = []
    for s, size in enumerate(sizes):
        rows, num_kept = kept_first(tiles.strata.rows(s), kept)
        if size == len(rows):
            chosen.append(rows)
            continue
        members = np.arange(size)
        if size and not num_kept:
            generator = np.random.default_rng(stratum_seed(seed, _STAGE, s))
            members[0] = generator.integers(len(rows))
        if size:
            kernels.farthest_point(tiles.points[rows], members, max(num_kept, 1))
        chosen.append(rows[members])
    return np.sort(np.concatenate(chosen))


def grts_selection(
    tiles: Tiles, sizes: IntArray, *, seed: int, kept: BoolArray | None = None
) -> IntArray:
    """Draw spatially balanced tiles of each stratum, all tiles equally likely.

    Generalised random tessellation stratified sampling (GRTS; Stevens and Olsen 2004, doi
    10.1198/016214504000000250). Quadrants of an equal-area map are subdivided, each in random
    order, until no two tiles share one. This orders the tiles along a line. Every (n/k)-th tile
    on the line is taken, from a random start. Kept tiles are taken first. The map is cut at the
    antimeridian. Arguments and result as in :func:`random_selection`.
    """
    kept = np.zeros(len(tiles), np.bool_) if kept is None else kept
    chosen = []
    for s, size in enumerate(sizes):
        rows, num_kept = kept_first(tiles.strata.rows(s), kept)
        free, count = rows[num_kept:], int(size) - num_kept
        chosen += [rows[:num_kept]]
        if count:
            generator = np.random.default_rng(stratum_seed(seed, _GRTS_STAGE, s))
            line = free[random_quadrant_order(tiles.points[free], generator)]
            step = len(free) / count
            places = (generator.random() + np.arange(count)) * step
            chosen += [line[places.astype(np.int64)]]
    return np.sort(np.concatenate(chosen))


def random_quadrant_order(points: FloatArray, generator: np.random.Generator) -> IntArray:
    """Return an order of points [n, 3] that visits all points of a quadrant one after another."""
    longitude = np.arctan2(points[:, 1], points[:, 0])
    plane = np.stack([longitude, points[:, 2]], axis=1)  # Lambert's cylindrical equal-area map
    low, high = plane.min(axis=0), plane.max(axis=0)
    cells = (plane - low) / np.where(high > low, high - low, 1)  # 0 to 1
    address = np.zeros(len(points), np.int64)  # number of the quadrant along the line
    for _ in range(_MAX_LEVELS):
        cells = np.minimum(cells, np.nextafter(1, 0)) * 2
        halves = cells.astype(np.int64)
        cells -= halves
        quadrants, of_point = np.unique(address, return_inverse=True)
        if len(quadrants) == len(points):
            break
        order = generator.permuted(np.tile(np.arange(4), (len(quadrants), 1)), axis=1)
        address = of_point * 4 + order[of_point, 2 * halves[:, 0] + halves[:, 1]]
    return np.lexsort([generator.random(len(points)), address])  # duplicates in random order
