"""Fetch a data set that is one file: download it, hold it to its hash, take it out of a zip."""

import hashlib
import shutil
import zipfile
from fnmatch import fnmatchcase
from pathlib import Path

from minortom.downloads.cache import claim, folder_of, keep, kept_file, scratch_in, verify
from minortom.errors import InputError
from minortom.maps.manifests import Manifest
from minortom.maps.rasters import opened_map
from minortom.progress import OnProgress, ignore_progress
from minortom.remote.http import download, public_url

_BLOCK_BYTES = 1 << 20


def fetch_file(
    manifest: Manifest, *, on_progress: OnProgress = ignore_progress
) -> tuple[Path, bool]:
    """Give the map of a data set that is one file: from the cache, else from its source.

    Args:
        manifest: What to fetch.
        on_progress: Called with (bytes had, bytes in all).

    Returns:
        The map, and whether it came now.

    Raises:
        RemoteError: If it cannot be had.
        InputError: If it is not what the manifest says, or has changed since it was fetched:
            then it stays where it is, and is not used.
    """
    folder = folder_of(manifest)
    there = kept_file(folder)
    if there is not None:
        verify(there, thoroughly=True)
        return there, False
    source = folder / manifest.file_name()
    if not source.exists() and manifest.by_hand:
        raise InputError(
            f"{manifest.name} cannot be fetched: {manifest.by_hand}; get it from {manifest.url} "
            "and give the path of the file"
        )
    with scratch_in(folder) as scratch:
        if source.exists():  # left by a run that found it wrong, or put there by hand
            _check(source, manifest)
            return _take(source, manifest, folder, scratch), True
        came = scratch / source.name
        download(manifest.url, came, on_progress=on_progress)
        try:
            _check(came, manifest, shown_as=source)
        except InputError:
            came.replace(source)
            raise
        return _take(came, manifest, folder, scratch), True


def require_map(path: Path, manifest: Manifest, url: str) -> None:
    """Make sure that what has no published hash is a map, and no page that asks to log in.

    Raises:
        InputError: If it cannot be opened as a raster of classes.
    """
    if manifest.legend is None:
        return
    try:
        with opened_map(path):
            pass
    except InputError:
        raise InputError(
            f"expected a map of classes at {public_url(url)}, found another file of "
            f"{path.stat().st_size:,} bytes; check the address in the manifest {manifest.name}"
        ) from None


def _check(path: Path, manifest: Manifest, *, shown_as: Path | None = None) -> None:
    """Hold a downloaded file to the manifest's hash."""
    if manifest.checksum is None:
        return
    algorithm, _, wanted = manifest.checksum.partition(":")
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, algorithm).hexdigest()
    if found != wanted:
        raise InputError(
            f"{shown_as or path} has {algorithm}:{found}, the manifest {manifest.name} says "
            f"{wanted}; it is not used: delete it to fetch it again, or correct the manifest"
        )


def _take(source: Path, manifest: Manifest, folder: Path, scratch: Path) -> Path:
    """Put the map of a checked download into the cache."""
    to, finished = folder / source.name, source
    if manifest.member is not None:
        to, finished = _unpacked(source, manifest.member, folder, scratch)
    if manifest.checksum is None:
        require_map(finished, manifest, manifest.url)
    keep(finished, to)
    claim(folder, manifest, file=to.name)
    return to


def _unpacked(source: Path, member: str, folder: Path, scratch: Path) -> tuple[Path, Path]:
    """Take one file out of a zip; gives where it belongs and where it is."""
    try:
        with zipfile.ZipFile(source) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            found = [name for name in names if fnmatchcase(name, member)]
            if len(found) != 1:
                raise InputError(_about_members(source, member, found, names))
            name = found[0].rpartition("/")[2]
            with archive.open(found[0]) as packed, (scratch / f"member-{name}").open("wb") as out:
                shutil.copyfileobj(packed, out, _BLOCK_BYTES)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        raise InputError(f"{source.name} is no zip file that can be read ({error})") from None
    return folder / name, scratch / f"member-{name}"


def _about_members(source: Path, member: str, found: list[str], names: list[str]) -> str:
    listed = found or names
    shown_names = ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if listed[8:] else "")
    return (
        f"{len(found)} files in {source.name} match {member}, wanted one; correct `member` in the "
        f"manifest: there {'match' if found else 'are'} {shown_names or 'none'}"
    )
