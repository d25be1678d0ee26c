"""One shard, opened: how many rows its row groups have, and how its tensors are to be read."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.errors import ShardError
from minortom.shards.byte_offsets import PREFIX_BYTES, Place, lengths_in, value_at, value_places
from minortom.shards.formats import Codec
from minortom.shards.layout import DATASET_FILE, METADATA_SCHEMA, SampleSpec, column_records

MADE_BY = "make shards with `minortom export`"


@dataclass(frozen=True, kw_only=True)
class ShardFile:
    """One file: its row groups, and where their values lie."""

    path: Path
    row_counts: list[int]
    """Rows of each row group."""
    places: dict[str, list[Place] | None]
    """By tensor column, one a row group; None: only by pyarrow."""


def open_shard(path: Path, num_rows: int, spec: SampleSpec) -> ShardFile:
    """Read a shard's footer and find out how its tensors are to be read.

    Raises:
        ShardError: If it is missing, damaged, or has other rows or columns than wanted.
    """
    if not path.is_file():
        raise ShardError(f"{path.parent} lacks its shard {path.name}; copy it there or {MADE_BY}")
    try:
        footer = pq.read_metadata(path)
        lengths = {} if spec.codec == Codec.NONE else lengths_in(footer)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise damaged(path, str(error)) from None
    missing = [n for n in [*column_records(spec), *METADATA_SCHEMA.names]
               if n not in footer.schema.names]  # fmt: skip
    if missing:
        raise damaged(path, f"it lacks the column {', '.join(missing)}")
    if footer.num_rows != num_rows:
        raise damaged(path, f"{footer.num_rows} rows where {DATASET_FILE} says {num_rows}")
    counts = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
    places: dict[str, list[Place] | None] = {}
    for column in (group.column for group in spec.groups):
        num_bytes, sizes = spec.num_bytes(column), lengths.get(column)
        known = spec.codec == Codec.NONE or sizes is not None
        found = value_places(footer, column, num_bytes, sizes) if known else None
        places[column] = found if found and _is_there(path, found[0], num_bytes) else None
    return ShardFile(path=path, row_counts=counts, places=places)


def damaged(path: Path, found: str) -> ShardError:
    """Say that a shard is damaged, and what to do."""
    return ShardError(f"{path} is damaged ({found.splitlines()[0]}); copy it again or {MADE_BY}")


def _is_there(path: Path, place: Place, num_bytes: int) -> bool:
    """Look whether a value lies where it should.

    A chunk of two pages has the same footer as one with a long header. Its first value is then
    not where arithmetic looks for it.
    """
    offset, length = value_at(place, 0, num_bytes)
    with path.open("rb") as stream:
        stream.seek(offset)
        return int.from_bytes(stream.read(PREFIX_BYTES), "little") == length
