"""What an export will do: which tiles, in which split and order, in which shard.

All of it is a function of the seed and of names: not of workers, of the order in which files
list things, or of interruptions.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from minortom.archive import Pairs
from minortom.errors import ArchiveError, InputError
from minortom.geoparquet import read_table
from minortom.patches import BLOCK_PX
from minortom.shard_layout import SampleSpec

VAL_SHARE = 0.05
"""Share of the cells whose patches are ``val`` where the selection does not say."""
WINDOW_TILES = 36
"""Tiles whose patches are mixed, and held in memory: 2,304 patches of 120 px, 0.5 GB."""

_SHOWN = 3


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


def read_selection(path: Path) -> pa.Table:
    """Read the selected cells: ``grid_cell``, classes, stratum, and ``split`` if it is there.

    Raises:
        InputError: If the file is no selection, names a cell twice, or a split is null.
    """
    wanted = ["grid_cell", "climate", "landcover", "stratum", "role"]
    table = read_table(path, wanted, made_by="minortom sample")
    if "split" in pq.read_schema(path).names:  # only where tiles were split
        split = read_table(path, ["split"], made_by="minortom sample")["split"]
        table = table.append_column("split", split)
    table = table.filter(pc.equal(table["role"].cast(pa.string()), "selected"))
    if not len(table):
        raise InputError(f"{path} has no row whose role is `selected`; nothing to export")
    table = pa.table({name: table[name].cast(pa.string()) for name in table.column_names})
    for name in table.column_names:
        if table[name].null_count:
            raise InputError(f"{path}: {name} is null in {table[name].null_count:,} selected rows")
    twice = [entry["values"] for entry in table["grid_cell"].value_counts().to_pylist()
             if entry["counts"] > 1]  # fmt: skip
    if twice:
        raise InputError(f"{path} selects {len(twice):,} cells twice, first {_first(twice)}")
    return table


def plan_tiles(
    selection: pa.Table, pairs: Pairs, *, seed: int, skip_missing: bool
) -> list[PlannedTile]:
    """Join the selection with the archives' pairs, in the seeded order.

    Raises:
        ArchiveError: If an archive lacks a selected cell, unless those are to be skipped.
    """
    lacking = len(pairs.without_s2) + len(pairs.without_s1)
    if lacking and not skip_missing:
        cells = [*(f"{cell} (Sentinel-2)" for cell in pairs.without_s2),
                 *(f"{cell} (Sentinel-1)" for cell in pairs.without_s1)]  # fmt: skip
        raise ArchiveError(
            f"the archives lack {lacking:,} of {len(selection):,} selected cells, first "
            f"{_first(cells)}; give --missing skip to export the others"
        )
    paired = {row["grid_cell"]: row for row in pairs.table.to_pylist()}
    tiles = []
    for row in selection.to_pylist():
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
    return sorted(tiles, key=lambda tile: (_draw(seed, "tile", tile.cell), tile.cell))


def shards_of(tiles: Sequence[PlannedTile], spec: SampleSpec, shard_bytes: int) -> list[range]:
    """Cut the ordered tiles into shards: the positions of each one's tiles.

    A shard holds the tiles whose patches, if all are valid, come to ``shard_bytes``. So one
    shard is finished, and stays as it is, before the next one's tiles are known.
    """
    patches_per_tile = max(1, BLOCK_PX // spec.patch_px) ** 2
    per_shard = max(1, shard_bytes // (spec.sample_bytes * patches_per_tile))
    return [
        range(first, min(first + per_shard, len(tiles)))
        for first in range(0, len(tiles), per_shard)
    ]


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


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
