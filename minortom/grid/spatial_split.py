"""Training, validation and test tiles that are kept apart on the ground.

Neighbouring tiles look alike. A random split of tiles would therefore test a model on what it was
trained on (Roberts et al. 2017, doi 10.1111/ecog.02881). Here whole blocks of ground are assigned
to a split, and no tile of one split is within a buffer of a tile of another:

1. The sphere is divided into blocks: rows of latitude of equal height, each divided into equal
   columns. Every side is at least ``block_km`` long. The row at a pole is one block, a cap.
2. Tiles that are linked by a chain of steps of at most ``buffer_km`` form a group. A group across
   the border of blocks is assigned to the block that contains most of its tiles. If tiles are as
   sparse as those that ``sample`` selects, no tile has to be left out for the buffer.
3. Blocks are assigned one by one: the block with most tiles first, in a seeded order for equal
   numbers. Each goes to the split that brings the shares closest to the requested shares, in each
   stratum and in total. Strata of one or two tiles would all go to the split with the largest
   share. If this leaves a split empty, the blocks are assigned again by the total alone (see
   ``_assign_few``), and the second assignment is used if it leaves fewer splits empty.
4. A group is divided along blocks only if it is both wider than a block and larger than half of the
   smallest share, as where every cell of a region is selected. No split of such a group keeps the
   buffer without losing tiles. Tiles within the buffer of another split then belong to no split:
   between ``train`` and another split the tiles of ``train`` are left out, between ``val`` and
   ``test`` those of ``val``.

The buffer is measured between centres. Tiles of 10.68 km share no pixel if their centres are more
than 15.1 km apart (their diagonal). The default of 20 km leaves about 5 km between their corners.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.grid.sphere import EARTH_RADIUS_KM, FloatArray, chord_of_km

SPLITS = ("train", "val", "test")
"""Names of the splits; :func:`split_tiles` returns indices into them."""
_REPEATED = 0.5
"""Cost of a stratum that a split already has; a tile of a split without any costs −2 or more."""
IN_BUFFER = -1
"""Code of a tile that belongs to no split because of the buffer."""

IntArray = NDArray[np.int64]
Codes = NDArray[np.int8]


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """Shares, blocks and buffer of a split.

    Raises:
        InputError: If a value is out of range, or the shares do not add up to 1.
    """

    shares: tuple[float, float, float] = (0.9, 0.05, 0.05)
    """Shares of ``train``, ``val`` and ``test``, 0 to 1."""
    block_km: float = 100.0
    """Minimum side of a block, in km."""
    buffer_km: float = 20.0
    """Distance in km that the centres of tiles in different splits exceed."""

    def __post_init__(self) -> None:
        shown = ",".join(f"{share:g}" for share in self.shares)
        if not all(0 <= share <= 1 for share in self.shares):  # NaN is not
            raise InputError(f"expected --split shares between 0 and 1, found {shown}")
        if abs(sum(self.shares) - 1) > 1e-6:
            raise InputError(
                f"expected --split shares that add up to 1, as in 0.9,0.05,0.05, found {shown}, "
                f"which add up to {sum(self.shares):g}"
            )
        half_circumference_km = np.pi * EARTH_RADIUS_KM
        in_order = 0 <= self.buffer_km <= self.block_km <= half_circumference_km
        if not in_order or not self.block_km:
            raise InputError(
                f"expected 0 ≤ buffer ≤ block ≤ {half_circumference_km:,.0f} km, found blocks of "
                f"{self.block_km:g} km with a buffer of {self.buffer_km:g} km; give another "
                "--split-block-km"
            )

    @classmethod
    def parse(cls, text: str, *, block_km: float = block_km) -> "SplitOptions":
        """Parse shares as in ``0.9,0.05,0.05``.

        Raises:
            InputError: If they are not three numbers between 0 and 1 that add up to 1.
        """
        try:
            train, val, test = map(float, text.split(","))
        except ValueError:
            raise InputError(
                "expected --split with three shares, of train, val and test, as in "
                f"0.9,0.05,0.05, found {text!r}"
            ) from None
        return cls(shares=(train, val, test), block_km=block_km)


def split_tiles(points: FloatArray, strata: IntArray, options: SplitOptions, *, seed: int) -> Codes:
    """Split tiles by blocks of ground.

    The result does not depend on the order of the tiles. Pass reserves together with the selected
    tiles, so that the buffer applies to reserves too.

    Args:
        points: [n, 3] unit vectors of the tiles' centres.
        strata: [n] code of each tile's stratum, from 0.
        options: Shares, blocks and buffer.
        seed: Seed of the order in which blocks are assigned.

    Returns:
        [n] indices into ``SPLITS``; ``IN_BUFFER`` for a tile that belongs to no split, see above.
        Tiles of different splits are always more than ``options.buffer_km`` apart.
    """
    if not len(points):
        return np.empty(0, np.int8)
    pairs = _pairs_within(points, options.buffer_km)
    blocks = block_ids(points, options.block_km)
    blocks = _with_whole_groups(blocks, points, pairs, options)
    _, blocks = np.unique(blocks, return_inverse=True)
    codes = _split_of_blocks(blocks, strata, options.shares, seed=seed)[blocks]
    for losing, winning in ((1, (2,)), (0, (1, 2))):
        for near, far in (pairs.T, pairs.T[::-1]):
            meets = (codes[near] == losing) & np.isin(codes[far], winning)
            codes[near[meets]] = IN_BUFFER
    return codes


def block_ids(points: FloatArray, block_km: float) -> IntArray:
    """Return the number of the block that contains each point.

    Args:
        points: [n, 3] unit vectors.
        block_km: Minimum side of a block in km, at most half the circumference of the Earth.
    """
    num_rows = max(1, int(np.pi * EARTH_RADIUS_KM / block_km))
    height = np.pi / num_rows
    lat, lon = np.arcsin(np.clip(points[:, 2], -1, 1)), np.arctan2(points[:, 1], points[:, 0])
    row = np.clip(((lat + np.pi / 2) / height).astype(np.int64), 0, num_rows - 1)
    # A row is narrowest at the edge nearer to a pole.
    edge = np.arange(num_rows + 1) * height - np.pi / 2
    narrowest = np.maximum(np.cos(np.maximum(np.abs(edge[:-1]), np.abs(edge[1:]))), 0)
    num_cols = np.maximum(2 * np.pi * EARTH_RADIUS_KM * narrowest / block_km, 1).astype(np.int64)
    col = ((lon / (2 * np.pi) + 0.5) * num_cols[row]).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(num_cols)[:-1]])
    return np.asarray(starts[row] + np.minimum(col, num_cols[row] - 1))


def _pairs_within(points: FloatArray, distance_km: float) -> IntArray:
    """Return the pairs [m, 2] of tiles at most this far apart."""
    # Imported here because each worker of an export imports this file for the names of the splits.
    from scipy.spatial import cKDTree

    pairs = cKDTree(points).query_pairs(chord_of_km(distance_km), output_type="ndarray")
    return np.asarray(pairs, np.int64)


def _with_whole_groups(
    blocks: IntArray, points: FloatArray, pairs: IntArray, options: SplitOptions
) -> IntArray:
    """Return blocks [n] in which each group of linked tiles that is not too large has one block."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(pairs), np.int8), tuple(pairs.T)), shape=(len(points),) * 2)
    num_groups, group = connected_components(links, directed=False)
    low, high = np.full((num_groups, 3), 2.0), np.full((num_groups, 3), -2.0)
    np.minimum.at(low, group, points)
    np.maximum.at(high, group, points)
    # The diagonal of the box around a group is at least as long as the group is wide.
    narrow = np.linalg.norm(high - low, axis=1) <= chord_of_km(options.block_km)
    smallest_share = min(share for share in options.shares if share)
    small = np.bincount(group) <= smallest_share * len(points) / 2
    # The block with most tiles of each group; in a tie the first.
    held, counts = np.unique(np.stack([group, blocks]), axis=1, return_counts=True)
    best = np.lexsort((held[1], -counts, held[0]))
    home = held[1][best[np.unique(held[0][best], return_index=True)[1]]]
    return np.where((narrow | small)[group], home[group], blocks)


