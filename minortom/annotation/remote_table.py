"""Tables of cells behind addresses: only the columns that are needed are downloaded.

The columns of a Parquet file are stored as a Parquet file in the cache, and downloaded again only
after a change at the server. Other files are downloaded whole.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.errors import InputError
from minortom.io.atomic_write import atomic_file
from minortom.io.tables import is_parquet
from minortom.progress import OnProgress
from minortom.public_urls import identity_of, public_url
from minortom.remote.http import (
    cache_folder,
    make_cache_folder,
    open_session,
    send_request,
    split_url,
)
from minortom.remote.http_cache import cached_copy
from minortom.remote.hub_datasets import HubDataset, hub_headers
from minortom.remote.remote_parquet import RemoteParquet

_ON_HUB = re.compile(r"hf://datasets/([^/@]+/[^/@]+)(?:@([^/]+))?/(.+)", re.IGNORECASE)
_MAX_GAP_BYTES = 1 << 20
"""Bytes between two columns that are downloaded rather than requested apart."""

Choose = Callable[[pa.Schema], list[str]]
"""Chooses columns among those of a file."""


def local_table(place: str, choose: Choose, *, on_fetch: OnProgress) -> Path:
    """Return a file on this machine with the columns of a table behind an address.

    Args:
        place: Address, ``http(s)://…`` or ``hf://datasets/OWNER/NAME/PATH``.
        choose: Chooses the columns to download.
        on_fetch: Called with (bytes done, bytes in all) during a download.

    Raises:
        InputError: If the address has another form, or the file is not Parquet.
        ArchiveError: If the data set on the hub is not accessible.
        RemoteError: If the download fails.
    """
    if not place.lower().startswith("hf://"):
        if not is_parquet(Path(split_url(place).path)):
            return cached_copy(place, on_progress=on_fetch)
        found = _columns(RemoteParquet(url=place), choose, on_fetch)
        return found or cached_copy(place, on_progress=on_fetch)
    address = _ON_HUB.fullmatch(place)
    if address is None:
        raise InputError(
            "expected a file of a data set on the hub, such as "
            f"hf://datasets/OWNER/NAME/table.parquet, found {public_url(place)}; correct the "
            "address"
        )
    repository, revision, name = address.groups()
    data_set = HubDataset(repository=repository, revision=revision)
    if not is_parquet(Path(name)):
        return data_set.fetch(name)[0]
    url = data_set.url(name, revision or "main")
    found = _columns(RemoteParquet(url=url, on_hub=True), choose, on_fetch)
    return found or data_set.fetch(name)[0]


def _columns(file: RemoteParquet, choose: Choose, on_fetch: OnProgress) -> Path | None:
    """Return the cached columns of a file; None if the server does not support byte ranges."""
    version = _version(file)
    if version is None:
        return None
    file = replace(file, version=version)
    try:
        footer = file.footer()
    except (OSError, pa.ArrowException) as error:
        found = str(error).splitlines()[0]
        raise InputError(
            f"expected a Parquet file, cannot read {public_url(file.url)} ({found}); check the "
            "address"
        ) from None
    columns = choose(footer.schema.to_arrow_schema())
    key = json.dumps([identity_of(file.url), version, columns])
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    path = cache_folder() / "tables" / digest / Path(urlsplit(file.url).path).name
    if version and path.is_file():
        return path
    make_cache_folder(path.parent)
    with atomic_file(path) as temporary:
        _download(file, footer, columns, temporary, on_fetch)
    return path


def _version(file: RemoteParquet) -> str | None:
    """Return what changes when the file changes, empty if unknown; None without byte ranges."""
    headers = {"Range": "bytes=0-0", **(hub_headers() if file.on_hub else {})}
    with (
        open_session() as session,
        send_request(
            session, file.url, headers=headers, accepted=(200, 206), use_mirror=not file.on_hub
        ) as response,
    ):
        if response.status_code != 206:
            return None
        told = response.headers.get("ETag") or response.headers.get("Last-Modified")
        return f"{told} {response.headers.get('Content-Range')}" if told else ""


def _download(
    file: RemoteParquet,
    footer: pq.FileMetaData,
    columns: Sequence[str],
    path: Path,
    on_fetch: OnProgress,
) -> None:
    whole = footer.schema.to_arrow_schema()
    schema = pa.schema([whole.field(name) for name in columns], whole.metadata)
    sizes = [file.num_bytes(group, columns) for group in range(footer.num_row_groups)]
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for group, _ in enumerate(sizes):
            table = file.read_row_group(group, columns, max_gap=_MAX_GAP_BYTES)
            writer.write_table(table.select(columns).cast(schema))
            on_fetch(sum(sizes[: group + 1]), sum(sizes))
