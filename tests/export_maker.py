"""Helpers of the tests of export: damage an archive, compare what was made."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.shards import ShardSet


def replace_row(folder: Path, row: int, **values) -> None:
    """Put other values into a row of images, counted over all parts of two rows."""
    path = folder / "images" / f"part_{row // 2 + 1:05d}.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[row % 2] |= values
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=1)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def places_of(folder: Path) -> list[tuple[str, int, int]]:
    table = ShardSet.open(folder).metadata(["grid_cell", "patch_row", "patch_col"])
    return list(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))
