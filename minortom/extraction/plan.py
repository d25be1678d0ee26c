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

from minortom.archive.pairing import Pairs
from minortom.errors import InputError
from minortom.extraction.options import ExportOptions
from minortom.extraction.patch_grid import patches_per_tile
from minortom.grid.spatial_split import SPLITS

VAL_SHARE = 0.05
"""Share of the cells whose patches are ``val`` where the selection does not say."""
WINDOW_BYTES = 500_000_000
"""Patches that are mixed, and held in memory: 2,304 of 120 px, those of 36 tiles."""


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


def tiles_per_shard(options: ExportOptions) -> int:
    """Say how many tiles' patches, if all are valid, come to the bytes of a shard.

    So one shard is finished, and stays as it is, before the next one's tiles are known.
    """
    return max(1, options.shard_bytes // bytes_per_tile(options))


def bytes_per_tile(options: ExportOptions) -> int:
    """Count the bytes of the patches of a full tile.

    Raises:
        InputError: If they are more than can be held in memory and mixed.
    """
    num_bytes = options.spec.sample_bytes * patches_per_tile(options)
    if num_bytes > WINDOW_BYTES:
        raise InputError(
            f"a stride of {options.step_px} px gives {patches_per_tile(options):,} patches a tile, "
            f"{num_bytes / 1e9:.1f} GB; {WINDOW_BYTES / 1e9:g} GB can be mixed: give a longer "
            "--stride"
        )
    return num_bytes


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


def windows_of(shard: range, options: ExportOptions) -> list[range]:
    """Cut a shard's tiles into windows whose patches are mixed with each other."""
    count = WINDOW_BYTES // bytes_per_tile(options)
    return [shard[first : first + count] for first in range(0, len(shard), count)]


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
