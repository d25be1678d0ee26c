"""Writers of shards, one file at a time, and of the record ``dataset.json``."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.io.atomic_write import atomic_folder, write_json
from minortom.io.provenance import KEY, Provenance, sha256_of
from minortom.sensors import S2_10M
from minortom.shards.byte_offsets import LENGTHS_KEY, lengths_text
from minortom.shards.codec import check_codec, packed
from minortom.shards.formats import Codec, Format
from minortom.shards.further_columns import RECORD, further_records
from minortom.shards.layout import (
    DATASET_FILE,
    RECORD_KEY,
    ROW_GROUP_ROWS,
    SCHEMA_VERSION,
    SampleSpec,
    column_records,
    shard_name,
    shard_schema,
)
from minortom.shards.pixel_credit import pixel_credit
from minortom.shards.statistics import BandSums
from minortom.shards.tar_writer import TarWriter

_HASHED_AT_ONCE = 4
_RESERVED_BYTES = 8192
"""Bytes reserved in a shard's footer for the record, whose statistics are known only at the end."""

Tensors = Mapping[str, NDArray[np.generic]]
"""Arrays [patch, band, row, column] of the stored dtype, by tensor column."""


class ParquetWriter:
    """Writes one shard in row groups of 64 rows; `seal_shard` adds the record later.

    Memory holds the patches of one call of `append` and one row group.
    """

    def __init__(self, path: Path, *, spec: SampleSpec, provenance: Provenance) -> None:
        """Start a file at ``path``; use as a context manager.

        Raises:
            InputError: If the package of the codec is not installed.
        """
        check_codec(spec.codec)
        self.num_rows = 0
        self._spec = spec
        self._lengths: dict[str, list[int]] = {group.column: [] for group in spec.groups}
        self._pending: list[tuple[Tensors, pa.Table]] = []
        self._num_pending = 0
        self._writer = pq.ParquetWriter(
            path,
            shard_schema(spec),
            compression="none",
            use_dictionary=[f.name for f in spec.metadata_schema if f.type == pa.string()],
            write_statistics=spec.metadata_schema.names,
            data_page_size=2**31 - 1,
            data_page_version="1.0",
            write_page_checksum=True,
            # Parquet's own types are enough. With an Arrow schema, pyarrow would not show the
            # metadata below with the schema.
            store_schema=False,
        )
        self._writer.add_key_value_metadata(
            {KEY: provenance.to_json(), RECORD_KEY: _padded(shard_record(spec, None, provenance))}
        )

    def __enter__(self) -> "ParquetWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and self._num_pending:
            self._write_group(self._num_pending)
        if self._spec.codec != Codec.NONE:
            self._writer.add_key_value_metadata({LENGTHS_KEY: lengths_text(self._lengths)})
        self._writer.close()

    def append(self, tensors: Tensors, metadata: pa.Table) -> None:
        """Append patches in order: their tensors, and a table of ``SampleSpec.metadata_schema``."""
        schema = self._spec.metadata_schema
        metadata = metadata.select(schema.names).cast(schema)
        self._spec.check_tensors(tensors, len(metadata))
        self._pending.append((tensors, metadata))
        self._num_pending += len(metadata)
        while self._num_pending >= ROW_GROUP_ROWS:
            self._write_group(ROW_GROUP_ROWS)

    def _write_group(self, num_rows: int) -> None:
        parts, wanted = [], num_rows
        while wanted:
            tensors, metadata = self._pending.pop(0)
            taken = min(wanted, len(metadata))
            parts.append(({c: a[:taken] for c, a in tensors.items()}, metadata[:taken]))
            if taken < len(metadata):
                rest = {c: a[taken:] for c, a in tensors.items()}
                self._pending.insert(0, (rest, metadata[taken:]))
            wanted -= taken
        columns = []
        for group in self._spec.groups:
            arrays = [tensors[group.column] for tensors, _ in parts]
            column = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
            columns.append(self._values(group.column, column))
        metadata = pa.concat_tables([table for _, table in parts]).combine_chunks()
        table = pa.Table.from_arrays([*columns, *metadata.columns], schema=shard_schema(self._spec))
        self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        self._num_pending -= num_rows
        self.num_rows += num_rows

    def _values(self, column: str, patches: NDArray[np.generic]) -> pa.Array:
        """Return the values of a row group; record their lengths where they are compressed."""
        patches = np.ascontiguousarray(patches, patches.dtype.newbyteorder("<"))
        if self._spec.codec == Codec.NONE:
            return _byte_column(patches)
        values = packed(patches, self._spec.codec)
        self._lengths[column] += map(len, values)
        return pa.array(values, pa.binary())


ShardWriter = ParquetWriter | TarWriter


def start_shard(path: Path, *, spec: SampleSpec, provenance: Provenance) -> ShardWriter:
    """Start a shard in the file format of the data set; use as a context manager.

    Raises:
        InputError: If the package of the codec is not installed.
    """
    if spec.format == Format.WEBDATASET:
        return TarWriter(path, spec=spec)
    return ParquetWriter(path, spec=spec, provenance=provenance)


def shard_record(
    spec: SampleSpec, statistics: Mapping[str, object] | None, provenance: Provenance
) -> dict[str, object]:
    """Return the description of a shard: the part of ``dataset.json`` that each footer repeats."""
    credit = pixel_credit(provenance.licences)
    return {
        "schema_version": SCHEMA_VERSION,
        "patch_px": spec.patch_px,
        "format": str(spec.format),
        "codec": str(spec.codec),
        "columns": column_records(spec),
        **further_records(spec.further),
        "statistics": statistics,
        "licence": credit.licence,
        "attribution": credit.attribution,
    }


