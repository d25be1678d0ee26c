"""Vectors of cells, gathered from files of embeddings into one file.

Axes, as name suffixes:
    n  vectors    c  cells    D  width
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minortom.api.choices import CellRows, Metric
from minortom.clustering.arrays_file import read_arrays, write_arrays
from minortom.clustering.embedding_files import Embeddings
from minortom.clustering.embedding_rows import read_batches, scaled
from minortom.clustering.kmeans import add_vectors
from minortom.clustering.vectors import FloatArray, IntArray, VectorFile, blocks
from minortom.errors import InputError
from minortom.grid.cells import N_KEYS, Cells, cells_of_keys

_VECTORS, _CELLS = "vectors.f32", "cells.npz"


@dataclass(frozen=True, kw_only=True, eq=False)
class CellVectors:
    """Vectors of cells, in a file."""

    vectors: VectorFile
    cells: Cells
    """The cells, each once, in the order in which they occur."""
    cell_n: IntArray
    """Position of the cell of each vector."""
    rows: int
    """Rows of embeddings; each is a vector unless the rows of a cell are averaged."""


@dataclass(frozen=True, kw_only=True)
class Gathering:
    """Rule by which rows of embeddings become vectors of cells."""

    metric: Metric
    """`spherical` scales each row to the length 1, and the mean of a cell's rows again."""
    rows: CellRows
    """`mean` gives a cell one vector, `vote` one for each row."""

    @staticmethod
    def is_done(work: Path) -> bool:
        """Return whether a folder of unfinished work has all vectors."""
        return (work / _CELLS).exists()

    def open(
        self, embeddings: Embeddings, work: Path, *, on_rows: Callable[[int], None]
    ) -> CellVectors:
        """Read the embeddings, or open what an earlier run has read.

        Args:
            embeddings: The embeddings.
            work: Folder of unfinished work, for the file of vectors.
            on_rows: Called with the number of rows of each batch.

        Raises:
            InputError: If an embedding cannot be used; see `read_batches`.
        """
        path, record = work / _VECTORS, work / _CELLS
        if not self.is_done(work):
            path.unlink(missing_ok=True)
            with VectorFile(path, embeddings.width) as file:
                keys, cell_n, rows = self._gather(embeddings, file, on_rows)
            write_arrays(record, {"keys": keys, "cell_n": cell_n, "rows": np.array(rows)})
        else:
            on_rows(embeddings.num_rows)
        found = read_arrays(record)
        return CellVectors(
            vectors=VectorFile(path, embeddings.width), cells=cells_of_keys(found["keys"]),
            cell_n=found["cell_n"], rows=int(found["rows"]),
        )  # fmt: skip

    def _gather(
        self, embeddings: Embeddings, file: VectorFile, on_rows: Callable[[int], None]
    ) -> tuple[IntArray, IntArray, int]:
        """Write the vectors; return the key of each cell, the cell of each vector, and all rows."""
        numbers, cell_n = _CellNumbers(), []
        for keys, vector_nD, read in read_batches(embeddings, unit=self.metric == "spherical"):
            known = len(numbers.keys)
            cells = numbers.of(keys)
            cell_n.append(cells)
            if self.rows == "vote":
                file.write(len(file), vector_nD)
            else:
                _add(file, cells, vector_nD, known)
            on_rows(read)
        cell_of_row, keys = np.concatenate(cell_n), np.array(numbers.keys)
        if self.rows == "vote":
            return keys, cell_of_row, len(cell_of_row)
        self._average(file, np.bincount(cell_of_row), keys)
        return keys, np.arange(len(keys)), len(cell_of_row)

    def _average(self, file: VectorFile, rows_c: IntArray, keys: IntArray) -> None:
        """Divide the sums of the cells by their numbers of rows; for `spherical`, scale them."""
        if rows_c.max() == 1:
            return
        for first, last in blocks(len(file)):
            mean_cD: FloatArray = file.read(first, last)
            mean_cD /= rows_c[first:last, None].astype(np.float32)
            if self.metric == "spherical":
                zero = np.flatnonzero(~mean_cD.any(axis=1))
                if len(zero):
                    (name,) = cells_of_keys(keys[first + zero[:1]]).names()
                    raise InputError(
                        f"expected a mean embedding with a direction for each cell, found that the "
                        f"embeddings of {name} cancel out; give --rows vote or --metric euclidean"
                    )
                mean_cD = scaled(mean_cD)
            file.write(first, mean_cD)


class _CellNumbers:
    """Numbers of cells in the order in which they occur."""

    def __init__(self) -> None:
        self.keys: list[int] = []
        self._number = np.full(N_KEYS, -1, np.int32)

    def of(self, keys: IntArray) -> IntArray:
        """Return the number [n] of each cell; new cells get the next numbers."""
        unknown = keys[self._number[keys] < 0]
        _, first = np.unique(unknown, return_index=True)
        new = unknown[np.sort(first)]
        self._number[new] = np.arange(len(self.keys), len(self.keys) + len(new))
        self.keys.extend(new.tolist())
        return self._number[keys].astype(np.int64)


def _add(file: VectorFile, cell_n: IntArray, vector_nD: FloatArray, known: int) -> None:
    """Add vectors to the sums of their cells, of which the first `known` are in the file."""
    cells, place_n = np.unique(cell_n, return_inverse=True)
    sum_cD, rows_c = np.zeros((len(cells), vector_nD.shape[1])), np.zeros(len(cells))
    add_vectors(vector_nD, place_n, np.ones(len(place_n)), sum_cD, rows_c)
    # Runs of successive cells are read and written together.
    for run in np.split(np.arange(len(cells)), np.flatnonzero(np.diff(cells) > 1) + 1):
        first, last = int(cells[run[0]]), int(cells[run[-1]]) + 1
        old = max(min(last, known) - first, 0)
        part_cD = sum_cD[run].astype(np.float32)
        part_cD[:old] += file.read(first, first + old)
        file.write(first, part_cD)
