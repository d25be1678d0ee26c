"""The files of labelled sets that others keep: whether they are there, and which they are."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from minortom.errors import InputError
from minortom.io.provenance import sha256_of


def check_files_exist(name: str, root: Path, needed: Sequence[str], how: str) -> None:
    """Make sure that a set lies in a folder. Nothing is ever downloaded here.

    Args:
        name: Of the set.
        root: The folder.
        needed: Files and folders that must be in it.
        how: Says how to get the set.

    Raises:
        InputError: If one is missing; it says how to get the set.
    """
    missing = [part for part in needed if not (root / part).exists()]
    if missing:
        raise InputError(f"{name} is not in {root}: there is no {missing[0]}; {how}")


def sha256_of_set(index: Iterable[Path], images: Iterable[Path] = ()) -> str:
    """Hash what a set is: its small files by content, its images by name and size.

    Images of gigabytes are what their keeper published; to read them twice, the first time to
    hash them, would take hours.

    Raises:
        InputError: If a file is missing.
    """
    digest = hashlib.sha256()
    for path in index:
        digest.update(sha256_of(path).encode())
    for path in images:
        try:
            size = path.stat().st_size
        except OSError:
            raise InputError(
                f"there is no {path}, which the set's index names; get the set again"
            ) from None
        digest.update(f"{path.name}:{size}\n".encode())
    return digest.hexdigest()