def _split_of_blocks(
    blocks: IntArray, strata: IntArray, shares: Sequence[float], *, seed: int
) -> Codes:
    """Return the split of each block [B]: by strata, or by the total if it fills more splits."""
    of_strata = _assign_blocks(blocks, strata, shares, np.random.default_rng(seed))
    if len(np.unique(of_strata)) == np.count_nonzero(shares):
        return of_strata
    of_total = _assign_few(blocks, strata, shares, np.random.default_rng(seed))
    return max(of_strata, of_total, key=lambda codes: len(np.unique(codes)))


def _assign_few(
    blocks: IntArray, strata: IntArray, shares: Sequence[float], rng: np.random.Generator
) -> Codes:
    """Return the split of each block [B] where most strata have too few tiles for every share.

    The split with the largest share, usually ``train``, gets one block of each stratum, strata in
    most blocks first, until it has its share. Each other block goes to the split that brings the
    total closest to the requested shares, preferably one without its strata. Blocks whose strata
    are in the first split come first, so that held-out tiles have counterparts in ``train``.
    """
    tiles, order = np.bincount(blocks), rng.permutation(int(blocks.max()) + 1).tolist()
    strata_of = [set(strata[blocks == b].tolist()) for b in range(len(tiles))]
    spread = np.bincount([s for of_block in strata_of for s in of_block])
    splits = np.flatnonzero(shares)
    requested = len(blocks) * np.asarray(shares)[splits]
    main, excess = int(np.argmax(requested)), -requested
    codes: IntArray = np.full(len(tiles), -1, np.int64)
    present = [set[int]() for _ in splits]

    def assign(b: int, code: int) -> None:
        codes[b], excess[code] = code, excess[code] + tiles[b]
        present[code] |= strata_of[b]

    for b in sorted(order, key=lambda b: -max(spread[list(strata_of[b])])):
        if not strata_of[b] <= present[main] and excess[main] + tiles[b] <= 0:
            assign(b, main)
    rest = [b for b in order if codes[b] < 0]
    for b in sorted(rest, key=lambda b: not strata_of[b] <= present[main]):
        cost = tiles[b] * (2 * excess + tiles[b]) / requested
        repeated = [len(strata_of[b] & found) for found in present]
        assign(b, int(np.argmin(cost + _REPEATED * np.array(repeated))))
    return splits[codes].astype(np.int8)


