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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minortom.errors import InputError, ShardError
from minortom.provenance import KEY
from minortom.shard_layout import (
    DATASET_FILE,
    METADATA_SCHEMA,
    PREFIX_BYTES,
    SCHEMA_VERSION,
    SampleSpec,
    column_records,
    spec_of,
    value_places,
)
from minortom.shard_rows import decode

__all__ = ["SCHEMA_VERSION", "SampleSpec", "ShardSet", "decode"]

_MADE_BY = "make shards with `minortom export`"


@dataclass(frozen=True, kw_only=True)
class _Shard:
    """One file: where its row groups begin, among all samples and in bytes."""

    path: Path
    row_counts: list[int]
    """Rows of each row group."""
    places: dict[str, list[int] | None]
    """By tensor column, the offset of each row group's first value; None: only by pyarrow."""


@dataclass(frozen=True, kw_only=True)
class ShardSet:
    """An opened data set of shards; samples are numbered from 0 in order of the files."""

    folder: Path
    spec: SampleSpec
    num_samples: int
    statistics: dict[str, dict[str, tuple[float, ...] | tuple[str, ...]]]
    """By tensor column: ``bands``, ``mean`` and ``std`` of the ``train`` split, stored units."""
    provenance: dict[str, object]
    _shards: list[_Shard] = field(repr=False)
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
                another version, or a shard is missing, damaged or has other rows than it says.
        """
        record = read_record(folder)
        spec = spec_of(record)
        shards = [
            _open_shard(folder / entry["file"], int(entry["rows"]), spec)
            for entry in record["shards"]
        ]
        starts, groups, total = [], [], 0
        for number, shard in enumerate(shards):
            for group, rows in enumerate(shard.row_counts):
                if rows:
                    starts.append(total)
                    groups.append((number, group))
                    total += rows
        statistics = {
            column: {name: tuple(values) for name, values in of_column.items()}
            for column, of_column in record["statistics"].items()
        }
        return cls(
            folder=folder, spec=spec, num_samples=total, statistics=statistics,
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

    def read_into(self, index: int, buffers: Mapping[str, NDArray[np.generic]], row: int) -> None:
        """Read sample ``index`` into ``buffers[column][row]``, for each column in ``buffers``.

        Threads may call this at the same time, for different rows.

        Raises:
            IndexError: If there is no such sample.
            ShardError: If the file changed or is damaged where the sample lies.
        """
        if not 0 <= index < self.num_samples:
            raise IndexError(f"sample {index} of {self.num_samples}")
        place = bisect_right(self._starts, index) - 1
        number, group = self._groups[place]
        shard, row_in_group = self._shards[number], index - self._starts[place]
        for column, array in buffers.items():
            num_bytes, target = self.spec.num_bytes(column), array[row : row + 1]
            if target.nbytes != num_bytes or not target.flags.c_contiguous:
                raise ValueError(
                    f"buffers[{column!r}] is {array.dtype} {array.shape}; use ShardSet.buffers"
                )
            places = shard.places[column]
            if places is None:
                values = self._decoded_group(number, group)[column]
                _copy_value(shard.path, values[row_in_group].as_buffer(), target)
                continue
            prefix = bytearray(PREFIX_BYTES)
            offset = places[group] + row_in_group * (num_bytes + PREFIX_BYTES)
            found = os.preadv(self._handle(number), [prefix, target.data], offset)
            if found != num_bytes + PREFIX_BYTES or int.from_bytes(prefix, "little") != num_bytes:
                raise _damaged(shard.path, f"no value of {num_bytes} bytes at {offset}")

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
                raise _damaged(shard.path, str(error)) from None
        return pa.concat_tables(tables) if tables else schema.empty_table()

    def indices(self, split: str) -> NDArray[np.int64]:
        """Give the numbers of the samples of a split, ascending."""
        splits = self.metadata(["split"])["split"].to_numpy()
        return np.flatnonzero(splits == split)

    def _handle(self, number: int) -> int:
        handle = self._handles.get(number)
        if handle is None:
            with self._lock:
                handle = self._handles.get(number)
                if handle is None:
                    handle = os.open(self._shards[number].path, os.O_RDONLY | os.O_CLOEXEC)
                    self._handles[number] = handle
        return handle

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
                    raise _damaged(path, str(error)) from None
                self._decoded[number, group] = {c: table[c].combine_chunks() for c in columns}
            return self._decoded[number, group]


def read_record(folder: Path) -> dict[str, Any]:
    """Read and check ``dataset.json``.

    Raises:
        ShardError: If it is missing, damaged, of another version or of other bands.
    """
    if not folder.is_dir():
        raise ShardError(f"{folder} is no folder of shards: it does not exist; {_MADE_BY}")
    path = folder / DATASET_FILE
    if not path.is_file():
        found = "it is empty" if not any(folder.iterdir()) else f"it has no {DATASET_FILE}"
        raise ShardError(f"{folder} is no folder of shards: {found}; {_MADE_BY}")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        version = record["schema_version"]
        if version != SCHEMA_VERSION:
            raise ShardError(
                f"{folder} has shards of schema version {version}; this minortom reads version "
                f"{SCHEMA_VERSION}; export again or install the other version"
            )
        if column_records(spec_of(record)) != record["columns"]:
            raise ShardError(f"{path} names bands in another order or layout; {_MADE_BY}")
        # Touched here so that a record that lacks one of them is found out here.
        _ = record["statistics"].items(), record[KEY]
        _ = [(entry["file"], int(entry["rows"])) for entry in record["shards"]]
    except InputError as error:
        raise ShardError(f"{path}: {error}; {_MADE_BY}") from None
    except UnicodeDecodeError:  # whose repr is the whole file
        raise ShardError(f"{path} is damaged (it is no text); {_MADE_BY}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ShardError(f"{path} is damaged ({error!r}); {_MADE_BY}") from None
    return dict(record)


def _open_shard(path: Path, num_rows: int, spec: SampleSpec) -> _Shard:
    """Read a shard's footer and find out how its tensors are to be read."""
    if not path.is_file():
        raise ShardError(f"{path.parent} lacks its shard {path.name}; copy it there or {_MADE_BY}")
    try:
        footer = pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, str(error)) from None
    missing = [n for n in [*column_records(spec), *METADATA_SCHEMA.names]
               if n not in footer.schema.names]  # fmt: skip
    if missing:
        raise _damaged(path, f"it lacks the column {', '.join(missing)}")
    if footer.num_rows != num_rows:
        raise _damaged(path, f"{footer.num_rows} rows where {DATASET_FILE} says {num_rows}")
    counts = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
    places = {g.column: _checked_places(path, footer, g.column, spec) for g in spec.groups}
    return _Shard(path=path, row_counts=counts, places=places)


def _checked_places(
    path: Path, footer: pq.FileMetaData, column: str, spec: SampleSpec
) -> list[int] | None:
    """Locate values as the footer tells, if a value lies where it should."""
    num_bytes = spec.num_bytes(column)
    places = value_places(footer, column, num_bytes)
    if not places:
        return places
    # A chunk of two pages has the same footer as one with a long header. Its first value
    # is then not where arithmetic looks for it.
    with path.open("rb") as stream:
        stream.seek(places[0])
        prefix = stream.read(PREFIX_BYTES)
    return places if int.from_bytes(prefix, "little") == num_bytes else None


def _copy_value(path: Path, value: pa.Buffer | None, target: NDArray[np.generic]) -> None:
    if value is None or value.size != target.nbytes:
        raise _damaged(path, f"a value has {value and value.size} bytes, wanted {target.nbytes}")
    target[...] = np.frombuffer(value, target.dtype).reshape(target.shape)


def _damaged(path: Path, found: str) -> ShardError:
    return ShardError(f"{path} is damaged ({found.splitlines()[0]}); copy it again or {_MADE_BY}")
