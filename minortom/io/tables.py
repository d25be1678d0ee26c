"""Tables as people have them: CSV and Parquet files, and folders of Parquet files."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.api.arguments import not_special
from minortom.errors import InputError
from minortom.io.delimited import read_delimited
from minortom.io.plain_types import with_plain_types

_PARQUET = (".parquet", ".geoparquet", ".pq")
_DELIMITED = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


@contextmanager
def damage_as_input_error(path: Path) -> Iterator[None]:
    """Read a Parquet file in the body, and convert the errors of a damaged one.

    Raises:
        InputError: If a part of the file cannot be decoded.
        OSError: If the system cannot read it.
    """
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        # Arrow raises OSError without a number for content that it cannot decode.
        if isinstance(error, MemoryError) or getattr(error, "errno", None) is not None:
            raise
        found = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} is damaged ({found}); get or make it again") from None


def is_parquet(path: Path) -> bool:
    """Return whether a file has the suffix of a Parquet file."""
    return path.suffix.lower() in _PARQUET


def is_table(path: Path) -> bool:
    """Return whether a path is a table by its suffix, or a folder."""
    return path.is_dir() or path.name.lower().endswith((*_PARQUET, *_DELIMITED))


def read_any_table(path: Path, columns: Sequence[str] | None = None, *, expected: str) -> pa.Table:
    """Read a table from Parquet, by the suffix, from a folder of Parquet files, or from CSV.

    The columns of CSV all are text.

    Args:
        path: File or folder.
        columns: Columns of Parquet to read where all of them exist; else no row is read. All
            columns when None. Of CSV, all columns are read.
        expected: What the table must have, for error messages.

    Raises:
        InputError: If the file is missing or unreadable.
    """
    if not not_special("a table", path).exists():
        raise InputError(f"{expected}, found no file {path}; check the path")
    if not (path.is_dir() or is_parquet(path)):
        return read_delimited(path)
    try:
        return with_plain_types(_read_parquet(path, columns))
    except (OSError, ValueError, pa.ArrowException) as error:
        found = str(error).splitlines()[0]
        raise InputError(f"{expected}, cannot read {path} ({found}); check the file") from None


def _read_parquet(path: Path, columns: Sequence[str] | None) -> pa.Table:
    tables = []
    for part in parquet_parts(path):
        with pq.ParquetFile(part) as file:
            schema = file.schema_arrow
            if columns is not None and not set(columns) <= set(schema.names):
                return schema.empty_table()
            tables.append(file.read(columns=columns))
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables, promote_options="permissive")


def parquet_parts(path: Path) -> list[Path]:
    """Return the Parquet files in a folder, by name; of a file, the file itself.

    Raises:
        InputError: If the folder has none.
    """
    if not path.is_dir():
        return [path]
    hidden = (".", "_")  # checksums and markers of Spark and Hadoop
    parts = [part for part in sorted(path.iterdir()) if is_parquet(part) and part.is_file()]
    parts = [part for part in parts if not part.name.startswith(hidden)]
    if not parts:
        raise InputError(f"expected Parquet files in the folder {path}, found none; give a table")
    return parts


def csv_bytes(table: pa.Table) -> bytes:
    """Return a table as CSV, with quotes only where they are needed.

    Raises:
        InputError: If a column has values that are not text, such as geometries.
    """
    for column in table.schema:
        if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
            raise InputError(
                f"CSV cannot store the column {column.name} of type {column.type}; give --out a "
                "name such as out.parquet"
            )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return text.getvalue().encode()
