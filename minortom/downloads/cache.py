"""Cache of downloaded maps: one folder per data set, with the SHA-256 of each file.

``sha256sum -c`` reads ``<file>.sha256``. ``source.json`` stores the source of the files,
``absent.txt`` the URLs of tiles that do not exist, without their signatures.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from minortom.errors import InputError
from minortom.io.atomic_write import write_json, write_text
from minortom.io.parse import parse_json
from minortom.io.provenance import sha256_of
from minortom.maps.manifests import Manifest
from minortom.public_urls import identity_of
from minortom.remote.http import cache_folder, make_cache_folder

_SOURCE, _ABSENT = "source.json", "absent.txt"
_HASH = ".sha256"
_SCRATCH = ".fetch-"
_ABANDONED_S = 24 * 3600


def folder_of(manifest: Manifest) -> Path:
    """Return the cache folder of a data set, which may not exist yet.

    Raises:
        InputError: If the folder has files of another data set with the same name.
    """
    folder = cache_folder() / "maps" / manifest.name
    found, expected = _read_source(folder), _source(manifest)
    other = [key for key in expected if found and found.get(key) != expected[key]]
    if other:
        raise InputError(
            f"{folder} must have {manifest.name} with {other[0]} {expected[other[0]]}, found "
            f"another source ({other[0]} {found.get(other[0])}); move it away, or give the "
            "manifest another name"
        )
    return folder


def record_source(folder: Path, manifest: Manifest, *, file: str | None = None) -> None:
    """Write the source of a folder's files; ``file`` is the map of a data set in one file."""
    if not _read_source(folder):
        write_json(folder / _SOURCE, {**_source(manifest), "file": file})


def cached_file(folder: Path) -> Path | None:
    """Return the cached map of a data set in one file; None if it is not in the cache."""
    name = _read_source(folder).get("file")
    return folder / name if name and (folder / name).is_file() else None


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder for downloads, so that two processes never write to one file.

    Folders that killed processes left at least a day ago are deleted.

    Raises:
        InputError: If the cache folder cannot be created.
    """
    make_cache_folder(folder)
    for old in folder.glob(f"{_SCRATCH}*"):
        if time.time() - old.stat().st_mtime > _ABANDONED_S:
            shutil.rmtree(old, ignore_errors=True)
    # After an interrupt a thread may still write. The folder is then deleted on another day.
    with tempfile.TemporaryDirectory(
        prefix=_SCRATCH, dir=folder, ignore_cleanup_errors=True
    ) as scratch:
        yield Path(scratch)


def store(finished: Path, to: Path) -> None:
    """Move a complete file to the cache; its hash is written first, and marks it as downloaded."""
    write_text(_beside(to), f"{sha256_of(finished)}  {to.name}\n")
    finished.replace(to)


def verify(path: Path, *, thoroughly: bool) -> None:
    """Check that a cached file has not changed since its download.

    A file without a hash was put there by hand. It is accepted, and its hash is written.

    Args:
        path: The file.
        thoroughly: Whether to hash the file in any case; otherwise only if it is newer than its
            hash.

    Raises:
        InputError: If the file has changed. It stays where it is.
    """
    beside = _beside(path)
    if not beside.exists():
        if os.access(path.parent, os.W_OK):
            write_text(beside, f"{sha256_of(path)}  {path.name}\n")
        return
    if not thoroughly and path.stat().st_mtime_ns <= beside.stat().st_mtime_ns:
        return
    expected, found = beside.read_text(encoding="utf-8").partition(" ")[0], sha256_of(path)
    if expected != found:
        raise InputError(
            f"{path} must have the SHA-256 {expected} of its download, found {found}; it has "
            "changed and is not used; delete it to download it again"
        )
    if os.access(beside, os.W_OK):
        os.utime(beside)  # so that the file is not read again


def absent_urls(folder: Path) -> frozenset[str]:
    """Return the URLs of tiles that do not exist."""
    path = folder / _ABSENT
    return frozenset(path.read_text(encoding="utf-8").split()) if path.exists() else frozenset()


def record_absent(folder: Path, urls: Iterable[str]) -> None:
    """Add URLs of tiles that do not exist."""
    urls = list(urls)
    if not urls:
        return
    with (folder / _ABSENT).open("a", encoding="utf-8") as stream:
        stream.write("".join(f"{url}\n" for url in urls))


def _beside(path: Path) -> Path:
    return path.with_name(path.name + _HASH)


def _read_source(folder: Path) -> dict[str, str | None]:
    path = folder / _SOURCE
    if not path.exists():
        return {}
    try:
        found: dict[str, str | None] = dict(parse_json(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"cannot read {path} ({error}); move {folder} away") from None
    return found


def _source(manifest: Manifest) -> dict[str, str | None]:
    return {
        "url": identity_of(manifest.url), "checksum": manifest.checksum, "member": manifest.member,
        "version": manifest.version,
    }  # fmt: skip
