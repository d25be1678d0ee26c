"""Rows of embeddings, read batch by batch and checked.

Axes, as name suffixes:
    n  vectors    D  width
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from minortom.clustering.embedding_files import Embeddings, Part
from minortom.clustering.vectors import FloatArray, IntArray
from minortom.errors import InputError
from minortom.grid.cells import cells_from_names
from minortom.io.plain_types import with_plain_types
from minortom.io.tables import damage_as_input_error

_ROWS = 4096


def read_batches(
    embeddings: Embeddings, *, unit: bool
) -> Iterator[tuple[IntArray, FloatArray, int]]:
    """Read the rows of the sensor, in the order of the files.

    Args:
        embeddings: The embeddings.
        unit: Whether to scale each vector to the length 1.

    Yields:
        The key of each row's cell (see `Cells.keys`), the vectors [n, D], and the number of rows
        that were read, with those of other sensors.

    Raises:
        InputError: If a value is missing or not finite, a vector has another width or cannot be
            scaled, or a cell does not exist.
    """
    for part in embeddings.parts:
        for batch in _batches(part):
            table = batch
            if part.has_sensor:
                table = batch.filter(pc.equal(batch["sensor"], embeddings.sensor))
            if len(table):
                vector_nD = _vectors(table, part, embeddings.width)
                _check_values(vector_nD, table, part, unit=unit)
                yield _keys(table, part), scaled(vector_nD) if unit else vector_nD, len(batch)


def scaled(vector_nD: FloatArray) -> FloatArray:
    """Return vectors scaled to the length 1; a vector of zeros stays."""
    length_n = np.sqrt(np.einsum("nd,nd->n", vector_nD, vector_nD, dtype=np.float64))
    length_n[length_n == 0] = 1
    unit_nD: FloatArray = (vector_nD / length_n[:, None]).astype(np.float32)
    return unit_nD


def _batches(part: Part) -> Iterator[pa.Table]:
    columns = ["grid_cell", part.column, *(["sensor"] if part.has_sensor else [])]
    # With pre_buffer, Arrow keeps the bytes of all row groups until the file is closed.
    with damage_as_input_error(part.path), pq.ParquetFile(part.path, pre_buffer=False) as file:
        for batch in file.iter_batches(batch_size=_ROWS, columns=columns):
            yield with_plain_types(pa.Table.from_batches([batch]))


def _keys(table: pa.Table, part: Part) -> IntArray:
    column = table["grid_cell"]
    if column.null_count:
        raise InputError(f"{part.path} has rows without grid_cell; remove these rows")
    try:
        return cells_from_names(column.cast(pa.string())).keys()
    except InputError as error:
        raise InputError(f"{part.path}: {error}") from None
    except pa.ArrowException:
        raise InputError(
            f"expected text in the column grid_cell of {part.path}, found {column.type}"
        ) from None


def _vectors(table: pa.Table, part: Part, width: int) -> FloatArray:
    column = table[part.column].combine_chunks()
    if column.null_count:
        cell = table["grid_cell"][pc.index(column.is_null(), True).as_py()]
        raise InputError(
            f"expected an embedding in each row of {part.path}, found none for {cell}; remove "
            "these rows"
        )
    lengths = pc.list_value_length(column)
    wrong = pc.index(pc.not_equal(lengths, width), pa.scalar(True)).as_py()
    if wrong >= 0:
        raise InputError(
            f"expected embeddings of one width, found {width} and {lengths[wrong]} (cell "
            f"{table['grid_cell'][wrong]} of {part.path}); give those of one model"
        )
    with np.errstate(over="ignore"):  # a double beyond the range becomes infinity
        flat = pc.list_flatten(column).to_numpy(zero_copy_only=False).astype(np.float32)
    vector_nD: FloatArray = flat.reshape(len(table), width)
    return vector_nD


def _check_values(vector_nD: FloatArray, table: pa.Table, part: Part, *, unit: bool) -> None:
    wrong = np.flatnonzero(~np.isfinite(vector_nD).all(axis=1))
    if len(wrong):  # a missing number inside a vector is NaN here
        raise InputError(
            f"expected finite numbers in the embeddings of {part.path}, found NaN or infinity for "
            f"{table['grid_cell'][int(wrong[0])]}; remove these rows"
        )
    zero = np.flatnonzero(~vector_nD.any(axis=1))
    if unit and len(zero):
        raise InputError(
            f"expected embeddings with a direction for --metric spherical, found zeros alone for "
            f"{table['grid_cell'][int(zero[0])]} of {part.path}; remove these rows, or give "
            "--metric euclidean"
        )
