"""Training, validation and test tiles that are kept apart on the ground.

Tiles near each other look alike, so a random split of tiles lets a model be tested on what it
was trained on (Roberts et al. 2017, doi 10.1111/ecog.02881). Here whole blocks of ground go to a
split, and no tile of one split lies within a buffer of a tile of another:

1. The sphere is cut into blocks: rows of latitude of equal height, each into equal columns, every
   side at least ``block_km`` long. A pole's row is one block, a cap.
2. Tiles that a chain of steps of at most ``buffer_km`` links are one group. A group over the rim
   of a block goes to the block that holds most of it. So nothing has to be left out for the
   buffer where tiles are chosen as sparsely as ``sample`` chooses them.
3. Blocks are given out one by one, the fullest first, equally full ones in a seeded order: each to
   the split that leaves the shares best, in each stratum and in all.
4. Only a group that is both wider than a block and larger than half of the smallest share is cut
   along blocks, as where every cell of a region is chosen: no split of it keeps its distance
   and loses no tile. There the tiles within the buffer of another split belong to none. Of
   ``train`` and a held-out split, ``train`` loses them; of ``val`` and ``test``, ``val``.

The buffer is measured between centres. Tiles of 10.68 km whose centres are more than 15.1 km apart
(their diagonal) share no pixel; the default, 20 km, leaves about 5 km between their corners.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.grid.sphere import EARTH_RADIUS_KM, FloatArray, chord_of_km

SPLITS = ("train", "val", "test")
"""Names of the splits; :func:`split_tiles` gives positions in this."""
IN_BUFFER = -1
"""Code of a tile that belongs to no split."""

IntArray = NDArray[np.int64]
Codes = NDArray[np.int8]


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """How tiles are split.

    Raises:
        InputError: If a value is out of its range, or shares do not add up to 1.
    """

    shares: tuple[float, float, float] = (0.9, 0.05, 0.05)
    """Of ``train``, ``val`` and ``test``."""
    block_km: float = 100.0
    """The least side of a block."""
    buffer_km: float = 20.0
    """Centres of tiles in different splits are further apart than this."""

    def __post_init__(self) -> None:
        shown = ",".join(f"{share:g}" for share in self.shares)
        if not all(0 <= share <= 1 for share in self.shares):  # NaN is not
            raise InputError(f"--split {shown}: a share must be between 0 and 1")
        if abs(sum(self.shares) - 1) > 1e-6:
            raise InputError(
                f"--split {shown}: the shares add up to {sum(self.shares):g}; wanted 1, as in "
                "0.9,0.05,0.05"
            )
        half_round_km = np.pi * EARTH_RADIUS_KM
        if not 0 <= self.buffer_km <= self.block_km <= half_round_km or not self.block_km:
            raise InputError(
                f"blocks of {self.block_km:g} km with a buffer of {self.buffer_km:g} km: wanted "
                f"0 ≤ buffer ≤ block ≤ {half_round_km:,.0f} km; give another --split-block-km"
            )

    @classmethod
    def parse(cls, text: str, *, block_km: float = block_km) -> "SplitOptions":
        """Read shares as in ``0.9,0.05,0.05``.

        Raises:
            InputError: If they are not three numbers between 0 and 1 that add up to 1.
        """
        try:
            train, val, test = map(float, text.split(","))
        except ValueError:
            raise InputError(
                f"--split {text!r}: wanted three shares, of train, val and test, as in "
                "0.9,0.05,0.05"
            ) from None
        return cls(shares=(train, val, test), block_km=block_km)


def split_tiles(points: FloatArray, strata: IntArray, options: SplitOptions, *, seed: int) -> Codes:
    """Split tiles by blocks of ground.

    The order of the tiles does not matter. Where reserves stand by, give them together with the
    selected tiles: then a reserve, too, keeps its distance.

    Args:
        points: [n, 3] unit vectors of the tiles' centres.
        strata: [n] code of each tile's stratum, from 0.
        options: Shares, blocks and buffer.
        seed: Draws the order in which blocks are given out.

    Returns:
        [n] positions in ``SPLITS``; ``IN_BUFFER`` for a tile that belongs to none, see above.
        Tiles of different splits are always more than ``options.buffer_km`` apart.
    """
    if not len(points):
        return np.empty(0, np.int8)
    pairs = _pairs_within(points, options.buffer_km)
    blocks = block_ids(points, options.block_km)
    blocks = _with_whole_groups(blocks, points, pairs, options)
    _, blocks = np.unique(blocks, return_inverse=True)
    codes = _give_out(blocks, strata, options.shares, np.random.default_rng(seed))[blocks]
    for losing, winning in ((1, (2,)), (0, (1, 2))):
        for near, far in (pairs.T, pairs.T[::-1]):
            meets = (codes[near] == losing) & np.isin(codes[far], winning)
            codes[near[meets]] = IN_BUFFER
    return codes


def block_ids(points: FloatArray, block_km: float) -> IntArray:
    """Number the blocks that points lie in.

    Args:
        points: [n, 3] unit vectors.
        block_km: Least side of a block, at most half round the Earth.
    """
    num_rows = max(1, int(np.pi * EARTH_RADIUS_KM / block_km))
    height = np.pi / num_rows
    lat, lon = np.arcsin(np.clip(points[:, 2], -1, 1)), np.arctan2(points[:, 1], points[:, 0])
    row = np.clip(((lat + np.pi / 2) / height).astype(np.int64), 0, num_rows - 1)
    # A row is narrowest at the edge that is nearer to a pole.
    edge = np.arange(num_rows + 1) * height - np.pi / 2
    narrowest = np.maximum(np.cos(np.maximum(np.abs(edge[:-1]), np.abs(edge[1:]))), 0)
    num_cols = np.maximum(2 * np.pi * EARTH_RADIUS_KM * narrowest / block_km, 1).astype(np.int64)
    col = ((lon / (2 * np.pi) + 0.5) * num_cols[row]).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(num_cols)[:-1]])
    return np.asarray(starts[row] + np.minimum(col, num_cols[row] - 1))


def _pairs_within(points: FloatArray, distance_km: float) -> IntArray:
    """Give the pairs [m, 2] of tiles that are no further apart."""
    # Imported here: each worker of an export imports this file, for the names of the splits.
    from scipy.spatial import cKDTree

    pairs = cKDTree(points).query_pairs(chord_of_km(distance_km), output_type="ndarray")
    return np.asarray(pairs, np.int64)


def _with_whole_groups(
    blocks: IntArray, points: FloatArray, pairs: IntArray, options: SplitOptions
) -> IntArray:
    """Give each group of linked tiles, unless it is too large, one block."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(pairs), np.int8), tuple(pairs.T)), shape=(len(points),) * 2)
    num_groups, group = connected_components(links, directed=False)
    low, high = np.full((num_groups, 3), 2.0), np.full((num_groups, 3), -2.0)
    np.minimum.at(low, group, points)
    np.maximum.at(high, group, points)
    # The diagonal of the box around a group: no less than the group is wide.
    narrow = np.linalg.norm(high - low, axis=1) <= chord_of_km(options.block_km)
    smallest_share = min(share for share in options.shares if share)
    small = np.bincount(group) <= smallest_share * len(points) / 2
    # Of each group, the block with most of its tiles; of several, the first.
    held, counts = np.unique(np.stack([group, blocks]), axis=1, return_counts=True)
    best = np.lexsort((held[1], -counts, held[0]))
    home = held[1][best[np.unique(held[0][best], return_index=True)[1]]]
    return np.where((narrow | small)[group], home[group], blocks)


