"""A table of cells that is open: the columns to take from it, and its rows in parts.

Rows are keyed by ``grid_cell``, or by the ``id`` of the Major TOM index. A namespace in front of a
column's name, such as ``geoenrich:``, is left off.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow as pa

from minortom.annotation.class_columns import UNMAPPED
from minortom.annotation.column_names import is_free_name, require_free_name, without_namespace
from minortom.annotation.remote_table import local_table
from minortom.annotation.table_choice import TableChoice, Tables
from minortom.errors import InputError
from minortom.io.database import opened_database
from minortom.io.provenance import sha256_of
from minortom.io.relations import Kind, Relation, RelationColumn, open_relation
from minortom.io.up_to_date import stored_licences
from minortom.progress import OnProgress
from minortom.public_urls import public_text

if TYPE_CHECKING:
    import duckdb

_KEYS = ("grid_cell", "id")
"""Columns that name the cell of a row, the preferred one first."""
_EXPECTED = "expected a table of cells, Parquet or CSV, with the column grid_cell or id"
_CLASSES = (Kind.TEXT, Kind.BOOLEAN)
_SHOWN = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class CellTable:
    """A table of cells with the columns that are taken from it."""

    name: str
    """Its path or address, without secrets."""
    columns: Mapping[str, RelationColumn]
    """Columns by their names in the annotated file; of the kinds ``TEXT`` and ``BOOLEAN``, and of
    whole numbers that are classes, if ``is_class`` says so."""
    class_names: frozenset[str]
    """Columns that become classes."""
    left_out: Sequence[str]
    """Columns that cannot be taken, where no columns were named."""
    sha256: str
    licences: tuple[str, ...]
    rows: "duckdb.DuckDBPyRelation"
    """Name of the cell, then the columns."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the rows in parts, in the order of the file.

        Raises:
            InputError: If the file is damaged.
        """
        import duckdb

        try:
            yield from pa.RecordBatchReader.from_stream(self.rows)
        except (duckdb.Error, OSError, pa.ArrowException) as error:
            raise _unreadable(self.name, error) from None


@contextmanager
def opened_tables(tables: Tables, *, on_fetch: OnProgress) -> Iterator[dict[str, CellTable]]:
    """Open tables of cells until the end of the ``with`` statement; yield them by their role.

    A role is ``table 1``, ``table 2`` and so on.

    Raises:
        InputError: If a table is missing or unreadable, or has no column of cells; or if a column
            does not exist, exists twice, has values of another kind or the name of another column.
        RemoteError: If a download fails.
    """
    if not tables.choices:
        yield {}
        return
    with opened_database(keep_order=True) as database, TemporaryDirectory() as scratch:
        opened = {
            f"table {number}": _opened(
                choice, tables.class_columns, database, Path(scratch) / str(number), on_fetch
            )
            for number, choice in enumerate(tables.choices, start=1)
        }
        taken = {name for table in opened.values() for name in table.columns}
        unknown = [name for name in tables.class_columns if name not in taken]
        if unknown:
            raise InputError(
                f"expected --class-column among the columns of --table "
                f"({_shown(sorted(taken))}), found {', '.join(unknown)}; correct the name"
            )
        yield opened


def _opened(
    choice: TableChoice,
    class_columns: Sequence[str],
    database: "duckdb.DuckDBPyConnection",
    scratch: Path,
    on_fetch: OnProgress,
) -> CellTable:
    import duckdb

    scratch.mkdir()
    name, path = public_text(choice.place), Path(choice.place)
    if choice.is_remote:
        path = local_table(choice.place, partial(_to_download, choice, name), on_fetch=on_fetch)
    relation = open_relation(path, scratch=scratch, expected=_EXPECTED)
    try:
        key = _key_of(relation, name, database)
        found = _columns_of(relation, choice, name, database)
        classes = frozenset(
            column for column, of in found.taken.items()
            if of.kind in _CLASSES or column in (*class_columns, *relation.class_names)
        )  # fmt: skip
        columns = {
            column: _as_class(of) if column in classes else of for column, of in found.taken.items()
        }
        return CellTable(
            name=name, columns=columns, class_names=classes, left_out=found.left_out,
            sha256=sha256_of(path), licences=stored_licences(path),
            rows=database.sql(_query(relation, key, list(columns.values()))),
        )  # fmt: skip
    except duckdb.Error as error:
        raise _unreadable(name, error) from None


def _to_download(choice: TableChoice, name: str, schema: pa.Schema) -> list[str]:
    """Return the columns of a remote table that are needed: all plain ones if none were named."""
    if choice.columns is None:
        return [
            field.name for field in schema
            if not pa.types.is_nested(field.type) and not pa.types.is_binary(field.type)
        ]  # fmt: skip
    present = schema.names
    plain = [without_namespace(column) for column in present]
    positions = [_position(present, plain, column, name) for column in choice.columns]
    positions += [number for number, column in enumerate(plain) if column in _KEYS]
    return [present[position] for position in sorted(set(positions))]


def _query(relation: Relation, key: str, columns: Sequence[RelationColumn]) -> str:
    values = [f"{column.sql} AS c{number}" for number, column in enumerate(columns)]
    return f"SELECT {', '.join([f'{key} AS cell', *values])} FROM {relation.source}"  # noqa: S608


def _key_of(relation: Relation, name: str, database: "duckdb.DuckDBPyConnection") -> str:
    """Return the SQL of the column that names the cells."""
    plain = [without_namespace(column) for column in relation.names]
    keys = [key for key in _KEYS if key in plain]
    if not keys:
        raise InputError(f"{_EXPECTED}, found {_shown(relation.names)} in {name}; rename one")
    if plain.count(keys[0]) > 1:
        raise InputError(f"{name} has the column {keys[0]} more than once; keep one")
    (key,) = relation.columns(database, [plain.index(keys[0])])
    if key.kind != Kind.TEXT:
        raise InputError(
            f"{name}: expected names of cells in the column {key.name}, such as 922D_249L, found "
            f"{key.type_name}; put them into the column grid_cell"
        )
    return key.sql


@dataclass(frozen=True, kw_only=True)
class _Found:
    taken: Mapping[str, RelationColumn]
    left_out: Sequence[str]


def _columns_of(
    relation: Relation, choice: TableChoice, name: str, database: "duckdb.DuckDBPyConnection"
) -> _Found:
    """Return the columns to take: those named, or all that can be taken."""
    plain = [without_namespace(column) for column in relation.names]
    if choice.columns is None:
        positions = [p for p, column in enumerate(plain) if column not in _KEYS]
    else:
        positions = [_position(relation.names, plain, c, name) for c in choice.columns]
    found = dict(zip(positions, relation.columns(database, positions), strict=True))
    if choice.columns is not None:
        for position, column in found.items():
            require_free_name(plain[position], option="--table")
            _require_kind(column, name)
        return _Found(taken={plain[p]: column for p, column in found.items()}, left_out=())
    taken = {
        plain[p]: column for p, column in found.items()
        if is_free_name(plain[p]) and column.kind != Kind.OTHER and plain.count(plain[p]) == 1
    }  # fmt: skip
    left_out = [of.name for of in found.values() if of not in taken.values()]
    if not taken:
        raise InputError(
            f"{name}: expected columns of numbers, text or booleans beside the cells, found "
            f"{_shown(relation.names)}; rename a column, or give another table"
        )
    return _Found(taken=taken, left_out=left_out)


def _position(names: Sequence[str], plain: Sequence[str], column: str, table: str) -> int:
    """Return the position of a column by its name, with or without its namespace."""
    for present in (names, plain):
        if present.count(column) > 1:
            raise InputError(f"{table} has the column {column} more than once; keep one")
        if column in present:
            return present.index(column)
    raise InputError(
        f"{table} must have the column {column}, found {_shown(names)}; correct the name"
    )


def _require_kind(column: RelationColumn, table: str) -> None:
    if column.kind == Kind.OTHER:
        raise InputError(
            f"{table}: expected numbers, text or booleans in the column {column.name}, found "
            f"{column.type_name}; leave it out of --table"
        )


def _as_class(column: RelationColumn) -> RelationColumn:
    """Return a column of classes: its values as text, or as whole numbers."""
    if column.kind == Kind.TEXT:
        # Our own files name a missing class.
        return replace(column, sql=f"nullif(nullif(trim({column.sql}), ''), '{UNMAPPED}')")
    if column.kind == Kind.BOOLEAN:
        return replace(column, sql=f"CAST({column.sql} AS VARCHAR)")
    return column


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _unreadable(name: str, error: Exception) -> InputError:
    found = str(error).splitlines()[0]
    return InputError(f"{_EXPECTED}, cannot read {name} ({found}); check the file")
