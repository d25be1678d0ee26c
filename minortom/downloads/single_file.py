"""Download of a data set in one file: check of its hash, and extraction from a zip."""

import hashlib
import lzma
import shutil
import zipfile
import zlib
from fnmatch import fnmatchcase
from pathlib import Path

from minortom.downloads.cache import (
    cached_file,
    folder_of,
    record_source,
    scratch_folder,
    store,
    verify,
)
from minortom.errors import InputError
from minortom.maps.class_band import ClassBand
from minortom.maps.manifests import Manifest
from minortom.maps.rasters import opened_map
from minortom.progress import OnProgress, ignore_progress
from minortom.public_urls import public_url
from minortom.remote.http import download

_BLOCK_BYTES = 1 << 20


def fetch_file(
    manifest: Manifest, *, on_progress: OnProgress = ignore_progress
) -> tuple[Path, bool]:
    """Return the map of a data set in one file, from the cache or from its source.

    Args:
        manifest: The data set.
        on_progress: Called with (bytes downloaded, bytes in all).

    Returns:
        The path of the map, and whether it was downloaded now.

    Raises:
        RemoteError: If the download fails.
        InputError: If the file differs from the checksum in the manifest, or has changed since
            its download. It stays where it is and is not used.
    """
    folder = folder_of(manifest)
    cached = cached_file(folder)
    if cached is not None:
        verify(cached, thoroughly=True)
        return cached, False
    source = folder / manifest.file_name()
    if not source.exists() and manifest.by_hand:
        raise InputError(
            f"{manifest.name} cannot be downloaded by minortom: {manifest.by_hand}; download it "
            f"from {manifest.url} and give the path of the file"
        )
    with scratch_folder(folder) as scratch:
        if source.exists():  # left by a run with a wrong checksum, or put there by hand
            _check(source, manifest)
            return _store_map(source, manifest, folder, scratch), True
        new = scratch / source.name
        download(manifest.url, new, on_progress=on_progress)
        try:
            _check(new, manifest, shown_as=source)
        except InputError:
            new.replace(source)
            raise
        return _store_map(new, manifest, folder, scratch), True


def check_map(path: Path, manifest: Manifest, url: str) -> None:
    """Check that a file without a published hash is a map instead of, say, a login page.

    Raises:
        InputError: If the file cannot be opened as a raster of classes.
    """
    if manifest.legend is None:
        return
    try:
        with opened_map(path) as source:
            ClassBand.of(source, str(path))
    except InputError:
        raise InputError(
            f"expected a map of classes at {public_url(url)}, found another file of "
            f"{path.stat().st_size:,} bytes; check the address in the manifest {manifest.name}"
        ) from None


def _check(path: Path, manifest: Manifest, *, shown_as: Path | None = None) -> None:
    """Check the hash of a downloaded file against the manifest."""
    if manifest.checksum is None:
        return
    algorithm, _, expected = manifest.checksum.partition(":")
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, algorithm).hexdigest()
    if found != expected:
        raise InputError(
            f"{shown_as or path} must have {algorithm}:{expected} by the manifest {manifest.name}, "
            f"found {found}; it is not used; delete it to download it again, or correct the "
            "manifest"
        )


def _store_map(source: Path, manifest: Manifest, folder: Path, scratch: Path) -> Path:
    """Move the map of a verified download to the cache."""
    to, finished = folder / source.name, source
    if manifest.member is not None:
        to, finished = _unpacked(source, manifest.member, folder, scratch)
    if manifest.checksum is None:
        check_map(finished, manifest, manifest.url)
    store(finished, to)
    record_source(folder, manifest, file=to.name)
    return to


def _unpacked(source: Path, member: str, folder: Path, scratch: Path) -> tuple[Path, Path]:
    """Extract one file from a zip; return its path in the cache and its temporary path."""
    try:
        with zipfile.ZipFile(source) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            found = [name for name in names if fnmatchcase(name, member)]
            if len(found) != 1:
                raise InputError(_members_error(source, member, found, names))
            name = found[0].rpartition("/")[2]
            with archive.open(found[0]) as packed, (scratch / f"member-{name}").open("wb") as out:
                shutil.copyfileobj(packed, out, _BLOCK_BYTES)
    except RuntimeError as error:  # encrypted, or compressed by another method
        raise InputError(
            f"cannot extract {source.name} ({' '.join(str(error).split())}); extract {member} by "
            "hand and give its path in place of the name"
        ) from None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, lzma.LZMAError, EOFError,
            ValueError) as error:  # fmt: skip
        raise InputError(
            f"expected a zip file, cannot read {source.name} ({error}); correct `member` in the "
            "manifest"
        ) from None
    return folder / name, scratch / f"member-{name}"


def _members_error(source: Path, member: str, found: list[str], names: list[str]) -> str:
    listed = found or names
    shown_names = ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if listed[8:] else "")
    return (
        f"expected one file in {source.name} that matches {member}, found {len(found)}; correct "
        f"`member` in the manifest; {'matching' if found else 'all'} files: {shown_names or 'none'}"
    )
