"""Byte offsets of the values of a shard, computed from its Parquet footer.

The values of a row group follow each other in one uncompressed page, each after a 4-byte length.
Where all values have the same length, the footer is enough. Where they are compressed one by one,
the footer has a list of their lengths.
"""

import base64
import json
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minortom.io.parse import parse_json

PREFIX_BYTES = 4
"""The PLAIN encoding writes the length of each value, a little-endian uint32, in front of it."""
LENGTHS_KEY = "minortom.lengths"
"""Key of the lengths of compressed values in a shard's footer, by tensor column: uint32,
little-endian, in base64."""

Offsets = int | NDArray[np.int64]
"""Position of a row group's values in the file, in bytes.

An integer is the offset of the first value's length prefix, where all values have the same length.
An array has the offset of each value's length prefix, and of the end.
"""


def value_span(offsets: Offsets, number: int, num_bytes: int) -> tuple[int, int]:
    """Return the offset of a value's length prefix and the length of the value, in bytes.

    Args:
        offsets: Offsets of the row group.
        number: Number of the value in the row group.
        num_bytes: Length of each value where values are not compressed.
    """
    if isinstance(offsets, int):
        return offsets + number * (num_bytes + PREFIX_BYTES), num_bytes
    offset = int(offsets[number])
    return offset, int(offsets[number + 1]) - offset - PREFIX_BYTES


def value_offsets(
    footer: pq.FileMetaData, column: str, num_bytes: int, lengths: NDArray[np.int64] | None = None
) -> list[Offsets] | None:
    """Compute the offsets of a column's values in each row group.

    Args:
        footer: The shard's footer.
        column: A tensor column.
        num_bytes: Length of each value in bytes, used where ``lengths`` is None.
        lengths: Length of each value of the file in bytes, where they differ.

    Returns:
        Offsets by row group. None where the column is compressed by Parquet, dictionary-coded or in
        another encoding, so that offsets cannot be computed.
    """
    if lengths is not None and len(lengths) != footer.num_rows:
        return None
    number, found, first = footer.schema.names.index(column), list[Offsets](), 0
    for group in range(footer.num_row_groups):
        chunk = footer.row_group(group).column(number)
        sizes = None if lengths is None else lengths[first : first + chunk.num_values]
        values_bytes = chunk.num_values * num_bytes if sizes is None else int(sizes.sum())
        header_bytes = chunk.total_compressed_size - values_bytes - chunk.num_values * PREFIX_BYTES
        plain = (
            chunk.physical_type == "BYTE_ARRAY"
            and chunk.compression == "UNCOMPRESSED"
            and not chunk.has_dictionary_page
            and set(chunk.encodings) <= {"PLAIN", "RLE", "BIT_PACKED"}
        )
        if not plain or header_bytes <= 0:
            return None
        start = chunk.data_page_offset + header_bytes
        if sizes is None:
            found.append(start)
        else:
            found.append(start + np.concatenate([[0], np.cumsum(sizes + PREFIX_BYTES)]))
        first += chunk.num_values
    return found


def lengths_text(lengths: Mapping[str, Sequence[int]]) -> str:
    """Encode the lengths of values, by column, as text for the footer."""
    return json.dumps(
        {
            column: base64.b64encode(np.asarray(sizes, "<u4").tobytes()).decode()
            for column, sizes in lengths.items()
        }
    )


def lengths_in(footer: pq.FileMetaData) -> dict[str, NDArray[np.int64]]:
    """Read the lengths of values from a footer; return an empty dictionary where it has none.

    Raises:
        ValueError: If they cannot be read.
    """
    text = (footer.metadata or {}).get(LENGTHS_KEY.encode())
    if text is None:
        return {}
    try:
        return {
            column: np.frombuffer(base64.b64decode(sizes, validate=True), "<u4").astype(np.int64)
            for column, sizes in parse_json(text).items()
        }
    except (TypeError, AttributeError) as error:
        raise ValueError(f"its {LENGTHS_KEY} cannot be read ({error})") from None
