"""Files of published sets: check that they exist, and hash them."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from minortom.errors import InputError
from minortom.io.provenance import sha256_of


def check_files_exist(name: str, root: Path, needed: Sequence[str], how: str) -> None:
    """Check that a folder contains a published set. Nothing is downloaded.

    Args:
        name: Name of the set.
        root: The folder.
        needed: Files and folders that it must contain.
        how: Instructions for downloading the set, for the error message.

    Raises:
        InputError: If a file or folder is missing.
    """
    missing = [part for part in needed if not (root / part).exists()]
    if missing:
        raise InputError(f"{name} needs {missing[0]} in {root}, which does not exist; {how}")


def sha256_of_set(index: Iterable[Path], images: Iterable[Path] = ()) -> str:
    """Hash a set: its index files by content, its images by name and size.

    The images are as published and take gigabytes. Reading them only for the hash would take hours.

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
                f"{path} is in the index of the set but does not exist; download the set again"
            ) from None
        digest.update(f"{path.name}:{size}\n".encode())
    return digest.hexdigest()
