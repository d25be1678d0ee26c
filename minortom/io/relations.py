"""Tables in files as relations of DuckDB: columns of numbers, whole numbers, text or booleans.

Nothing is read into memory: a relation is SQL, and its rows come in parts. The columns of CSV are
text; a column has another kind if all of its values have it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.errors import InputError
from minortom.io.column_metadata import class_columns_in, unit_of
from minortom.io.database import name_in_sql, path_in_sql
from minortom.io.delimited import DelimitedFile, open_delimited
from minortom.io.tables import is_parquet, parquet_parts

if TYPE_CHECKING:
    import duckdb


class Kind(StrEnum):
    """Kind of the values of a column."""

    NUMBER = "numbers"
    WHOLE = "whole numbers"
    TEXT = "text"
    BOOLEAN = "booleans"
    OTHER = "other values"


_KINDS = {
    **dict.fromkeys(("FLOAT", "DOUBLE", "DECIMAL"), Kind.NUMBER),
    **dict.fromkeys(
        ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"),
        Kind.WHOLE,
    ),
    **dict.fromkeys(("UBIGINT", "HUGEINT", "UHUGEINT"), Kind.NUMBER),
    **dict.fromkeys(("VARCHAR", "ENUM"), Kind.TEXT),
    "BOOLEAN": Kind.BOOLEAN,
}
"""Kinds of DuckDB's types; whole numbers beyond 64 bits are numbers."""
_AS_DOUBLE = ("DECIMAL", "UBIGINT", "HUGEINT", "UHUGEINT")
_MISSING = "('', 'NA', 'N/A', 'NAN', 'NULL', 'NONE')"
"""Words for a missing number in CSV, in capitals. In a column of text they are text."""


@dataclass(frozen=True, kw_only=True)
class RelationColumn:
    """A column of a table."""

    name: str
    """Its name in the file."""
    kind: Kind
    sql: str
    """Expression of its values."""
    type_name: str
    """Type in the file, for messages."""
    unit: str | None = None


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A table in a file."""

    names: tuple[str, ...]
    """Names of all columns, in the order of the file. A name can occur more than once."""
    source: str
    """SQL of the rows, to follow ``FROM``."""
    class_names: tuple[str, ...]
    """Columns whose whole numbers are names of classes, by the metadata of the file."""
    schema: pa.Schema | None
    """Arrow schema; None of CSV."""
    csv: DelimitedFile | None
    """How to read CSV; None of Parquet."""

    def columns(
        self, database: "duckdb.DuckDBPyConnection", positions: Sequence[int]
    ) -> list[RelationColumn]:
        """Return the columns at some positions; CSV is read once to find their kinds."""
        if self.csv is not None:
            return _csv_columns(self, self.csv, database, positions)
        found = database.sql(f"FROM {self.source}")
        columns = []
        for position in positions:
            type_name = str(found.types[position])
            plain = re.sub(r"\(.*", "", type_name)
            sql = name_in_sql(found.columns[position])
            columns.append(
                RelationColumn(
                    name=self.names[position],
                    kind=_KINDS.get(type_name if "[" in type_name else plain, Kind.OTHER),
                    sql=f"CAST({sql} AS DOUBLE)" if plain in _AS_DOUBLE else sql,
                    type_name=type_name.lower()[:40],
                    unit=None if self.schema is None else unit_of(self.schema.field(position)),
                )
            )
        return columns


def open_relation(path: Path, *, scratch: Path, expected: str) -> Relation:
    """Open a table: Parquet by the suffix, a folder of Parquet files, or CSV.

    Args:
        path: File or folder.
        scratch: Folder for a copy of a CSV file that is not UTF-8, which DuckDB reads.
        expected: What the table must be, for error messages.

    Raises:
        InputError: If the file is missing or unreadable.
    """
    if not path.exists():
        raise InputError(f"{expected}, found no file {path}; check the path")
    if not (path.is_dir() or is_parquet(path)):
        csv = open_delimited(path, scratch=scratch)
        return Relation(
            names=csv.names, source=_csv_source(csv), class_names=(), schema=None, csv=csv
        )
    parts = parquet_parts(path)
    try:
        schemas = [pq.read_schema(part) for part in parts]
    except (OSError, pa.ArrowException) as error:
        found = str(error).splitlines()[0]
        raise InputError(f"{expected}, cannot read {path} ({found}); check the file") from None
    files = ", ".join(f"'{path_in_sql(part)}'" for part in parts)
    union = ", union_by_name = true" if len(parts) > 1 else ""
    schema = schemas[0] if len(parts) == 1 else None
    names = dict.fromkeys(name for found in schemas for name in found.names)
    return Relation(
        names=tuple(schemas[0].names if len(parts) == 1 else names),
        source=f"read_parquet([{files}]{union})",
        class_names=class_columns_in(schemas[0]),
        schema=schema,
        csv=None,
    )


def _csv_source(csv: DelimitedFile) -> str:
    # A header can have a name twice.
    columns = [f"c{position}" for position in range(len(csv.names))]
    types = ", ".join(f"'{column}': 'VARCHAR'" for column in columns)
    separator = csv.separator.replace("'", "''")
    # Spreadsheets write blank rows below their own.
    filled = " OR ".join(f"trim({column}) <> ''" for column in columns)
    options = (
        f"delim = '{separator}', compression = '{'gzip' if csv.is_gzip else 'none'}', "
        f"""header = true, skip = {csv.skipped_lines}, auto_detect = false, quote = '"', """
        f"escape = '\"', columns = {{{types}}}"
    )
    return f"(FROM read_csv('{path_in_sql(csv.path)}', {options}) WHERE {filled})"


def _csv_columns(
    relation: Relation,
    csv: DelimitedFile,
    database: "duckdb.DuckDBPyConnection",
    positions: Sequence[int],
) -> list[RelationColumn]:
    numbers, counts = [], []
    for position in positions:
        word = f"trim(c{position})"
        known = f"CASE WHEN upper({word}) NOT IN {_MISSING} THEN {word} END"
        point = known if csv.separator == "," else f"replace({known}, ',', '.')"
        numbers.append((known, point))
        counts += [
            f"count({known})",
            f"count_if(lower({known}) IN ('true', 'false'))",
            f"count_if(regexp_full_match({known}, '[+-]?[0-9]{{1,18}}'))",
            f"count(TRY_CAST({point} AS DOUBLE))",
        ]
    if not counts:
        return []
    row = database.sql(f"SELECT {', '.join(counts)} FROM {relation.source}").fetchall()[0]  # noqa: S608
    columns = []
    for position, (known, point), found in zip(
        positions, numbers, zip(*[iter(row)] * 4, strict=True), strict=True
    ):
        kind, sql = _csv_kind(position, known, point, found)
        columns.append(
            RelationColumn(name=csv.names[position], kind=kind, sql=sql, type_name=str(kind))
        )
    return columns


def _csv_kind(position: int, known: str, point: str, found: Sequence[int]) -> tuple[Kind, str]:
    """Return the kind of a column whose ``found`` values are known, booleans, whole, numbers."""
    number, booleans, whole, numbers = found
    if number and booleans == number:
        return Kind.BOOLEAN, f"CAST({known} AS BOOLEAN)"
    if number and whole == number:
        return Kind.WHOLE, f"CAST({known} AS BIGINT)"
    if number and numbers == number:
        return Kind.NUMBER, f"TRY_CAST({point} AS DOUBLE)"
    return Kind.TEXT, f"trim(c{position})"
