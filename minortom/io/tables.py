"""Tables with cells as files that people made or read: CSV, Parquet, plain text."""

import csv
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from minortom.errors import InputError


def is_parquet(path: Path) -> bool:
    """Say whether a file is called as Parquet files are."""
    return path.suffix.lower() in (".parquet", ".geoparquet")


def read_any_table(path: Path) -> pa.Table:
    """Read a table: Parquet by its suffix, else CSV, whose columns all come as text, unchanged.

    Raises:
        InputError: If the file is missing or unreadable.
    """
    wanted = "wanted a CSV or Parquet file with the columns lat and lon"
    if not path.is_file():
        raise InputError(f"{path} is no file; {wanted}")
    try:
        if is_parquet(path):
            with pq.ParquetFile(path) as file:
                return file.read()
        with path.open(encoding="utf-8-sig", newline="") as stream:
            names = next(csv.reader(stream), [])
        return pa_csv.read_csv(
            path,
            convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
            parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        )
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        found = str(error).splitlines()[0]
        raise InputError(f"cannot read {path} ({found}); {wanted}") from None


def csv_bytes(table: pa.Table) -> bytes:
    """Write a table as CSV, with quotes only where they are needed.

    Raises:
        InputError: If a column holds what is no text, such as a geometry.
    """
    for column in table.schema:
        if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
            raise InputError(
                f"the column {column.name} holds {column.type}, which CSV cannot; give --out a "
                "name such as out.parquet"
            )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return text.getvalue().encode()
