"""Reader of single samples: tensors from shards straight into the caller's arrays.

Samples are read by byte offset, in any order and from any thread. Shards that another tool rewrote
are read through pyarrow, one row group at a time.
"""

import os
import threading
import weakref
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minortom.shards.byte_offsets import PREFIX_BYTES, Offsets, value_span
from minortom.shards.codec import unpack_into
from minortom.shards.layout import SampleSpec
from minortom.shards.shard_file import ShardFile, damaged

Buffers = Mapping[str, NDArray[np.generic]]
"""Arrays [row, band, height, width] of the stored dtype, by tensor column."""
Tensors = dict[str, NDArray[np.uint16] | NDArray[np.int16]]
"""Arrays of the stored dtype, by tensor column."""


class SampleReader:
    """Reads samples of opened shards; keeps a file handle for each shard that it has read."""

    def __init__(self, files: Sequence[ShardFile], spec: SampleSpec) -> None:
        """Prepare to read; no file is opened yet.

        Args:
            files: The shards, in order. Their samples are numbered from 0.
            spec: Bands, size and codec of a sample.
        """
        self._files, self._spec = files, spec
        self._starts: list[int] = []  # number of the first sample of each non-empty row group
        self._groups: list[tuple[int, int]] = []  # (file, row group) of each entry of _starts
        self._offsets: dict[str, list[Offsets | None]] = {g.column: [] for g in spec.groups}
        self.num_samples = 0
        """Number of samples in all shards."""
        for number, file in enumerate(files):
            for group, rows in enumerate(file.row_counts):
                if rows:
                    self._starts.append(self.num_samples)
                    self._groups.append((number, group))
                    self.num_samples += rows
                    for column, offsets in file.offsets.items():
                        self._offsets[column].append(None if offsets is None else offsets[group])
        self._kinds = {g.column: (g.dtype, spec.shape(g.column)) for g in spec.groups}
        self._handles: dict[int, int] = {}
        self._decoded: dict[tuple[int, int], dict[str, pa.Array]] = {}
        self._lock = threading.Lock()
        # Not __del__: at the end of a program it would run when os is gone.
        weakref.finalize(self, _close, self._handles)

    def buffers(self, batch: int) -> Tensors:
        """Return arrays [batch, bands, height, width] of the stored dtype, by tensor column."""
        return {
            column: np.zeros((batch, *shape), dtype)
            for column, (dtype, shape) in self._kinds.items()
        }

    def read(self, index: int) -> Tensors:
        """Read one sample into new arrays [band, height, width], by tensor column.

        Raises:
            IndexError: If the sample does not exist.
            ShardError: If the file changed or is damaged where the sample lies.
        """
        one = {c: np.empty((1, *shape), dtype) for c, (dtype, shape) in self._kinds.items()}
        self.read_rows((index,), one)
        return {column: array[0] for column, array in one.items()}

    def read_rows(self, indices: Iterable[int], buffers: Buffers, first_row: int = 0) -> None:
        """Read samples into consecutive rows of ``buffers[column]``, for each column in it.

        Threads may call this at the same time, for different rows.

        Args:
            indices: Numbers of the samples, in any order.
            buffers: Arrays as `buffers` returns them, or some of them.
            first_row: Row of the first sample.

        Raises:
            IndexError: If a sample does not exist.
            ShardError: If the file changed or is damaged where a sample lies.
        """
        columns = [self._target(column, array) for column, array in buffers.items()]
        starts, groups, prefix = self._starts, self._groups, bytearray(PREFIX_BYTES)
        for row, index in enumerate(indices, start=first_row):
            if not 0 <= index < self.num_samples:
                raise IndexError(f"sample {index} of {self.num_samples}")
            place = bisect_right(starts, index) - 1
            number = groups[place][0]
            handle, row_in_group = self._handle(number), index - starts[place]
            for column, num_bytes, expected, offsets, target in columns:
                value = target[row * num_bytes : (row + 1) * num_bytes]
                if len(value) != num_bytes:
                    raise IndexError(f"row {row} of buffers[{column!r}], which has fewer")
                start = offsets[place]
                if not isinstance(start, int):
                    self._read_packed(place, column, row_in_group, value)
                    continue
                offset = start + row_in_group * (num_bytes + PREFIX_BYTES)
                # One call reads a value and the length in front of it, without the interpreter's
                # lock. Threads spend nearly all of their time in it.
                found = os.preadv(handle, (prefix, value), offset)
                if found != num_bytes + PREFIX_BYTES or prefix != expected:
                    path = self._files[number].path
                    raise damaged(path, f"no value of {num_bytes} bytes at {offset}")

    def _handle(self, number: int) -> int:
        handle = self._handles.get(number)
        if handle is None:
            with self._lock:
                handle = self._handles.get(number)
                if handle is None:
                    handle = os.open(self._files[number].path, os.O_RDONLY | os.O_CLOEXEC)
                    self._handles[number] = handle
        return handle

    def _target(
        self, column: str, array: NDArray[np.generic]
    ) -> tuple[str, int, bytes, list[Offsets | None], memoryview]:
        """Return what `read_rows` needs of one column.

        That is: its name, the length of a value in bytes, the length prefix in the file, the
        offsets of each row group, and the memory to fill.
        """
        dtype, shape = self._kinds[column]
        if array.shape[1:] != shape or array.dtype != dtype or not array.flags.c_contiguous:
            raise ValueError(
                f"buffers[{column!r}] is {array.dtype} {array.shape}; use ShardSet.buffers"
            )
        num_bytes = array[:1].nbytes
        expected = num_bytes.to_bytes(PREFIX_BYTES, "little")
        return column, num_bytes, expected, self._offsets[column], array.data.cast("B")

    def _read_packed(self, place: int, column: str, row: int, target: memoryview) -> None:
        """Read a value that is compressed, or that only pyarrow can find."""
        number, group = self._groups[place]
        path, start = self._files[number].path, self._offsets[column][place]
        if start is None:
            found = self._decoded_group(number, group)[column][row].as_buffer()
            value = memoryview(found or b"")
        else:
            offset, length = value_span(start, row, len(target))
            prefix, value = bytearray(PREFIX_BYTES), memoryview(bytearray(length))
            size = os.preadv(self._handle(number), (prefix, value), offset)
            if size != PREFIX_BYTES + length or int.from_bytes(prefix, "little") != length:
                raise damaged(path, f"no value of {length} bytes at {offset}")
        try:
            unpack_into(value, target, self._spec.codec)
        except ValueError as error:
            raise damaged(path, str(error)) from None

    def _decoded_group(self, number: int, group: int) -> dict[str, pa.Array]:
        """Decode a row group of a rewritten shard; the last one stays in memory."""
        with self._lock:
            if (number, group) not in self._decoded:
                self._decoded.clear()
                path, columns = self._files[number].path, [g.column for g in self._spec.groups]
                try:
                    with pq.ParquetFile(path) as file:
                        table = file.read_row_group(group, columns=columns)
                except (OSError, pa.ArrowException) as error:
                    raise damaged(path, str(error)) from None
                self._decoded[number, group] = {c: table[c].combine_chunks() for c in columns}
            return self._decoded[number, group]


def _close(handles: Mapping[int, int]) -> None:
    for handle in handles.values():
        os.close(handle)
