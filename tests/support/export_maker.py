"""Helpers of the tests of export: damage an archive, compare outputs."""

import dataclasses
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.engine.executors import EngineOptions
from minortom.extraction.options import ExportOptions
from minortom.shards.shard_set import ShardSet

PATCH_PX = 12
TWO_TILES = 30_000_000
"""Size of the patches of two tiles of 1000 px: a shard holds two tiles."""


def replace_row(folder: Path, row: int, **values) -> None:
    """Replace values in a row of images; rows are counted over all parts, two in each."""
    path = folder / "images" / f"part_{row // 2 + 1:05d}.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[row % 2] |= values
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=1)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def record_of(folder: Path) -> dict:
    return json.loads((folder / "dataset.json").read_text())


def places_of(folder: Path) -> list[tuple[str, int, int]]:
    table = ShardSet.open(folder).metadata(["grid_cell", "patch_row", "patch_col"])
    return list(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))


def apart(words):
    """Separate ``ExportOptions`` from the other arguments of a call."""
    fields = {field.name for field in dataclasses.fields(ExportOptions)}
    chosen = {"patch_px": PATCH_PX, "shard_bytes": TWO_TILES}
    chosen |= {name: value for name, value in words.items() if name in fields}
    others = {name: value for name, value in words.items() if name not in fields}
    engine = EngineOptions(workers=others.pop("workers", 1))
    return {"engine": engine, **others, "options": ExportOptions(**chosen)}
