"""Plan of an export: tiles, their splits, their order and their shards.

The plan depends on the seed and on names alone. It does not depend on workers, on the order of rows
in files, or on interruptions.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

import pyarrow as pa

from minortom.archive.pairing import Pairs
from minortom.errors import InputError
from minortom.extraction.options import ExportOptions
from minortom.extraction.patch_grid import patches_per_tile
from minortom.grid.spatial_split import SPLITS

VAL_SHARE = 0.05
"""Share of the cells in the split ``val`` where the selection has no splits."""
WINDOW_BYTES = 500_000_000
"""Patches that are shuffled together in memory, in bytes: 2,304 patches of 120 px, of 36 tiles."""


@dataclass(frozen=True, kw_only=True)
class PlannedTile:
    """One cell to export: its rows in the archives, and the metadata of its patches."""

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
    """Time of Sentinel-1 minus time of Sentinel-2."""
    s2_part: str
    s2_row: int
    s1_part: str
    s1_row: int
    further: Mapping[str, object] = field(default_factory=dict)
    """Values of further metadata columns, by name."""


def plan_tiles(
    rows: pa.Table, pairs: Pairs, *, columns: Sequence[str] = (), seed: int
) -> list[PlannedTile]:
    """Join selected cells with the pairs of the archives; drop cells without a pair.

    Args:
        rows: Selected tiles or reserves.
        pairs: Rows of the archives.
        columns: Columns of ``rows`` that become metadata columns.
        seed: Seed of the splits where the selection has none.
    """
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
                further={name: row[name] for name in columns},
            )
        )  # fmt: skip
    return tiles


def place_of(cell: str, seed: int) -> tuple[int, str]:
    """Return the random sort key of a cell among the cells of its split."""
    return _draw(seed, "tile", cell), cell


def in_order(tiles: Iterable[PlannedTile], *, seed: int) -> list[PlannedTile]:
    """Order tiles for the export: by split, in random order in each split."""
    ranks = {name: rank for rank, name in enumerate(SPLITS)}

    def key(tile: PlannedTile) -> tuple[int, str, tuple[int, str]]:
        return ranks.get(tile.split, len(ranks)), tile.split, place_of(tile.cell, seed)

    return sorted(tiles, key=key)


def tiles_per_shard(options: ExportOptions) -> int:
    """Return the number of tiles in a shard, for its size if all patches are valid.

    The number is fixed, so that a shard can be finished before the tiles of the next one are read.
    """
    return max(1, options.shard_bytes // bytes_per_tile(options))


def bytes_per_tile(options: ExportOptions) -> int:
    """Return the size of the patches of a full tile in bytes.

    Raises:
        InputError: If they are too large to be shuffled in memory.
    """
    num_bytes = options.spec.sample_bytes * patches_per_tile(options)
    if num_bytes > WINDOW_BYTES:
        raise InputError(
            f"the patches of a tile must take at most {WINDOW_BYTES / 1e9:g} GB, found "
            f"{num_bytes / 1e9:.1f} GB: {patches_per_tile(options):,} patches with a stride of "
            f"{options.step_px} px; give a longer --stride"
        )
    return num_bytes


def shards_of(tiles: Sequence[PlannedTile], per_shard: int) -> list[range]:
    """Divide ordered tiles into shards, each of one split; return their positions.

    Readers that take whole files as splits, such as `datasets` and the viewer of the hub, then have
    the right splits.
    """
    shards, first = [], 0
    for _, alike in groupby(tiles, key=lambda tile: tile.split):
        end = first + len(list(alike))
        shards += [range(at, min(at + per_shard, end)) for at in range(first, end, per_shard)]
        first = end
    return shards


def windows_of(shard: range, options: ExportOptions) -> list[range]:
    """Divide the tiles of a shard into windows whose patches are shuffled together."""
    count = WINDOW_BYTES // bytes_per_tile(options)
    return [shard[first : first + count] for first in range(0, len(shard), count)]


def split_of(cell: str, seed: int) -> str:
    """Return the random split of a cell, ``val`` or ``train``; the same for the same seed."""
    return "val" if _draw(seed, "split", cell) < VAL_SHARE * 2**64 else "train"


def patch_key(cell: str, row: int, col: int, *, seed: int) -> int:
    """Return the random number by which patches are sorted in their window."""
    return _draw(seed, "patch", cell, str(row), str(col))


def _draw(seed: int, *names: str) -> int:
    """Return a random number below 2**64 that depends on the seed and the names alone."""
    text = "\0".join((str(seed), *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
