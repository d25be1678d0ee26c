"""Rows of an archive's parts, read from local files or by byte ranges over HTTP.

A part has one row per row group, about 10 MB each, and a footer of about 1 MB with the offsets.
Over HTTP each process requests a footer once, and then one range per row.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import SEEK_CUR, SEEK_END, SEEK_SET, BytesIO, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.errors import ArchiveError, RemoteMissingError
from minortom.remote.byte_ranges import read_range
from minortom.remote.http import open_session
from minortom.remote.hub_datasets import hub_headers

if TYPE_CHECKING:
    import requests

_FOOTERS_KEPT = 16  # a footer of 500 rows needs about 10 MB
_TAIL_BYTES = 3 << 19
"""Bytes requested from the end of a part: the footers of the hub's parts have 1.0 to 1.4 MB."""
_END_BYTES = 8
"""A Parquet file ends with the length of its footer (4 bytes, little-endian) and ``PAR1``."""


class Parts(Protocol):
    """Access to the images of an archive."""

    def read_row(self, part: str, row: int, columns: Sequence[str]) -> pa.Table:
        """Read some columns of a row group.

        Raises:
            ArchiveError: If the part, a column or the row group does not exist.
            RemoteError: If the download fails.
            OSError: If the part cannot be read; ``pyarrow.ArrowException`` likewise.
        """


@dataclass(frozen=True, kw_only=True)
class LocalParts:
    """Parts in a folder."""

    folder: Path

    def read_row(self, part: str, row: int, columns: Sequence[str]) -> pa.Table:
        """Read some columns of a row group."""
        try:
            # Not memory-mapped: a truncated part would then kill the process.
            with pq.ParquetFile(self.folder / part, pre_buffer=False) as file:
                _check(file.metadata, row, columns)
                return file.read_row_group(row, columns=list(columns))
        except FileNotFoundError:
            raise ArchiveError("the part does not exist") from None


@dataclass(frozen=True, kw_only=True)
class RemoteParts:
    """Parts behind HTTP. No open connection is stored here."""

    folder: str = field(repr=False)
    """URL of the folder, without a slash at the end; it may have a password."""
    query: str = field(default="", repr=False)
    """Query of the URL: empty, or ``?`` and the rest."""
    on_hub: bool = False
    """Whether the user's token for the hub is sent."""

    def read_row(self, part: str, row: int, columns: Sequence[str]) -> pa.Table:
        """Read some columns of a row group by one request, after one for the footer."""
        url = f"{self.folder}/{quote(part)}{self.query}"
        try:
            footer, size = _footer(url, self.on_hub)
        except RemoteMissingError:
            raise ArchiveError("the part does not exist") from None
        _check(footer, row, columns)
        start, end = _span(footer.row_group(row), columns)
        data, _ = _read(url, self.on_hub, start, end)
        window = _Window(data, start=start, size=size)
        with pq.ParquetFile(window, metadata=footer, pre_buffer=False) as file:
            return file.read_row_group(row, columns=list(columns))


def _check(metadata: pq.FileMetaData, row: int, columns: Sequence[str]) -> None:
    present = metadata.schema.to_arrow_schema().names
    missing = [name for name in columns if name not in present]
    if missing:
        raise ArchiveError(f"the column {', '.join(missing)} is missing")
    if not 0 <= row < metadata.num_row_groups:
        raise ArchiveError(f"has only {metadata.num_row_groups} row groups")


def _span(group: pq.RowGroupMetaData, columns: Sequence[str]) -> tuple[int, int]:
    """Return the offset of the first byte of a row group's columns, and of the end."""
    starts, ends = [], []
    for chunk in (group.column(number) for number in range(group.num_columns)):
        if chunk.path_in_schema.split(".")[0] in columns:
            first = chunk.dictionary_page_offset or chunk.data_page_offset
            starts.append(min(first, chunk.data_page_offset))
            ends.append(starts[-1] + chunk.total_compressed_size)
    return min(starts), max(ends)


@functools.cache
def _session() -> "requests.Session":
    """Return the session of this process, which keeps connections open between rows."""
    return open_session()


def _read(url: str, on_hub: bool, start: int, end: int | None = None) -> tuple[bytes, int]:
    # HF_ENDPOINT names the hub already; the mirror of other hosts does not apply to it.
    headers = hub_headers() if on_hub else None
    return read_range(_session(), url, start, end, headers=headers, use_mirror=not on_hub)


@functools.lru_cache(maxsize=_FOOTERS_KEPT)
def _footer(url: str, on_hub: bool) -> tuple[pq.FileMetaData, int]:
    """Return the footer of a part, and the size of the part in bytes."""
    tail, size = _read(url, on_hub, -_TAIL_BYTES)
    length = int.from_bytes(tail[-_END_BYTES:-4], "little") + _END_BYTES
    if len(tail) < length <= size:
        tail, size = _read(url, on_hub, -length)
    return pq.read_metadata(BytesIO(tail[-length:])), size


class _Window(RawIOBase):
    """Read-only file of which only a range of bytes is in memory, for Arrow."""

    def __init__(self, data: bytes, *, start: int, size: int) -> None:
        self._data, self._start, self._size, self._at = data, start, size, 0

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
        first = self._at - self._start
        last = len(self._data) if size < 0 else first + size
        if not 0 <= first <= last <= len(self._data):
            raise OSError(f"the bytes from {self._at} on were not downloaded")
        self._at += last - first
        return self._data[first:last]
