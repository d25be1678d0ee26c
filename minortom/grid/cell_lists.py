"""Lists of cells: text files, tables with a ``grid_cell`` column, or the whole grid."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from minortom.errors import InputError
from minortom.grid.cells import Cells, cells_from_names, merged, whole_grid
from minortom.io.provenance import sha256_of

WHOLE_GRID = "grid"
"""The word that stands for all cells. A file of that name is ``./grid``."""
COLUMN = "grid_cell"

_WANTED = (
    "wanted a text file with a cell name a line, a Parquet or CSV file with a "
    f"{COLUMN} column, or the word {WHOLE_GRID}"
)


def read_cells(sources: Sequence[str]) -> Cells:
    """Read lists of cells and merge them: each cell once, by grid row, then by column.

    Args:
        sources: Paths, or ``grid`` for the whole 10 km grid. A file is read as Parquet or CSV
            where it is called so (``.parquet``, ``.geoparquet``, ``.csv``), else as text.

    Raises:
        InputError: If there is no source, or one is missing, unreadable or empty, lacks the
            column, or holds a name that is no cell.
    """
    if not sources:
        raise InputError(f"no list of cells was given; {_WANTED}")
    return merged([_cells_of(source) for source in sources])


def hash_cells(sources: Sequence[str]) -> dict[str, str]:
    """Hash lists of cells: role -> SHA-256, the same whatever their order and repetition.

    Raises:
        InputError: If a file does not exist or cannot be read.
    """
    hashes = {sha256_of(_file(source)) for source in sources if source != WHOLE_GRID}
    roles = {f"cells {i}": value for i, value in enumerate(sorted(hashes), start=1)}
    return roles | ({"cells": WHOLE_GRID} if WHOLE_GRID in sources else {})


def _cells_of(source: str) -> Cells:
    if source == WHOLE_GRID:
        return whole_grid()
    path = _file(source)
    names = _names(path)
    if not names:
        raise InputError(f"{path} names no cell; {_WANTED}")
    try:
        return cells_from_names(names)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _file(source: str) -> Path:
    path = Path(source)
    if path.is_dir():
        raise InputError(f"{path} is a folder; {_WANTED}, such as an archive's metadata.parquet")
    if not path.exists():
        raise InputError(f"{path} does not exist; {_WANTED}")
    return path


def _names(path: Path) -> list[str]:
    """Read the names of a file as they stand there; from a table each once."""
    suffix = path.suffix.lower()
    if suffix not in (".parquet", ".geoparquet", ".csv"):
        return _names_of_text(path)
    try:
        column = _column_of_csv(path) if suffix == ".csv" else _column_of_parquet(path)
        column = column.cast(pa.string())
    except (OSError, pa.ArrowException) as error:
        found = str(error).splitlines()[0]
        raise InputError(f"cannot read {path} as {suffix[1:]} ({found}); {_WANTED}") from None
    if column.null_count:
        raise InputError(f"{path}: {column.null_count:,} rows have no {COLUMN}; fill or drop them")
    names: list[str] = pc.unique(column).to_pylist()
    return names


def _names_of_text(path: Path) -> list[str]:
    try:
        # utf-8-sig: some editors begin a file with a mark that is no part of the first name.
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text file; {_WANTED}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    return [line.strip() for line in lines if line.strip()]


def _column_of_parquet(path: Path) -> pa.ChunkedArray:
    with pq.ParquetFile(path) as file:
        _require_column(path, file.schema_arrow.names)
        return file.read(columns=[COLUMN])[COLUMN]


def _column_of_csv(path: Path) -> pa.ChunkedArray:
    as_text = pa_csv.ConvertOptions(column_types={COLUMN: pa.string()}, strings_can_be_null=True)
    table = pa_csv.read_csv(path, convert_options=as_text)
    _require_column(path, table.column_names)
    return table[COLUMN]


def _require_column(path: Path, present: Sequence[str]) -> None:
    if COLUMN not in present:
        shown = ", ".join(present[:12]) + (", …" if len(present) > 12 else "")
        raise InputError(f"{path} has no column {COLUMN}; it has {shown}; {_WANTED}")
    if present.count(COLUMN) > 1:
        raise InputError(f"{path} has the column {COLUMN} more than once; keep one")
