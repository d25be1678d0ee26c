"""Lists of cells: text files, tables with a ``grid_cell`` column, or the whole grid."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from minortom.api.arguments import not_special
from minortom.errors import InputError
from minortom.grid.cells import Cells, cells_from_names, merged, whole_grid
from minortom.io.delimited import read_text
from minortom.io.memory_tables import in_memory, table_sha256
from minortom.io.provenance import sha256_of
from minortom.io.tables import is_table, read_any_table

WHOLE_GRID = "grid"
"""The word for all cells of the grid. A file with this name is given as ``./grid``."""
COLUMN = "grid_cell"

CellSource: TypeAlias = str | pa.Table
"""A path, the word ``grid``, or a table with the column ``grid_cell``."""

_EXPECTED = (
    "expected a text file with one cell name per line, a Parquet or CSV file with a "
    f"{COLUMN} column, or the word {WHOLE_GRID}"
)
_CELL_NAME = re.compile(r"\d+[UD]_\d+[LR]")
_TABLE = "the table"


def cell_sources(cells: object) -> list[CellSource]:
    """Return the lists of cells that a public function was given, as ``read_cells`` takes them.

    Args:
        cells: A path, the word ``grid``, a ``pyarrow.Table`` or data frame with the column
            ``grid_cell``, or a list of these; none when None. A string is never the name of a
            cell: names in memory go into a table, ``pyarrow.table({"grid_cell": names})``.

    Raises:
        InputError: If it is something else.
    """
    if cells is None:
        return []
    several = cells if isinstance(cells, list | tuple) else [cells]
    return [_cell_source(source) for source in several]


def _cell_source(source: object) -> CellSource:
    if isinstance(source, str):
        return source
    if isinstance(source, Path):
        # A path is a file even if the file has the name of the word.
        return f"./{source}" if str(source) == WHOLE_GRID else str(source)
    table = in_memory(source)
    if table is None:
        raise InputError(
            f"cells must be a path, the word {WHOLE_GRID}, a table with the column {COLUMN}, or "
            f"a list of these, found {type(source).__name__}; put cell names into a table, "
            f"pyarrow.table({{'{COLUMN}': names}})"
        )
    return table


def read_cells(sources: Sequence[CellSource]) -> Cells:
    """Read lists of cells and merge them: each cell once, by grid row, then by column.

    Args:
        sources: Paths, ``grid`` for the whole 10 km grid, or tables with the column
            ``grid_cell``. The suffixes ``.parquet``, ``.geoparquet``, ``.pq``, ``.csv`` and
            ``.tsv`` (or ``.csv.gz``) decide how a file is read; a folder has Parquet files, and a
            file with another suffix is read as text.

    Raises:
        InputError: If there is no source, or if a source is missing, unreadable or empty, has
            no column ``grid_cell``, or has a name that is not a cell.
    """
    if not sources:
        raise InputError(f"no list of cells was given; {_EXPECTED}")
    return merged([_read(source) for source in sources])


def hash_cells(sources: Sequence[CellSource]) -> dict[str, str]:
    """Return the SHA-256 of each list of cells by its role, such as ``cells 1``.

    The result does not depend on the order of the lists, nor on repeated lists.

    Raises:
        InputError: If a file does not exist or cannot be read.
    """
    words = [source for source in sources if isinstance(source, str)]
    hashes = {sha256_of(_file(word)) for word in words if word != WHOLE_GRID}
    hashes |= {table_sha256(source) for source in sources if not isinstance(source, str)}
    roles = {f"cells {i}": value for i, value in enumerate(sorted(hashes), start=1)}
    return roles | ({"cells": WHOLE_GRID} if WHOLE_GRID in words else {})


def _read(source: CellSource) -> Cells:
    if isinstance(source, str) and source == WHOLE_GRID:
        return whole_grid()
    if isinstance(source, str):
        path = _file(source)
        label, names = str(path), _names_of_file(path)
    else:
        label, names = _TABLE, _names_of_table(source, _TABLE)
    if not names:
        raise InputError(f"{label} contains no cell name; {_EXPECTED}")
    try:
        return cells_from_names(names)
    except InputError as error:
        raise InputError(f"{label}: {error}") from None


def _file(source: str) -> Path:
    path = not_special("cells", Path(source))
    if not path.exists():
        is_name = bool(_CELL_NAME.fullmatch(source))
        advice = f"; names in Python go into pyarrow.table({{'{COLUMN}': names}})"
        raise InputError(f"{path} does not exist; {_EXPECTED}{advice if is_name else ''}")
    return path


def _names_of_file(path: Path) -> list[str]:
    """Return the names in a file, in its order; each name of a table once."""
    if is_table(path):
        table = read_any_table(path, [COLUMN], expected=_EXPECTED)
        return _names_of_table(table, str(path))
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def _names_of_table(table: pa.Table, label: str) -> list[str]:
    _require_column(label, table.column_names)
    column = table[COLUMN]
    try:
        column = pc.utf8_trim_whitespace(column.cast(pa.string()))
    except pa.ArrowException:
        raise InputError(
            f"expected text in the column {COLUMN} of {label}, found {column.type}"
        ) from None
    missing = column.null_count + (pc.sum(pc.equal(column, "")).as_py() or 0)
    if missing:
        raise InputError(f"{label}: {missing:,} rows have no {COLUMN}; fill or drop them")
    names: list[str] = pc.unique(column).to_pylist()
    return names


def _require_column(label: str, present: Sequence[str]) -> None:
    if COLUMN not in present:
        shown = ", ".join(present[:12]) + (", …" if len(present) > 12 else "")
        raise InputError(f"{label} has no column {COLUMN}; it has {shown}; {_EXPECTED}")
    if present.count(COLUMN) > 1:
        raise InputError(f"{label} has the column {COLUMN} more than once; keep one")
