"""Cache of features on disk, keyed by everything that the features depend on."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minortom import __version__
from minortom.api.arguments import path_of
from minortom.errors import InputError
from minortom.io.atomic_write import atomic_file, check_parents
from minortom.io.up_to_date import check_outside

Features = NDArray[np.float32]


@dataclass(frozen=True)
class FeatureCache:
    """Folder of NumPy files; without a folder nothing is cached."""

    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.folder is None:
            return
        check_parents(self.folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(
                f"--cache must be a folder, found the file {self.folder}; give a folder"
            )

    @classmethod
    def beside(cls, out: Path, folder: str | Path | None) -> "FeatureCache":
        """Return the cache of a command that writes the folder `out`.

        Args:
            out: Folder that the command replaces as a whole.
            folder: Folder of the cache; no cache when None.

        Raises:
            InputError: If the cache is not a possible folder, or lies in `out`.
        """
        if folder is None:
            return cls()
        cache = path_of("cache", folder)
        check_outside(cache, out, option="--cache")
        return cls(cache)

    def get(
        self, depends_on: Mapping[str, object], rows: int, make: Callable[[], Features]
    ) -> Features:
        """Return cached features; compute and cache them where they are missing.

        Args:
            depends_on: Everything that the features depend on, except the version of this package.
            rows: Expected number of rows; a file with another number is computed again.
            make: Computes the features [rows, D].
        """
        if self.folder is None:
            return make()
        text = json.dumps({"version": __version__, **depends_on}, sort_keys=True)
        path = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()}.npy"
        cached = _read(path)
        if cached is not None and cached.dtype == np.float32 and cached.shape[:1] == (rows,):
            return cached
        found = make()
        with atomic_file(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, found)
        return found


def _read(path: Path) -> Features | None:
    """Read a file; return None where it is missing or damaged."""
    try:
        cached: Features = np.load(path, allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return cached