def seal_shard(path: Path, record: Mapping[str, object]) -> None:
    """Write the record into the bytes reserved for it in the shard's footer.

    It can be called again after an interruption.
    """
    with path.open("r+b") as stream:
        stream.seek(-8, 2)  # Parquet ends with the footer's length and "PAR1"
        footer_bytes = int.from_bytes(stream.read(4), "little")
        start = stream.seek(-8 - footer_bytes, 2)
        footer = stream.read(footer_bytes)
        # After the key come a type and a length (three bytes), then the JSON.
        place = footer.index(b"{", footer.rindex(RECORD_KEY.encode()))
        stream.seek(start + place)
        stream.write(_padded(record).encode())


def write_dataset(
    folder: Path,
    *,
    spec: SampleSpec,
    shards: Sequence[tuple[Path, Mapping[str, int]]],
    sums: BandSums,
    provenance: Provenance,
    details: Mapping[str, object] | None = None,
) -> None:
    """Seal finished shards in ``folder`` and write ``dataset.json`` over them.

    Args:
        folder: Folder of the shards.
        spec: Definition of a sample.
        shards: Each shard in order, with its number of rows by split.
        sums: Sums over the pixels of the ``train`` split.
        provenance: All that the data set depends on.
        details: Further entries of ``dataset.json``: numbers of tiles, and what was left out.

    Raises:
        InputError: If no patch is in the ``train`` split.
    """
    if not sums.num_pixels:
        raise InputError(
            "at least one patch must be in the split `train`, to compute the mean of each band, "
            "found none; give more tiles or another --seed"
        )
    record = shard_record(spec, sums.statistics(spec), provenance)
    totals: dict[str, int] = {}
    for _, rows_by_split in shards:
        for split, count in rows_by_split.items():
            totals[split] = totals.get(split, 0) + count
    # Threads are enough: hashing releases the interpreter's lock.
    with ThreadPoolExecutor(_HASHED_AT_ONCE) as pool:
        entries = list(pool.map(partial(_finished, spec=spec, record=record), shards))
    record |= {"splits": dict(sorted(totals.items())), **(details or {}), "shards": entries}
    write_json(folder / DATASET_FILE, {KEY: provenance.as_dict(), **record})


def _finished(
    shard: tuple[Path, Mapping[str, int]], *, spec: SampleSpec, record: Mapping[str, object]
) -> dict[str, object]:
    """Seal a shard; return its entry of ``dataset.json``."""
    path, rows_by_split = shard
    if spec.format == Format.PARQUET:
        seal_shard(path, record)
    entry: dict[str, object] = {
        "file": path.name, "rows": sum(rows_by_split.values()), "bytes": path.stat().st_size,
        "sha256": sha256_of(path),
    }  # fmt: skip
    if len(rows_by_split) == 1:
        entry["split"] = next(iter(rows_by_split))
    return entry


def write_shards(
    out: Path,
    *,
    tensors: Tensors,
    metadata: pa.Table,
    provenance: Provenance,
    rows_per_shard: int = 4608,
    spec: SampleSpec | None = None,
) -> None:
    """Write patches in memory as a data set, atomically.

    Args:
        out: Folder to write.
        tensors: Arrays [patch, band, row, column], by tensor column.
        metadata: Table of ``SampleSpec.metadata_schema``, one row for each patch.
        provenance: All that the patches depend on.
        rows_per_shard: Maximum number of patches in a file.
        spec: Definition of a sample; all bands when None.

    Raises:
        InputError: If no patch is in the ``train`` split.
    """
    spec = spec or SampleSpec(patch_px=tensors[S2_10M.column].shape[-1])
    splits = metadata["split"].to_numpy(zero_copy_only=False)
    sums = BandSums()
    sums.add_patches({column: array[splits == "train"] for column, array in tensors.items()})
    firsts = range(0, len(metadata), rows_per_shard)
    shards = []
    with atomic_folder(out) as folder:
        for number, first in enumerate(firsts):
            rows = slice(first, first + rows_per_shard)
            path = folder / shard_name(number, len(firsts), spec.format)
            with start_shard(path, spec=spec, provenance=provenance) as writer:
                writer.append({c: a[rows] for c, a in tensors.items()}, metadata[rows])
            names, counts = np.unique(splits[rows].astype(str), return_counts=True)
            by_split = dict(zip(names.tolist(), counts.tolist(), strict=True))
            shards.append((path, by_split))
        write_dataset(folder, spec=spec, shards=shards, sums=sums, provenance=provenance)


def _padded(record: Mapping[str, object]) -> str:
    """Return the record as JSON, padded with spaces to the reserved length."""
    text = json.dumps(record, ensure_ascii=True)
    reserved = _RESERVED_BYTES + len(json.dumps(record[RECORD]) if RECORD in record else "")
    assert len(text) <= reserved, len(text)
    return text.ljust(reserved)


def _byte_column(values: NDArray[np.generic]) -> pa.Array:
    """View little-endian patches [patch, ...] as bytes, one value for each, without a copy."""
    num_bytes = values.nbytes // len(values)
    offsets = np.arange(len(values) + 1, dtype=np.int32) * np.int32(num_bytes)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(values)]
    return pa.BinaryArray.from_buffers(pa.binary(), len(values), buffers)
