"""Rows of an archive's parts, read from local files or by byte ranges over HTTP.

A part has one row per row group, about 10 MB each, and a footer of about 1 MB with the offsets.
Over HTTP each process requests a footer once, and then one range per row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.errors import ArchiveError, RemoteMissingError
from minortom.remote.remote_parquet import RemoteParquet


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
        file = RemoteParquet(url=url, on_hub=self.on_hub)
        try:
            footer = file.footer()
        except RemoteMissingError:
            raise ArchiveError("the part does not exist") from None
        _check(footer, row, columns)
        return file.read_row_group(row, columns)


def _check(metadata: pq.FileMetaData, row: int, columns: Sequence[str]) -> None:
    present = metadata.schema.to_arrow_schema().names
    missing = [name for name in columns if name not in present]
    if missing:
        raise ArchiveError(f"the column {', '.join(missing)} is missing")
    if not 0 <= row < metadata.num_row_groups:
        raise ArchiveError(f"has only {metadata.num_row_groups} row groups")
