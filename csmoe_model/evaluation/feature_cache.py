"""Features kept on disk between probes, by all that they depend on."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minortom import __version__
from minortom.errors import InputError
from minortom.io.atomic_write import check_parents, whole_file

Features = NDArray[np.float32]


@dataclass(frozen=True)
class FeatureCache:
    """A folder of NumPy files; without a folder nothing is kept."""

    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.folder is None:
            return
        check_parents(self.folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"--cache {self.folder} is a file; give the name of a folder")

    def get(
        self, depends_on: Mapping[str, object], rows: int, make: Callable[[], Features]
    ) -> Features:
        """Give the features kept under a name; make and keep them where there are none.

        Args:
            depends_on: All that the features depend on, but the version of this package.
            rows: How many there must be; a file with other rows is made anew.
            make: Computes [rows, D].
        """
        if self.folder is None:
            return make()
        text = json.dumps({"version": __version__, **depends_on}, sort_keys=True)
        path = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()}.npy"
        kept = _read(path)
        if kept is not None and kept.dtype == np.float32 and kept.shape[:1] == (rows,):
            return kept
        found = make()
        with whole_file(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, found)
        return found


def _read(path: Path) -> Features | None:
    """Read a file; None where there is none, or it is damaged."""
    try:
        kept: Features = np.load(path, allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return kept
