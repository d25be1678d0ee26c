"""Vectors in memory, or in a file that need not fit into memory.

Axes, as name suffixes:
    n  vectors    D  width
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
IntArray: TypeAlias = NDArray[np.int64]

BLOCK_ROWS = 16 * 1024
"""Vectors that are read and searched together. The results depend on it, in the last bits."""
_BYTES = 4


class Vectors(Protocol):
    """Vectors of one width, read in blocks."""

    @property
    def width(self) -> int:
        """Length of a vector, D."""
        ...

    def __len__(self) -> int: ...

    def read(self, first: int, last: int) -> FloatArray:
        """Return the vectors from `first` to before `last`, [n, D]."""
        ...


def blocks(count: int) -> Iterator[tuple[int, int]]:
    """Yield the first row of each block, and the row after its last one."""
    for first in range(0, count, BLOCK_ROWS):
        yield first, min(first + BLOCK_ROWS, count)


class ArrayVectors:
    """Vectors in memory."""

    def __init__(self, vector_nD: FloatArray) -> None:
        """Wrap an array [n, D]."""
        self._vector_nD = np.ascontiguousarray(vector_nD, np.float32)

    @property
    def width(self) -> int:
        """Length of a vector, D."""
        return int(self._vector_nD.shape[1])

    def __len__(self) -> int:
        return len(self._vector_nD)

    def read(self, first: int, last: int) -> FloatArray:
        """Return the vectors from `first` to before `last`, [n, D]."""
        return self._vector_nD[first:last]


class VectorFile:
    """Vectors in a file without a header: float32, one vector after the other.

    It is read and written by offset instead of being mapped, so that its pages do not count as
    memory of this process. Several threads may read at the same time.
    """

    def __init__(self, path: Path, width: int) -> None:
        """Open a file, or create an empty one."""
        self.width = width
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)

    def __enter__(self) -> "VectorFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return os.fstat(self._handle).st_size // self._row_bytes

    def read(self, first: int, last: int) -> FloatArray:
        """Return the vectors from `first` to before `last`, [n, D]."""
        vector_nD = np.empty((last - first, self.width), np.float32)
        view, offset = _as_bytes(vector_nD), first * self._row_bytes
        while view:
            count = os.preadv(self._handle, [view], offset)
            if not count:
                raise EOFError(f"the file ends before vector {last}")
            view, offset = view[count:], offset + count
        return vector_nD

    def write(self, first: int, vector_nD: FloatArray) -> None:
        """Write vectors [n, D], the first of them at row `first`."""
        view = _as_bytes(np.ascontiguousarray(vector_nD, np.float32))
        offset = first * self._row_bytes
        while view:
            count = os.pwrite(self._handle, view, offset)
            view, offset = view[count:], offset + count

    @property
    def _row_bytes(self) -> int:
        return _BYTES * self.width


def _as_bytes(vector_nD: FloatArray) -> memoryview:
    """Return the memory of an array, which may be empty."""
    return vector_nD.reshape(-1).view(np.uint8).data


def rows_of(vectors: Vectors, rows: IntArray) -> FloatArray:
    """Return single vectors [n, D] by their numbers, each of which stands alone."""
    found = np.empty((len(rows), vectors.width), np.float32)
    for position, row in enumerate(rows.tolist()):
        found[position] = vectors.read(row, row + 1)[0]
    return found
