"""Files of embeddings, as `csmoe embed` writes them: read, checked, and matched with shards.

Axes, as name suffixes:
    n  vectors    q  queries    D  width
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.io.plain_types import with_plain_types
from minortom.io.table_columns import read_table
from minortom.io.tables import damage_as_input_error
from minortom.shards.shard_set import ShardSet

SMALLEST_STD = 1e-12
"""A feature with a smaller standard deviation is constant and is not scaled."""
PATCH = ("grid_cell", "patch_row", "patch_col")
"""Columns that identify a patch."""
_MADE_BY = "give a file that `csmoe embed` wrote"

Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class PatchVectors:
    """Vectors of one sensor, and the patches of the shards that they belong to."""

    samples: NDArray[np.int64]
    """Number of each vector's patch in the shards, [n], ascending."""
    vector_nD: NDArray[np.float32]

    def position(self, sample: int) -> int | None:
        """Return the position of a patch's vector; None if it has none."""
        found = int(np.searchsorted(self.samples, sample))
        return found if found < len(self.samples) and self.samples[found] == sample else None


def read_vectors(path: Path, sensor: str, data: ShardSet) -> PatchVectors:
    """Read the vectors of one sensor, in the order of the shards.

    A row belongs to the patch with its cell, row and column, so that the rows may have any order
    and rows may be missing. Memory holds these vectors and one row group.

    Args:
        path: GeoParquet file from `csmoe embed`.
        sensor: `s2`, `s1` or `both`.
        data: Shards that the embeddings were made from.

    Raises:
        InputError: If the file was not written by `csmoe embed`; if a value is missing or not
            finite; if the shards do not have a patch, or a patch has two vectors of the sensor.
    """
    table, vector_nD = read_rows(path, sensor, ())
    patches = PatchNumbers(data)
    numbers = patches.samples_of(table, path)
    order = np.argsort(numbers, kind="stable")
    numbers = numbers[order]
    twice = np.flatnonzero(numbers[1:] == numbers[:-1])
    if len(twice):
        raise InputError(
            f"expected one vector of {sensor} for each patch in {path}, found several for "
            f"{patches.name_of(int(numbers[twice[0]]))}; remove the repeated rows"
        )
    return PatchVectors(samples=numbers, vector_nD=vector_nD[order])


def read_rows(path: Path, sensor: str, columns: Sequence[str]) -> tuple[pa.Table, Vectors]:
    """Read the vectors of one sensor and columns of their patches, in the order of the file.

    Args:
        path: GeoParquet file from `csmoe embed`.
        sensor: `s2`, `s1` or `both`.
        columns: Columns to read beside those that identify a patch.

    Returns:
        The columns of the patches, and their vectors [n, D].

    Raises:
        InputError: If the file was not written by `csmoe embed`, or a value is missing or not
            finite.
    """
    check_embeddings(path)
    tables, vectors = [], []
    for table in _row_groups(path, columns):
        of_sensor = table.filter(pc.equal(table["sensor"], sensor))
        tables.append(of_sensor.drop_columns("vector"))
        vectors.append(_as_array(of_sensor, path))
    return pa.concat_tables(tables), np.concatenate(vectors)


def check_embeddings(path: Path) -> None:
    """Check that a file has the columns that `csmoe embed` writes.

    Raises:
        InputError: If it does not exist, is not a Parquet file, or has no such column.
    """
    read_table(path, ["sensor", *PATCH], made_by="csmoe embed CHECKPOINT SHARDS")
    schema = pq.read_schema(path)
    kind = schema.field("vector").type if "vector" in schema.names else pa.null()
    if not (pa.types.is_fixed_size_list(kind) and pa.types.is_floating(kind.value_type)):
        raise InputError(
            f"expected vectors of one length in the column `vector` of {path}, found {kind}; "
            f"{_MADE_BY}"
        )


def standardised(query_qD: Vectors, archive_nD: Vectors) -> tuple[Vectors, Vectors]:
    """Return features with mean 0 and standard deviation 1 over the archive.

    Otherwise the band with the largest values would dominate the cosine, and the baseline would
    be weaker than it has to be.
    """
    mean_D, std_D = archive_nD.mean(0, dtype=np.float64), archive_nD.std(0, dtype=np.float64)
    std_D[std_D < SMALLEST_STD] = 1
    mean_D, std_D = mean_D.astype(np.float32), std_D.astype(np.float32)
    return (query_qD - mean_D) / std_D, (archive_nD - mean_D) / std_D


