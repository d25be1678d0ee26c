"""Checks of one shard against ``dataset.json``: its size and footer, or every byte."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from minortom.io.parse import parse_json
from minortom.io.provenance import KEY, sha256_of
from minortom.shards.byte_offsets import PREFIX_BYTES, lengths_in, value_offsets, value_span
from minortom.shards.codec import unpack_into
from minortom.shards.formats import Format
from minortom.shards.layout import (
    DATASET_FILE,
    METADATA_SCHEMA,
    RECORD_KEY,
    SampleSpec,
    shard_schema,
    spec_of,
)
from minortom.shards.statistics import BandSums
from minortom.shards.tar_writer import tar_rows

PATCH_COLUMNS = ("grid_cell", "patch_row", "patch_col", "split")
_UNREADABLE = (OSError, ValueError, pa.ArrowException)


@dataclass(kw_only=True)
class CheckedShard:
    """Findings about one shard."""

    problems: list[str] = field(default_factory=list)
    """Descriptions of the problems; empty if there are none."""
    places: pa.Table | None = None
    """``PATCH_COLUMNS`` of its patches; None where they cannot be read."""
    sums: BandSums | None = None
    """Sums over the pixels of its ``train`` patches; None where not all were read."""


def check_shard(
    folder: Path, entry: Mapping[str, Any], record: Mapping[str, Any], *, deep: bool
) -> CheckedShard:
    """Check a shard against the record.

    Args:
        folder: Folder of the shard.
        entry: Entry of the shard in the record: ``file``, ``rows``, ``bytes``, ``sha256``.
        record: All of ``dataset.json``.
        deep: Read every byte: hash, checksums of the pages, values. Otherwise read the footer, the
            offsets of values, and the columns that identify the patches.
    """
    path, found = folder / entry["file"], CheckedShard()
    if not path.is_file():
        found.problems.append("is missing")
        return found
    try:
        size = path.stat().st_size
        if size != entry.get("bytes"):
            found.problems.append(_differs("bytes", size, entry.get("bytes")))
        elif "sha256" not in entry:
            found.problems.append(f"{DATASET_FILE} does not record its SHA-256")
        elif deep and sha256_of(path) != entry["sha256"]:
            found.problems.append(f"its SHA-256 is not the one in {DATASET_FILE}")
        spec = spec_of(record)
        if spec.format == Format.WEBDATASET:
            _read_tar(path, spec, entry, found, deep=deep)
            return found
        with pq.ParquetFile(path, page_checksum_verification=deep) as file:
            found.problems += _wrong_in_footer(file, entry, record)
            if file.schema_arrow.equals(shard_schema(spec)):
                found.problems += _wrong_in_layout(path, file.metadata, spec)
                found.places = file.read(columns=list(PATCH_COLUMNS))
                found.problems += _wrong_split(found.places, entry.get("split"))
                if deep:
                    _read_pixels(file, spec, found)
    except _UNREADABLE as error:
        found.problems.append(f"cannot be read ({str(error).splitlines()[0]})")
    return found


def _read_tar(
    path: Path, spec: SampleSpec, entry: Mapping[str, Any], found: CheckedShard, *, deep: bool
) -> None:
    """Read the samples of a tar: the columns that identify them, and with ``deep`` their pixels."""
    sums, places = BandSums(), []
    for row, tensors in tar_rows(path, spec, tensors=deep):
        places.append({name: row[name] for name in PATCH_COLUMNS})
        if row["split"] == "train" and deep:
            sums.add_patches({column: patch[None] for column, patch in tensors.items()})
    schema = pa.schema([METADATA_SCHEMA.field(name) for name in PATCH_COLUMNS])
    found.places = pa.Table.from_pylist(places, schema=schema)
    found.problems += _wrong_split(found.places, entry.get("split"))
    if len(places) != entry["rows"]:
        found.problems.append(_differs("rows", len(places), entry["rows"]))
    found.sums = sums if deep else None


def _wrong_in_footer(
    file: pq.ParquetFile, entry: Mapping[str, Any], record: Mapping[str, Any]
) -> list[str]:
    """Check the footer: rows, columns, provenance and the record of the columns."""
    problems, footer = [], file.metadata
    if footer.num_rows != entry["rows"]:
        problems.append(_differs("rows", footer.num_rows, entry["rows"]))
    if not file.schema_arrow.equals(shard_schema(spec_of(record))):
        problems.append("its columns are not those of the schema")
    kept = footer.metadata or {}
    if _json(kept.get(KEY.encode())) != record[KEY]:
        problems.append(f"its provenance is not that of {DATASET_FILE}")
    recorded = _json(kept.get(RECORD_KEY.encode()))
    if not isinstance(recorded, dict) or not recorded:
        problems.append("its footer does not describe its columns")
    else:
        others = [name for name, value in recorded.items() if record.get(name) != value]
        if others:
            problems.append(f"its footer has another {', '.join(others)} than {DATASET_FILE}")
    return problems


def _wrong_split(places: pa.Table, wanted: str | None) -> list[str]:
    """Find patches of another split than the one that the record gives the shard."""
    others = [
        split for split in places["split"].unique().to_pylist() if wanted not in (None, split)
    ]
    return [f"has patches of the split {', '.join(others)}, not only {wanted}"] if others else []


def _wrong_in_layout(path: Path, footer: pq.FileMetaData, spec: SampleSpec) -> list[str]:
    """Check that the first and the last value of each row group lie at their computed offsets."""
    problems, lengths = [], lengths_in(footer)
    rows = [footer.row_group(i).num_rows for i in range(footer.num_row_groups)]
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for group in spec.groups:
            num_bytes = spec.num_bytes(group.column)
            offsets = value_offsets(footer, group.column, num_bytes, lengths.get(group.column))
            if offsets is None or not all(
                int.from_bytes(os.pread(handle, PREFIX_BYTES, offset), "little") == length
                for of_group, count in zip(offsets, rows, strict=True)
                for offset, length in (value_span(of_group, n, num_bytes) for n in (0, count - 1))
            ):
                problems.append(f"values of {group.column} are not at their offsets")
    finally:
        os.close(handle)
    return problems


def _read_pixels(file: pq.ParquetFile, spec: SampleSpec, found: CheckedShard) -> None:
    """Read all row groups, check their checksums, and add up the ``train`` patches."""
    sums, whole = BandSums(), True
    for number in range(file.num_row_groups):
        try:
            table = file.read_row_group(number)
            train = table["split"].to_numpy() == "train"
            pixels = {g.column: _stacked(table, g.column, spec)[train] for g in spec.groups}
            sums.add_patches(pixels)
        except _UNREADABLE as error:
            found.problems.append(f"row group {number}: {str(error).splitlines()[0]}")
            whole = False
    found.sums = sums if whole else None


def _stacked(table: pa.Table, column: str, spec: SampleSpec) -> "np.ndarray[Any, Any]":
    """Return a tensor column as [patch, band, row, column]; ValueError for a wrong length."""
    dtype = np.dtype(spec.group(column).dtype).newbyteorder("<")
    patches = np.empty((len(table), *spec.shape(column)), dtype)
    for patch, value in zip(patches, table[column], strict=True):
        unpack_into(memoryview(value.as_buffer()), memoryview(patch).cast("B"), spec.codec)
    return patches


def _json(text: bytes | None) -> object:
    try:
        return parse_json(text or b"null")
    except ValueError:
        return None


def _differs(what: str, found: object, wanted: object) -> str:
    return f"{found} {what} where {DATASET_FILE} records {wanted}"
