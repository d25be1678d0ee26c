"""Cache of files over HTTP, which are downloaded again only after a change."""

import hashlib
import tempfile
from pathlib import Path

from minortom.io.atomic_write import atomic_file, write_json
from minortom.io.parse import parse_json
from minortom.io.provenance import sha256_of
from minortom.progress import OnProgress, ignore_progress
from minortom.public_urls import identity_of, public_url
from minortom.remote.http import (
    cache_folder,
    download_into,
    make_cache_folder,
    open_session,
    send_request,
)

_DIGITS = 16
"""Number of digits of a SHA-256 in the name of a folder."""


def cached_copy(url: str, *, on_progress: OnProgress = ignore_progress) -> Path:
    """Return the path of a cached file with the current content at its server.

    A returned file never changes: new content at the server gets another path.

    Args:
        url: Address, ``http://`` or ``https://``; its signature is not stored.
        on_progress: Called with (bytes downloaded, bytes in all) during a download.

    Raises:
        RemoteError: If the server does not answer, even with a copy in the cache, which may be
            outdated.
        InputError: If the cache folder cannot be created.
    """
    place = public_url(url)
    folder = cache_folder() / "http" / _digest(identity_of(url))
    record, name = folder / "current.json", place.rsplit("/", 1)[1]
    with open_session() as session:
        known = _read(record)
        copy = folder / str(known.get("folder")) / name
        if known.get("etag") and copy.is_file():
            headers = {"If-None-Match": str(known["etag"])}
            with send_request(session, url, headers=headers, accepted=(200, 304)) as response:
                if response.status_code == 304:
                    return copy
        make_cache_folder(folder)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            new = Path(scratch) / name
            with atomic_file(new) as temporary, temporary.open("wb") as file:
                etag = download_into(session, url, file, on_progress=on_progress).get("ETag")
            version = sha256_of(new)[:_DIGITS]
            copy = folder / version / name
            copy.parent.mkdir(exist_ok=True)
            new.replace(copy)
    write_json(record, {"url": place, "etag": etag, "folder": version})
    return copy


def _read(record: Path) -> dict[str, object]:
    try:
        found = parse_json(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
