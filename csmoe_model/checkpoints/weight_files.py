"""Files of the weights of a model: one, or several with an index (sharded safetensors)."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from minortom.errors import InputError
from minortom.io.parse import parse_json
from minortom.io.provenance import sha256_of

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
"""File that names the file of each tensor, where the weights are in several files."""


def has_weights(folder: Path) -> bool:
    """Return whether a folder holds weights, in one file or in several."""
    return (folder / WEIGHTS).is_file() or (folder / INDEX).is_file()


def weight_files(folder: Path) -> list[Path]:
    """Return the files of the weights in a folder; the index is not among them.

    Raises:
        InputError: If the index is damaged, or names a file outside of the folder.
    """
    if (folder / WEIGHTS).is_file() or not (folder / INDEX).is_file():
        return [folder / WEIGHTS]
    return [folder / name for name in files_in_index(folder / INDEX)]


def files_in_index(index: Path) -> list[str]:
    """Return the names of the files in an index of weights.

    Raises:
        InputError: If the index is damaged, or names a file in another folder.
    """
    try:
        names = sorted(set(parse_json(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"{index} must be an index of weights with a weight_map, found {error!r}; copy the "
            "whole folder again"
        ) from None
    outside = [name for name in names if not isinstance(name, str) or Path(name).name != name]
    if outside or not names:
        raise InputError(
            f"{index} must name files of its own folder, found {outside or 'none'}; copy the whole "
            "folder again"
        )
    return names


def fetch_weights(fetch: Callable[[str], Path], *, missing: type[Exception]) -> None:
    """Download the weights of a repository.

    Args:
        fetch: Downloads a file by its name.
        missing: Error that `fetch` raises for a file that does not exist.
    """
    try:
        fetch(WEIGHTS)
    except missing as error:
        try:
            index = fetch(INDEX)
        except missing:
            raise error from None
        for name in files_in_index(index):
            fetch(name)


def weights_sha256(folder: Path) -> str:
    """Return the SHA-256 of the weights: of the file, or of the names and hashes of several.

    Raises:
        InputError: If a file is missing.
    """
    files = weight_files(folder)
    if files == [folder / WEIGHTS]:
        return sha256_of(files[0])
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()
