"""Where each value of a shard lies in its file: arithmetic on the footer.

The values of a row group follow each other in one uncompressed page, each after its length. Where
all are equally long, nothing more is to be known; where they are packed, the footer has a list of
their lengths.
"""

import base64
import json
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

PREFIX_BYTES = 4
"""PLAIN puts the length of each value, a little-endian uint32, in front of it."""
LENGTHS_KEY = "minortom.lengths"
"""Key, in the footer of a shard with packed values, of their lengths by tensor column: uint32,
little-endian, in base64."""

Place = int | NDArray[np.int64]
"""Of a row group's values: the offset of the first one's prefix, where all have the same length;
else the offset of each one's prefix, and of the end."""


def value_at(place: Place, number: int, num_bytes: int) -> tuple[int, int]:
    """Give the offset of a value's prefix and the value's length, in bytes.

    Args:
        place: Of its row group.
        number: Of the value in the row group.
        num_bytes: Length of each value where they are not packed.
    """
    if isinstance(place, int):
        return place + number * (num_bytes + PREFIX_BYTES), num_bytes
    offset = int(place[number])
    return offset, int(place[number + 1]) - offset - PREFIX_BYTES


def value_places(
    footer: pq.FileMetaData, column: str, num_bytes: int, lengths: NDArray[np.int64] | None = None
) -> list[Place] | None:
    """Locate the values of a column in each row group.

    Args:
        footer: The shard's footer.
        column: A tensor column.
        num_bytes: Bytes of each value, where there are no ``lengths``.
        lengths: Bytes of each value of the file, where they differ.

    Returns:
        A place a row group; None where the column is compressed by Parquet, dictionary-coded or of
        another encoding, so that offsets say nothing.
    """
    if lengths is not None and len(lengths) != footer.num_rows:
        return None
    number, places, first = footer.schema.names.index(column), list[Place](), 0
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
            places.append(start)
        else:
            places.append(start + np.concatenate([[0], np.cumsum(sizes + PREFIX_BYTES)]))
        first += chunk.num_values
    return places


def lengths_text(lengths: Mapping[str, Sequence[int]]) -> str:
    """Write lengths by column as the footer keeps them."""
    return json.dumps(
        {
            column: base64.b64encode(np.asarray(sizes, "<u4").tobytes()).decode()
            for column, sizes in lengths.items()
        }
    )


def lengths_in(footer: pq.FileMetaData) -> dict[str, NDArray[np.int64]]:
    """Read them; nothing where the footer has none.

    Raises:
        ValueError: If they cannot be read.
    """
    text = (footer.metadata or {}).get(LENGTHS_KEY.encode())
    if text is None:
        return {}
    try:
        return {
            column: np.frombuffer(base64.b64decode(sizes, validate=True), "<u4").astype(np.int64)
            for column, sizes in json.loads(text).items()
        }
    except (TypeError, AttributeError) as error:
        raise ValueError(f"its {LENGTHS_KEY} cannot be read ({error})") from None
