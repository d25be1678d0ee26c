"""Parquet files over HTTP, of which byte ranges are read: the footer, then columns of row groups.

Each process requests a footer once. Chunks of columns that are near each other are one request.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import SEEK_CUR, SEEK_END, SEEK_SET, BytesIO, RawIOBase
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.remote.byte_ranges import read_range
from minortom.remote.http import open_session
from minortom.remote.hub_datasets import hub_headers

if TYPE_CHECKING:
    import requests

_FOOTERS_KEPT = 16  # a footer of 500 rows needs about 10 MB
_TAIL_BYTES = 3 << 19
"""Bytes requested from the end of a file: the footers of the hub's archives have 1.0 to 1.4 MB."""
_END_BYTES = 8
"""A Parquet file ends with the length of its footer (4 bytes, little-endian) and ``PAR1``."""

Span = tuple[int, int]
"""Offset of the first byte, and of the end."""


@dataclass(frozen=True, kw_only=True)
class RemoteParquet:
    """A Parquet file behind HTTP. No open connection is stored here."""

    url: str = field(repr=False)
    """Address; it may have a password or a signature."""
    on_hub: bool = False
    """Whether the user's token for the hub is sent."""
    version: str = ""
    """Text that changes with the file, if it can change while this process runs."""

    def footer(self) -> pq.FileMetaData:
        """Return the footer.

        Raises:
            RemoteError: If the download fails, or the server does not support byte ranges.
            ArrowException: If the file is not Parquet.
        """
        return _footer(self.url, self.on_hub, self.version)[0]

    def num_bytes(self, group: int, columns: Sequence[str]) -> int:
        """Return the size of some columns of a row group in the file."""
        return sum(end - start for start, end in _chunks(self.footer().row_group(group), columns))

    def read_row_group(
        self, group: int, columns: Sequence[str], *, max_gap: int | None = None
    ) -> pa.Table:
        """Read some columns of a row group.

        Args:
            group: Number of the row group.
            columns: Columns at the top level.
            max_gap: Bytes between chunks that are downloaded rather than requested apart; None for
                one request.

        Raises:
            RemoteError: If the download fails.
            OSError: If the file is damaged; ``pyarrow.ArrowException`` likewise.
        """
        footer, size = _footer(self.url, self.on_hub, self.version)
        spans = _merged(_chunks(footer.row_group(group), columns), max_gap)
        pieces = [(start, _read(self.url, self.on_hub, start, end)[0]) for start, end in spans]
        with pq.ParquetFile(_Window(pieces, size=size), metadata=footer, pre_buffer=False) as file:
            return file.read_row_group(group, columns=list(columns))


def _chunks(group: pq.RowGroupMetaData, columns: Sequence[str]) -> list[Span]:
    """Return the bytes of a row group's columns, in their order in the file."""
    spans = []
    for chunk in (group.column(number) for number in range(group.num_columns)):
        if chunk.path_in_schema.split(".")[0] in columns:
            first = chunk.dictionary_page_offset or chunk.data_page_offset
            start = min(first, chunk.data_page_offset)
            spans.append((start, start + chunk.total_compressed_size))
    return sorted(spans)


def _merged(spans: Sequence[Span], max_gap: int | None) -> list[Span]:
    merged = [spans[0]]
    for start, end in spans[1:]:
        first, last = merged[-1]
        if max_gap is None or start - last <= max_gap:
            merged[-1] = first, max(last, end)
        else:
            merged.append((start, end))
    return merged


@functools.cache
def _session() -> "requests.Session":
    """Return the session of this process, which keeps connections open between rows."""
    return open_session()


def _read(url: str, on_hub: bool, start: int, end: int | None = None) -> tuple[bytes, int]:
    # HF_ENDPOINT names the hub already; the mirror of other hosts does not apply to it.
    headers = hub_headers() if on_hub else None
    return read_range(_session(), url, start, end, headers=headers, use_mirror=not on_hub)


@functools.lru_cache(maxsize=_FOOTERS_KEPT)
def _footer(url: str, on_hub: bool, _version: str) -> tuple[pq.FileMetaData, int]:
    """Return the footer of a file, and the size of the file in bytes."""
    tail, size = _read(url, on_hub, -_TAIL_BYTES)
    length = int.from_bytes(tail[-_END_BYTES:-4], "little") + _END_BYTES
    if len(tail) < length <= size:
        tail, size = _read(url, on_hub, -length)
    return pq.read_metadata(BytesIO(tail[-length:])), size


class _Window(RawIOBase):
    """Read-only file of which only some pieces are in memory, for Arrow."""

    def __init__(self, pieces: Sequence[tuple[int, bytes]], *, size: int) -> None:
        """Take pieces with their offsets in a file of ``size`` bytes."""
        self._pieces, self._size, self._at = pieces, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        self._at = offset + {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        for start, data in self._pieces:
            first = self._at - start
            last = len(data) if size < 0 else first + size
            if 0 <= first <= last <= len(data):
                self._at += last - first
                return data[first:last]
        raise OSError(f"the bytes from {self._at} on were not downloaded")
