"""Tables of points as CSV and Parquet files."""

import csv
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from minortom.errors import InputError


def is_parquet(path: Path) -> bool:
    """Return whether a file has the suffix of a Parquet file."""
    return path.suffix.lower() in (".parquet", ".geoparquet")


def read_any_table(path: Path) -> pa.Table:
    """Read a table from Parquet, by the suffix, or from CSV, whose columns all become text.

    Raises:
        InputError: If the file is missing or unreadable.
    """
    expected = "expected a CSV or Parquet file with the columns lat and lon"
    if not path.is_file():
        raise InputError(f"{expected}, found no file {path}; check the path")
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
        raise InputError(f"{expected}, cannot read {path} ({found}); check the file") from None


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