def _give_out(
    blocks: IntArray, strata: IntArray, shares: Sequence[float], rng: np.random.Generator
) -> Codes:
    """Give each block [B] to a split, so that the shares come out best.

    What is made small is the sum, over strata and splits, of (tiles − wanted)² / wanted, as in
    Pearson's χ². All tiles together count as one more stratum, so that the many that are too
    small for a share of their own do not all go to ``train``.
    """
    num_strata, num_blocks = int(strata.max()) + 1, int(blocks.max()) + 1
    cells = blocks * (num_strata + 1) + strata
    cells = np.concatenate([cells, blocks * (num_strata + 1) + num_strata])
    cells, tiles = np.unique(cells, return_counts=True)
    block, stratum = np.divmod(cells, num_strata + 1)
    starts = np.searchsorted(block, np.arange(num_blocks + 1))
    members = [stratum[a:b] for a, b in itertools.pairwise(starts)]
    counts = [tiles[a:b, None] for a, b in itertools.pairwise(starts)]

    given = np.flatnonzero(shares)  # a split without a share gets nothing
    totals = np.bincount(stratum, tiles, minlength=num_strata + 1)
    wanted = np.maximum(totals, 1)[:, None] * np.asarray(shares)[given]
    excess = -wanted
    codes = np.empty(num_blocks, np.int64)
    drawn = rng.permutation(num_blocks)
    for b in drawn[np.argsort([-counts[b][-1, 0] for b in drawn], kind="stable")].tolist():
        s, k = members[b], counts[b]
        # What adding k does to (excess)² / wanted.
        codes[b] = np.argmin((k * (2 * excess[s] + k) / wanted[s]).sum(axis=0))
        excess[s, codes[b]] += k[:, 0]
    return given[codes].astype(np.int8)
