"""THE CONTRACT between curation and training: what a sample is, and how one is read.

A data set is a folder with ``dataset.json`` and Parquet shards (see ``shard_layout``). One
sample is a pair of patches, Sentinel-2 and Sentinel-1, on the same ground. Needs numpy and
pyarrow only.

Samples are read one by one, in any order and from any thread, by offset straight into the
caller's batch arrays. A shard that another tool rewrote is read through pyarrow.
"""

import json
import os
import threading
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minortom.errors import InputError, ShardError
from minortom.io.provenance import KEY
from minortom.shards.byte_offsets import PREFIX_BYTES, Place, value_at
from minortom.shards.codec import check_codec, unpack_into
from minortom.shards.formats import Format
from minortom.shards.layout import (
    DATASET_FILE,
    METADATA_SCHEMA,
    SCHEMA_VERSION,
    SampleSpec,
    column_records,
    spec_of,
)
from minortom.shards.rows import decode
from minortom.shards.shard_file import MADE_BY, ShardFile, damaged, open_shard

__all__ = ["SCHEMA_VERSION", "SampleSpec", "ShardSet", "decode"]

Buffers = Mapping[str, NDArray[np.generic]]
"""Arrays [row, band, height, width] of the stored dtype, by tensor column."""
Statistics = dict[str, dict[str, tuple[float, ...] | tuple[str, ...]]]
"""By tensor column: ``bands``, ``mean`` and ``std`` of the ``train`` split, stored units."""


