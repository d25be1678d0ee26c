"""Finished searches on disk, one a line, so that a stopped `sample` goes on where it was.

A line is written when a search has ended, and only ever appended: whatever stops the process
leaves whole lines, and at most one torn one at the end. Each line begins with its checksum: from
the first one that does not hold on, the file is cut off, and those searches are made again.
"""

import json
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from minortom.errors import InputError
from minortom.genetic.algorithm import Evolution
from minortom.io.provenance import Provenance
from minortom.io.work_folder import take_up

Search = tuple[int, int]
"""Number of the pass, and number of the stratum."""

_FILE = "searches.txt"


class SearchLog:
    """The searches that ended in this run or in former ones of the same command."""

    def __init__(self, folder: Path | None = None) -> None:
        """Read what is in the folder; without one, nothing is kept.

        Raises:
            InputError: If the file cannot be read or written.
        """
        self._path = folder / _FILE if folder else None
        self._found: dict[Search, Evolution] = {}
        if self._path and self._path.exists():
            try:
                self._read(self._path)
            except OSError as error:
                raise _unusable(self._path, error) from None

    def _read(self, path: Path) -> None:
        whole = 0
        with path.open("rb") as stream:
            for line in stream:
                entry = _parsed(line)
                if entry is None:
                    break
                self._found[entry[0]] = entry[1]
                whole += len(line)
        with path.open("rb+") as stream:
            stream.truncate(whole)

    def __len__(self) -> int:
        return len(self._found)

    def found(self, search: Search) -> Evolution | None:
        """Give what a search found, if it has ended."""
        return self._found.get(search)

    def keep(self, search: Search, evolution: Evolution) -> None:
        """Write down what a search found.

        Raises:
            InputError: If that cannot be written.
        """
        self._found[search] = evolution
        if self._path is None:
            return
        try:
            with self._path.open("ab") as stream:
                stream.write(_as_line(search, evolution))
        except OSError as error:
            raise _unusable(self._path, error) from None


@contextmanager
def kept_searches(work: Path, provenance: Provenance, *, overwrite: bool) -> Iterator[SearchLog]:
    """Keep the searches of the block in a folder, and find those that a former run kept there.

    The folder stays after the block, but for one without a finished search.

    Raises:
        OutputExistsError: If the folder holds searches of another command, and ``overwrite`` is
            false; or something that is none of ours.
    """
    path = work / _FILE
    nothing_lost = not (path.is_file() and path.stat().st_size)
    take_up(work, provenance, overwrite=overwrite or nothing_lost)
    log = SearchLog(work)
    try:
        yield log
    finally:
        if not len(log):
            shutil.rmtree(work)


def _as_line(search: Search, evolution: Evolution) -> bytes:
    """Write a search as its checksum, a space and JSON."""
    record = {
        "pass": search[0], "stratum": search[1], "members": evolution.members.tolist(),
        "best": evolution.best_by_generation.tolist(),
    }  # fmt: skip
    text = json.dumps(record).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _parsed(line: bytes) -> tuple[Search, Evolution] | None:
    """Read a line; None if it is torn, or not as it was written."""
    checksum, _, text = line.removesuffix(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
        return None
    record = json.loads(text)
    evolution = Evolution(
        members=np.array(record["members"], np.int64),
        best_by_generation=np.array(record["best"], np.float64),
    )
    return (record["pass"], record["stratum"]), evolution


def _unusable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot use {path}, where finished searches are kept: {error.strerror or error}; mend "
        "that, and the same command goes on from there"
    )
