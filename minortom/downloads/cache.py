"""Fetched maps on disk: a folder a data set, the SHA-256 of each file beside it.

``<file>.sha256`` is what ``sha256sum -c`` reads. ``source.json`` says where the files are from,
``absent.txt`` which URLs led to nothing: a tile of a tiled map that does not exist.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from minortom.errors import InputError
from minortom.io.atomic_write import write_json, write_text
from minortom.io.provenance import sha256_of
from minortom.maps.manifests import Manifest
from minortom.remote.http import cache_folder, make_cache_folder, public_url

_SOURCE, _ABSENT = "source.json", "absent.txt"
_HASH = ".sha256"
_SCRATCH = ".fetch-"
_ABANDONED_S = 24 * 3600


def folder_of(manifest: Manifest) -> Path:
    """Say where the files of a data set are kept, whether there are any or not.

    Raises:
        InputError: If files of another data set of the same name are kept there.
    """
    folder = cache_folder() / "maps" / manifest.name
    found, wanted = _noted(folder), _source(manifest)
    other = [key for key in wanted if found and found.get(key) != wanted[key]]
    if other:
        raise InputError(
            f"{folder} holds {manifest.name} of another source ({other[0]} {found.get(other[0])}, "
            f"wanted {wanted[other[0]]}); move it away, or give the manifest another name"
        )
    return folder


def claim(folder: Path, manifest: Manifest, *, file: str | None = None) -> None:
    """Note whose files the folder holds; ``file`` is the map of a data set that is one file."""
    if not _noted(folder):
        write_json(folder / _SOURCE, {**_source(manifest), "file": file})


def kept_file(folder: Path) -> Path | None:
    """Give the map of a data set that is one file, where it is there."""
    name = _noted(folder).get("file")
    return folder / name if name and (folder / name).is_file() else None


@contextmanager
def scratch_in(folder: Path) -> Iterator[Path]:
    """Yield a folder to download into: two processes must not meet in one file.

    What a process that was killed left behind a day ago or earlier goes.

    Raises:
        InputError: If the cache folder cannot be made.
    """
    make_cache_folder(folder)
    for old in folder.glob(f"{_SCRATCH}*"):
        if time.time() - old.stat().st_mtime > _ABANDONED_S:
            shutil.rmtree(old, ignore_errors=True)
    # After an interrupt a thread may still write: then the folder goes another day.
    with tempfile.TemporaryDirectory(
        prefix=_SCRATCH, dir=folder, ignore_cleanup_errors=True
    ) as scratch:
        yield Path(scratch)


def keep(finished: Path, to: Path) -> None:
    """Put a finished file into the cache, its hash first: one without is not of ``fetch``."""
    write_text(_beside(to), f"{sha256_of(finished)}  {to.name}\n")
    finished.replace(to)


def verify(path: Path, *, thoroughly: bool) -> None:
    """Make sure that a cached file is as it was when it was fetched.

    A file without a hash beside it was put there by hand: it is taken as it is, and its hash
    is noted.

    Args:
        path: The file.
        thoroughly: Read all of it; else only where it is newer than its hash.

    Raises:
        InputError: If it has changed. It stays where it is.
    """
    beside = _beside(path)
    if not beside.exists():
        if os.access(path.parent, os.W_OK):
            write_text(beside, f"{sha256_of(path)}  {path.name}\n")
        return
    if not thoroughly and path.stat().st_mtime_ns <= beside.stat().st_mtime_ns:
        return
    wanted, found = beside.read_text(encoding="utf-8").partition(" ")[0], sha256_of(path)
    if wanted != found:
        raise InputError(
            f"{path} has changed since it was fetched (SHA-256 {found}, was {wanted}); it is not "
            "used: delete it to have it fetched again"
        )
    if os.access(beside, os.W_OK):
        os.utime(beside)  # so that it need not be read again


def absent_urls(folder: Path) -> frozenset[str]:
    """Give the URLs that led to nothing."""
    path = folder / _ABSENT
    return frozenset(path.read_text(encoding="utf-8").split()) if path.exists() else frozenset()


def remember_absent(folder: Path, urls: Iterable[str]) -> None:
    """Note URLs that led to nothing."""
    urls = list(urls)
    if not urls:
        return
    with (folder / _ABSENT).open("a", encoding="utf-8") as stream:
        stream.write("".join(f"{url}\n" for url in urls))


def _beside(path: Path) -> Path:
    return path.with_name(path.name + _HASH)


def _noted(folder: Path) -> dict[str, str | None]:
    path = folder / _SOURCE
    if not path.exists():
        return {}
    try:
        found: dict[str, str | None] = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"cannot read {path} ({error}); move {folder} away") from None
    return found


def _source(manifest: Manifest) -> dict[str, str | None]:
    return {
        "url": public_url(manifest.url), "checksum": manifest.checksum, "member": manifest.member,
        "version": manifest.version,
    }  # fmt: skip