@dataclass(frozen=True, kw_only=True)
class ShardSet:
    """An opened data set of shards; samples are numbered from 0 in order of the files."""

    folder: Path
    spec: SampleSpec
    num_samples: int
    statistics: Statistics
    provenance: dict[str, object]
    _shards: list[ShardFile] = field(repr=False)
    _starts: list[int] = field(repr=False)
    """Number of the first sample of each row group that is not empty."""
    _groups: list[tuple[int, int]] = field(repr=False)
    """(shard, row group) of each entry of ``_starts``."""
    _handles: dict[int, int] = field(default_factory=dict, repr=False)
    _decoded: dict[tuple[int, int], dict[str, pa.Array]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def open(cls, folder: Path) -> "ShardSet":
        """Open a folder of shards, checking that it is whole and of this version.

        Raises:
            ShardError: If the folder is missing or empty, ``dataset.json`` is not there or of
                another version, shards are tars, or one is missing, damaged or has other rows than
                it says.
            InputError: If the package of its codec is not installed.
        """
        record = read_record(folder)
        spec = spec_of(record)
        if spec.format == Format.WEBDATASET:
            raise ShardError(
                f"{folder} has tars, which the webdataset library reads; wanted Parquet shards: "
                "export again with --format parquet"
            )
        check_codec(spec.codec)
        shards = [
            open_shard(folder / entry["file"], int(entry["rows"]), spec)
            for entry in record["shards"]
        ]
        starts, groups, total = [], [], 0
        for number, shard in enumerate(shards):
            for group, rows in enumerate(shard.row_counts):
                if rows:
                    starts.append(total)
                    groups.append((number, group))
                    total += rows
        return cls(
            folder=folder, spec=spec, num_samples=total, statistics=_statistics(record),
            provenance=record[KEY], _shards=shards, _starts=starts, _groups=groups,
        )  # fmt: skip

    def __len__(self) -> int:
        return self.num_samples

    def __reduce__(self) -> tuple[object, ...]:
        # File handles and locks do not travel: another process opens the folder anew.
        return ShardSet.open, (self.folder,)

    def __del__(self) -> None:
        for handle in self._handles.values():
            os.close(handle)

    def buffers(self, batch: int) -> dict[str, NDArray[np.uint16] | NDArray[np.int16]]:
        """Make arrays [batch, bands, height, width] of the stored dtype, one a tensor column."""
        return {
            group.column: np.zeros((batch, *self.spec.shape(group.column)), group.dtype)
            for group in self.spec.groups
        }

    def read_into(self, index: int, buffers: Buffers, row: int) -> None:
        """Read sample ``index`` into ``buffers[column][row]``: `read_rows` with a single one."""
        self.read_rows((index,), buffers, row)

    def read_rows(self, indices: Iterable[int], buffers: Buffers, first_row: int = 0) -> None:
        """Read samples into consecutive rows of ``buffers[column]``, for each column in it.

        Threads may call this at the same time, for different rows.

        Args:
            indices: Numbers of the samples, in whatever order.
            buffers: Arrays as of `buffers`, or some of them.
            first_row: Where the first sample goes.

        Raises:
            IndexError: If there is no such sample.
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
            for column, num_bytes, wanted, places, target in columns:
                value = target[row * num_bytes : (row + 1) * num_bytes]
                if len(value) != num_bytes:
                    raise IndexError(f"row {row} of buffers[{column!r}], which has fewer")
                start = places[place]
                if not isinstance(start, int):
                    self._read_packed(place, column, row_in_group, value)
                    continue
                offset = start + row_in_group * (num_bytes + PREFIX_BYTES)
                # One call for a value and the length in front of it, without the interpreter's
                # lock: this is all that a thread does most of the time.
                found = os.preadv(handle, (prefix, value), offset)
                if found != num_bytes + PREFIX_BYTES or prefix != wanted:
                    path = self._shards[number].path
                    raise damaged(path, f"no value of {num_bytes} bytes at {offset}")

    def metadata(self, columns: Sequence[str]) -> pa.Table:
        """Read metadata columns of all samples, in the order of their numbers.

        Raises:
            ShardError: If a column is not one of the schema's, or a shard is damaged.
        """
        unknown = [name for name in columns if name not in METADATA_SCHEMA.names]
        if unknown:
            raise ShardError(
                f"shards have no metadata column {', '.join(unknown)}; "
                f"they have {', '.join(METADATA_SCHEMA.names)}"
            )
        schema = pa.schema([METADATA_SCHEMA.field(name) for name in columns])
        tables = []
        for shard in self._shards:
            try:
                tables.append(pq.read_table(shard.path, columns=list(columns)).cast(schema))
            except (OSError, ValueError, pa.ArrowException) as error:
                raise damaged(shard.path, str(error)) from None
        return pa.concat_tables(tables) if tables else schema.empty_table()

    def indices(self, split: str) -> NDArray[np.int64]:
        """Give the numbers of the samples of a split, ascending."""
        splits = self.metadata(["split"])["split"].to_numpy()
        return np.flatnonzero(splits == split)

    @cached_property
    def _kinds(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """By tensor column, the dtype and the shape of a patch."""
        return {g.column: (g.dtype, g.shape(self.spec.patch_px)) for g in self.spec.groups}

    @cached_property
    def _places(self) -> dict[str, list[Place | None]]:
        """By tensor column, where the values of each entry of ``_starts`` lie."""
        found: dict[str, list[Place | None]] = {column: [] for column in self._kinds}
        for number, group in self._groups:
            for column, places in self._shards[number].places.items():
                found[column].append(None if places is None else places[group])
        return found

    def _handle(self, number: int) -> int:
        handle = self._handles.get(number)
        if handle is None:
            with self._lock:
                handle = self._handles.get(number)
                if handle is None:
                    handle = os.open(self._shards[number].path, os.O_RDONLY | os.O_CLOEXEC)
                    self._handles[number] = handle
        return handle

    def _target(
        self, column: str, array: NDArray[np.generic]
    ) -> tuple[str, int, bytes, list[Place | None], memoryview]:
        """Give what `read_rows` needs to know of a column.

        That is its name, the bytes of a value, their number as the file has it in front of each,
        where the values of each row group lie, and the memory to fill.
        """
        kind, shape = self._kinds[column]
        if array.shape[1:] != shape or array.dtype != kind or not array.flags.c_contiguous:
            raise ValueError(
                f"buffers[{column!r}] is {array.dtype} {array.shape}; use ShardSet.buffers"
            )
        num_bytes = array[:1].nbytes
        wanted = num_bytes.to_bytes(PREFIX_BYTES, "little")
        return column, num_bytes, wanted, self._places[column], array.data.cast("B")

    def _read_packed(self, place: int, column: str, row: int, target: memoryview) -> None:
        """Read a value that is packed, or that only pyarrow finds."""
        number, group = self._groups[place]
        path, start = self._shards[number].path, self._places[column][place]
        if start is None:
            found = self._decoded_group(number, group)[column][row].as_buffer()
            value = memoryview(found or b"")
        else:
            offset, length = value_at(start, row, len(target))
            prefix, value = bytearray(PREFIX_BYTES), memoryview(bytearray(length))
            size = os.preadv(self._handle(number), (prefix, value), offset)
            if size != PREFIX_BYTES + length or int.from_bytes(prefix, "little") != length:
                raise damaged(path, f"no value of {length} bytes at {offset}")
        try:
            unpack_into(value, target, self.spec.codec)
        except ValueError as error:
            raise damaged(path, str(error)) from None

    def _decoded_group(self, number: int, group: int) -> dict[str, pa.Array]:
        """Decode a row group of a rewritten shard; the last one is kept for its neighbours."""
        with self._lock:
            if (number, group) not in self._decoded:
                self._decoded.clear()
                path, columns = self._shards[number].path, [g.column for g in self.spec.groups]
                try:
                    with pq.ParquetFile(path) as file:
                        table = file.read_row_group(group, columns=columns)
                except (OSError, pa.ArrowException) as error:
                    raise damaged(path, str(error)) from None
                self._decoded[number, group] = {c: table[c].combine_chunks() for c in columns}
            return self._decoded[number, group]


def read_record(folder: Path) -> dict[str, Any]:
    """Read and check ``dataset.json``.

    Raises:
        ShardError: If it is missing, damaged, of another version or of other bands.
    """
    if not folder.is_dir():
        raise ShardError(f"{folder} is no folder of shards: it does not exist; {MADE_BY}")
    path = folder / DATASET_FILE
    if not path.is_file():
        found = "it is empty" if not any(folder.iterdir()) else f"it has no {DATASET_FILE}"
        raise ShardError(f"{folder} is no folder of shards: {found}; {MADE_BY}")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        version = record["schema_version"]
        if version != SCHEMA_VERSION:
            raise ShardError(
                f"{folder} has shards of schema version {version}; this minortom reads version "
                f"{SCHEMA_VERSION}; export again or install the other version"
            )
        if column_records(spec_of(record)) != record["columns"]:
            raise ShardError(f"{path} names bands in another order or layout; {MADE_BY}")
        # Touched so that a record that lacks one, or has something else there, is found out here.
        _ = _statistics(record), [(Path(e["file"]), int(e["rows"])) for e in record["shards"]]
        _ = {**record[KEY], **record.get("splits", {}), **record.get("export", {})}
    except InputError as error:
        raise ShardError(f"{path}: {error}; {MADE_BY}") from None
    except UnicodeDecodeError:  # whose repr is the whole file
        raise ShardError(f"{path} is damaged (it is no text); {MADE_BY}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ShardError(f"{path} is damaged ({error!r}); {MADE_BY}") from None
    return dict(record)


def _statistics(record: Mapping[str, Any]) -> Statistics:
    return {
        column: {name: tuple(values) for name, values in of_column.items()}
        for column, of_column in record["statistics"].items()
    }