class PatchNumbers:
    """Patches of shards by cell, row and column."""

    def __init__(self, data: ShardSet) -> None:
        self._folder = data.folder
        self._table = data.metadata(PATCH)
        row, col = (self._table[name].to_numpy().astype(np.int64) for name in PATCH[1:])
        self._cells = pc.unique(self._table["grid_cell"])
        self._sides = int(row.max(initial=0)) + 1, int(col.max(initial=0)) + 1
        key = self._keys(self._table["grid_cell"], row, col)
        self._order = np.argsort(key, kind="stable")
        self._sorted_key = key[self._order]
        if (self._sorted_key[1:] == self._sorted_key[:-1]).any():
            raise InputError(
                f"expected each patch once in the shards of {data.folder}, found a cell, row and "
                "column that occur twice; export a selection in which each cell occurs once"
            )

    def samples_of(self, table: pa.Table, path: Path) -> NDArray[np.int64]:
        """Return the number of each row's patch.

        Raises:
            InputError: If a row has no number, or the shards do not have its patch.
        """
        try:
            row, col = (table[name].cast(pa.int64()).to_numpy() for name in PATCH[1:])
            cells = table["grid_cell"].cast(pa.string())
        except pa.ArrowException as error:
            raise InputError(
                f"expected names of cells and whole numbers in the columns {', '.join(PATCH)} of "
                f"{path}, found other values ({error}); {_MADE_BY}"
            ) from None
        key = self._keys(cells, row, col)
        place = np.searchsorted(self._sorted_key, key)
        is_known = place < len(self._sorted_key)
        is_known[is_known] = self._sorted_key[place[is_known]] == key[is_known]
        if not is_known.all():
            first = int(np.flatnonzero(~is_known)[0])
            raise InputError(
                f"expected patches of the shards in {self._folder}, found "
                f"{cells[first]}:{row[first]}:{col[first]} in {path}, which they do not have; give "
                "the shards that it was made from"
            )
        return self._order[place]

    def name_of(self, sample: int) -> str:
        """Return a patch as text: cell, row, column."""
        [values] = self._table.slice(sample, 1).to_pylist()
        return ":".join(str(values[name]) for name in PATCH)

    def _keys(
        self, cells: pa.ChunkedArray, row: NDArray[np.int64], col: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return one number for each patch; -1 for a patch outside the shards."""
        rows, cols = self._sides
        code = pc.fill_null(pc.index_in(cells, value_set=self._cells), -1).to_numpy()
        is_inside = (code >= 0) & (row >= 0) & (row < rows) & (col >= 0) & (col < cols)
        return np.where(is_inside, (code.astype(np.int64) * rows + row) * cols + col, -1)


def _row_groups(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the row groups of a file; values are missing in the further columns only."""
    needed = ("sensor", *PATCH, "vector")
    read = list(dict.fromkeys((*needed, *columns)))
    with damage_as_input_error(path), pq.ParquetFile(path) as file:
        if not file.num_row_groups:
            yield with_plain_types(file.read(columns=read))
        for number in range(file.num_row_groups):
            table = with_plain_types(file.read_row_group(number, columns=read))
            empty = [name for name in needed if table[name].null_count]
            if empty:
                raise InputError(
                    f"expected a value in each row of the columns {', '.join(needed)} "
                    f"of {path}, found rows without {', '.join(empty)}; remove these rows"
                )
            yield table


def _as_array(table: pa.Table, path: Path) -> NDArray[np.float32]:
    """Return the vectors of a table, [n, D]."""
    column = table["vector"]
    with np.errstate(over="ignore"):  # a double beyond the range becomes infinity
        flat = pc.list_flatten(column).to_numpy().astype(np.float32)
    vector_nD: NDArray[np.float32] = flat.reshape(len(column), column.type.list_size)
    wrong = np.flatnonzero(~np.isfinite(vector_nD).all(1))
    if len(wrong):  # a missing value inside a vector is NaN here
        name = ":".join(str(table[name][int(wrong[0])]) for name in PATCH)
        raise InputError(
            f"expected finite numbers in the vectors of {path}, found NaN or infinity in {name}; "
            "remove these rows, or embed the shards again"
        )
    return vector_nD
