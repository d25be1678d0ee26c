"""Selections without a search: random, and farthest point. For comparison, and to start from."""

import numpy as np
from numpy.typing import NDArray

from minortom import kernels
from minortom.strata import Strata, Tiles

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_STAGE = 0  # first word of the seeds drawn here; the search has others


def stratum_seed(seed: int, stage: int, *words: int) -> np.random.SeedSequence:
    """Give the seed of one stratum's part in one stage, whoever works on it and when."""
    return np.random.SeedSequence(seed, spawn_key=(stage, *words))


def wanted_sizes(strata: Strata, wanted: int | IntArray) -> IntArray:
    """Give the tiles to choose in each stratum [S]: min(N_s, n), N_s one number or [S]."""
    return np.minimum(strata.sizes, wanted)


def kept_first(rows: IntArray, kept: BoolArray) -> tuple[IntArray, int]:
    """Put the rows that must be in before the others; tell how many they are."""
    is_kept = kept[rows]
    return np.concatenate([rows[is_kept], rows[~is_kept]]), int(is_kept.sum())


def random_selection(
    tiles: Tiles, sizes: IntArray, *, seed: int, kept: BoolArray | None = None
) -> IntArray:
    """Draw so many tiles of each stratum, each subset equally likely (the paper's MTom_r).

    Args:
        tiles: Tiles and strata.
        sizes: [S] tiles to choose in each stratum.
        seed: Same seed, same tiles.
        kept: [n] tiles that must be in; they count towards ``sizes``.

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
    """Choose in each stratum, again and again, the tile farthest from those chosen.

    The greedy answer to the k-centre problem (Gonzalez 1985). It starts from the kept tiles, or
    from one drawn tile. Arguments and result as in :func:`random_selection`.
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
