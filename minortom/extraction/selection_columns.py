"""Columns of a selection that an export takes along: numbers and classes of the tiles."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from minortom.errors import InputError
from minortom.io.column_metadata import unit_of
from minortom.io.table_columns import is_text, read_table
from minortom.shards.further_columns import FurtherColumn


def read_further_columns(
    path: Path, names: Sequence[str], *, made_by: str
) -> tuple[pa.Table, tuple[FurtherColumn, ...]]:
    """Read the columns that become metadata columns of shards, with the types that shards have.

    Text and booleans become text. Whole numbers with missing values become doubles.

    Args:
        path: The selection.
        names: Columns to read.
        made_by: The command that makes such a file, for error messages.

    Raises:
        InputError: If a column does not exist, is named twice, or has other values.
    """
    if len(set(names)) < len(names):
        raise InputError(f"expected --columns with each name once, found {','.join(names)}")
    present = [name for name in pq.read_schema(path).names if name not in ("bbox", "geometry")]
    unknown = [name for name in names if name not in present]
    if unknown:
        raise InputError(
            f"expected --columns among the columns of {path} ({', '.join(present)}), found "
            f"{', '.join(unknown)}; correct the name"
        )
    table = read_table(path, names, made_by=made_by)
    columns = [_stored(table[name], name, path) for name in names]
    further = tuple(
        FurtherColumn(name=name, type_name=str(column.type), unit=unit_of(table.schema.field(name)))
        for name, column in zip(names, columns, strict=True)
    )
    return pa.table(dict(zip(names, columns, strict=True))), further


def _stored(column: pa.ChunkedArray, name: str, path: Path) -> pa.ChunkedArray:
    """Return a column with the type that it has in shards."""
    kind = column.type
    if is_text(kind) or pa.types.is_boolean(kind):
        return column.cast(pa.string())
    if pa.types.is_integer(kind):
        return column.cast(pa.float64()) if column.null_count else column
    if pa.types.is_float32(kind) or pa.types.is_float64(kind):
        is_nan = pc.fill_null(pc.is_nan(column), fill_value=False)
        return pc.if_else(is_nan, pa.scalar(None, kind), column)
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return column.cast(pa.float64())
    raise InputError(
        f"{path}: expected numbers, text or booleans in the column {name} of --columns, found "
        f"{kind}; leave it out"
    )
