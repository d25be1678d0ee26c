"""One Parquet shard: the rows of its row groups, and the byte offsets of its tensors."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.errors import ShardError
from minortom.shards.byte_offsets import (
    PREFIX_BYTES,
    Offsets,
    lengths_in,
    value_offsets,
    value_span,
)
from minortom.shards.formats import Codec
from minortom.shards.layout import DATASET_FILE, SampleSpec, column_records
from minortom.shards.record import MADE_BY


@dataclass(frozen=True, kw_only=True)
class ShardFile:
    """The footer of one shard, as far as reading samples needs it."""

    path: Path
    row_counts: list[int]
    """Rows of each row group."""
    offsets: dict[str, list[Offsets] | None]
    """By tensor column, the offsets of each row group; None where only pyarrow can read it."""


def open_shard(path: Path, num_rows: int, spec: SampleSpec) -> ShardFile:
    """Read a shard's footer and compute the offsets of its tensors.

    Args:
        path: The shard.
        num_rows: Rows that ``dataset.json`` records.
        spec: Bands, size and codec of a sample.

    Raises:
        ShardError: If the file is missing or damaged, or has other rows or columns than expected.
    """
    if not path.is_file():
        raise ShardError(
            f"{path.parent} should have the shard {path.name}, which is missing; copy it there or "
            f"{MADE_BY}"
        )
    try:
        footer = pq.read_metadata(path)
        lengths = {} if spec.codec == Codec.NONE else lengths_in(footer)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise damaged(path, str(error)) from None
    missing = [n for n in [*column_records(spec), *spec.metadata_schema.names]
               if n not in footer.schema.names]  # fmt: skip
    if missing:
        raise damaged(path, f"it has no column {', '.join(missing)}")
    if footer.num_rows != num_rows:
        raise damaged(path, f"{footer.num_rows} rows where {DATASET_FILE} records {num_rows}")
    counts = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
    offsets: dict[str, list[Offsets] | None] = {}
    for column in (group.column for group in spec.groups):
        num_bytes, sizes = spec.num_bytes(column), lengths.get(column)
        known = spec.codec == Codec.NONE or sizes is not None
        found = value_offsets(footer, column, num_bytes, sizes) if known else None
        offsets[column] = found if found and _has_value_at(path, found[0], num_bytes) else None
    return ShardFile(path=path, row_counts=counts, offsets=offsets)


def damaged(path: Path, found: str) -> ShardError:
    """Return the error for a damaged shard: what was found, and what to do."""
    found = (found.splitlines() or ["it cannot be read"])[0]
    return ShardError(f"{path} is damaged ({found}); copy it again or {MADE_BY}")


def _has_value_at(path: Path, offsets: Offsets, num_bytes: int) -> bool:
    """Check that the first value of a row group starts at its computed offset.

    A chunk of two pages has the same footer as a chunk with a long header. Its first value is then
    not at the computed offset.
    """
    offset, length = value_span(offsets, 0, num_bytes)
    with path.open("rb") as stream:
        stream.seek(offset)
        return int.from_bytes(stream.read(PREFIX_BYTES), "little") == length
