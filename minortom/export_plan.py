"""What an export will do: which tiles, in which split and order, in which shard.

All of it is a function of the seed and of names: not of workers, of the order in which files
list things, or of interruptions.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import pyarrow as pa

from minortom.pairing import Pairs
from minortom.patches import BLOCK_PX
from minortom.shard_layout import SampleSpec
from minortom.split import SPLITS

VAL_SHARE = 0.05
"""Share of the cells whose patches are ``val`` where the selection does not say."""
WINDOW_TILES = 36
"""Tiles whose patches are mixed, and held in memory: 2,304 patches of 120 px, 0.5 GB."""


@dataclass(frozen=True, kw_only=True)
class PlannedTile:
    """One cell to export: where its tiles lie, and what its patches will carry."""

    cell: str
    climate: str
    landcover: str
    stratum: str
    split: str
    s2_product_id: str
    s1_product_id: str
    s2_timestamp: datetime | None
    s1_timestamp: datetime | None
    dt_days: float | None
    """Sentinel-1 minus Sentinel-2."""
    s2_part: str
    s2_row: int
    s1_part: str
    s1_row: int


def plan_tiles(rows: pa.Table, pairs: Pairs, *, seed: int) -> list[PlannedTile]:
    """Join selected cells with the archives' pairs; those without a pair are left out."""
    paired = {row["grid_cell"]: row for row in pairs.table.to_pylist()}
    tiles = []
    for row in rows.to_pylist():
        pair, cell = paired.get(row["grid_cell"]), row["grid_cell"]
        if pair is None:
            continue
        tiles.append(
            PlannedTile(
                cell=cell, climate=row["climate"], landcover=row["landcover"],
                stratum=row["stratum"], split=row.get("split") or split_of(cell, seed),
                s2_product_id=pair["s2_product_id"], s1_product_id=pair["s1_product_id"],
                s2_timestamp=pair["s2_timestamp"], s1_timestamp=pair["s1_timestamp"],
                dt_days=pair["dt_days"], s2_part=pair["s2_part"], s2_row=pair["s2_row"],
                s1_part=pair["s1_part"], s1_row=pair["s1_row"],
            )
        )  # fmt: skip
    return tiles


def place_of(cell: str, seed: int) -> tuple[int, str]:
    """Draw a cell's place among others of its split."""
    return _draw(seed, "tile", cell), cell


def in_order(tiles: Iterable[PlannedTile], *, seed: int) -> list[PlannedTile]:
    """Order tiles as they are exported: split by split, each in an order that is drawn."""
    ranks = {name: rank for rank, name in enumerate(SPLITS)}

    def key(tile: PlannedTile) -> tuple[int, str, tuple[int, str]]:
        return ranks.get(tile.split, len(ranks)), tile.split, place_of(tile.cell, seed)

    return sorted(tiles, key=key)


def tiles_per_shard(spec: SampleSpec, shard_bytes: int) -> int:
    """Say how many tiles' patches, if all are valid, come to ``shard_bytes``.

    So one shard is finished, and stays as it is, before the next one's tiles are known.
    """
    patches_per_tile = max(1, BLOCK_PX // spec.patch_px) ** 2
    return max(1, shard_bytes // (spec.sample_bytes * patches_per_tile))


def shards_of(tiles: Sequence[PlannedTile], per_shard: int) -> list[range]:
    """Cut ordered tiles into shards, none with tiles of two splits; give their positions.

    So whoever takes whole files, as the hub's viewer and `datasets` do, has true splits.
    """
    shards, first = [], 0
    for _, alike in groupby(tiles, key=lambda tile: tile.split):
        end = first + len(list(alike))
        shards += [range(at, min(at + per_shard, end)) for at in range(first, end, per_shard)]
        first = end
    return shards


def windows_of(shard: range) -> list[range]:
    """Cut a shard's tiles into windows whose patches are mixed with each other."""
    return [shard[first : first + WINDOW_TILES] for first in range(0, len(shard), WINDOW_TILES)]


def split_of(cell: str, seed: int) -> str:
    """Draw ``val`` or ``train`` for a cell: always the same one for a seed."""
    return "val" if _draw(seed, "split", cell) < VAL_SHARE * 2**64 else "train"


def patch_key(cell: str, row: int, col: int, *, seed: int) -> int:
    """Draw a patch's place in its window: patches are sorted by this number."""
    return _draw(seed, "patch", cell, str(row), str(col))


def _draw(seed: int, *names: str) -> int:
    """Draw a number below 2**64 that depends on the seed and the names alone."""
    text = "\0".join((str(seed), *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