def _assign_blocks(
    blocks: IntArray, strata: IntArray, shares: Sequence[float], rng: np.random.Generator
) -> Codes:
    """Return the split of each block [B] that brings the shares closest to the requested ones.

    The sum over strata and splits of (tiles − requested)² / requested is minimised greedily, as in
    Pearson's χ². All tiles together count as one more stratum. Otherwise the many strata that are
    too small for a share would all be assigned to ``train``.
    """
    num_strata, num_blocks = int(strata.max()) + 1, int(blocks.max()) + 1
    cells = blocks * (num_strata + 1) + strata
    cells = np.concatenate([cells, blocks * (num_strata + 1) + num_strata])
    cells, tiles = np.unique(cells, return_counts=True)
    block, stratum = np.divmod(cells, num_strata + 1)
    starts = np.searchsorted(block, np.arange(num_blocks + 1))
    members = [stratum[a:b] for a, b in itertools.pairwise(starts)]
    counts = [tiles[a:b, None] for a, b in itertools.pairwise(starts)]

    splits = np.flatnonzero(shares)  # a split without a share has no tiles
    totals = np.bincount(stratum, tiles, minlength=num_strata + 1)
    requested = np.maximum(totals, 1)[:, None] * np.asarray(shares)[splits]
    excess = -requested
    codes = np.empty(num_blocks, np.int64)
    order = rng.permutation(num_blocks)
    for b in order[np.argsort([-counts[b][-1, 0] for b in order], kind="stable")].tolist():
        s, k = members[b], counts[b]
        # Change of (excess)² / requested by adding k.
        codes[b] = np.argmin((k * (2 * excess[s] + k) / requested[s]).sum(axis=0))
        excess[s, codes[b]] += k[:, 0]
    return splits[codes].astype(np.int8)
