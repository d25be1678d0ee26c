"""Copies of files behind HTTP, asked for again only when they have changed."""

import hashlib
import json
import tempfile
from pathlib import Path

from minortom.io.atomic_write import whole_file, write_json
from minortom.io.provenance import sha256_of
from minortom.progress import OnProgress, ignore_progress
from minortom.remote.http import (
    answer,
    cache_folder,
    fetch_into,
    make_cache_folder,
    open_session,
    shown,
)

_DIGITS = 16
"""Of a SHA-256, in the name of a folder."""


def cached_copy(url: str, *, on_progress: OnProgress = ignore_progress) -> Path:
    """Have a file in the cache, as it is now at its server.

    The file that is returned never changes: what is new at the server gets another path.

    Args:
        url: Where it is, ``http://`` or ``https://``; what its query says is not kept.
        on_progress: Called with (bytes had, bytes in all) while it is fetched.

    Raises:
        RemoteError: If the server cannot be asked, even if there is a copy: it may be old.
        InputError: If the cache folder cannot be made.
    """
    place = shown(url)
    folder = cache_folder() / "http" / _digest(place)
    record, name = folder / "current.json", place.rsplit("/", 1)[1]
    with open_session() as session:
        known = _read(record)
        copy = folder / str(known.get("folder")) / name
        if known.get("etag") and copy.is_file():
            headers = {"If-None-Match": str(known["etag"])}
            with answer(session, url, headers=headers, accepted=(200, 304)) as response:
                if response.status_code == 304:
                    return copy
        make_cache_folder(folder)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            new = Path(scratch) / name
            with whole_file(new) as temporary, temporary.open("wb") as file:
                etag = fetch_into(session, url, file, on_progress=on_progress).get("ETag")
            version = sha256_of(new)[:_DIGITS]
            copy = folder / version / name
            copy.parent.mkdir(exist_ok=True)
            new.replace(copy)
    write_json(record, {"url": place, "etag": etag, "folder": version})
    return copy


def _read(record: Path) -> dict[str, object]:
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
