"""The log of completed searches on disk, from which an interrupted ``sample`` resumes.

A line is appended when a search is complete. If the process is killed, the file has complete
lines and at most one incomplete line at its end. Each line begins with its checksum. The file is
truncated at the first line with a wrong checksum, and those searches are repeated.
"""

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from minortom.errors import InputError
from minortom.genetic.algorithm import Evolution
from minortom.io.provenance import Provenance
from minortom.io.work_folder import delete_work_folder, prepare_work_folder

Search = tuple[int, int]
"""Number of the pass, and number of the stratum."""

_FILE = "searches.txt"


class SearchLog:
    """The completed searches of this run and of interrupted runs with the same provenance."""

    def __init__(self, folder: Path | None = None) -> None:
        """Read the log in a folder; without a folder, nothing is written to disk.

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

    def stored(self, search: Search) -> Evolution | None:
        """Return the outcome of a completed search; None if it is not in the log."""
        return self._found.get(search)

    def store(self, search: Search, evolution: Evolution) -> None:
        """Append the outcome of a completed search.

        Raises:
            InputError: If the file cannot be written.
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
def search_log_in(work: Path, provenance: Provenance, *, overwrite: bool) -> Iterator[SearchLog]:
    """Open the search log in a folder of unfinished work.

    The folder stays after the block, unless it has no completed search.

    Raises:
        OutputExistsError: If the folder has searches of another command and ``overwrite`` is
            false, or files that this program did not write.
    """
    path = work / _FILE
    has_searches = path.is_file() and path.stat().st_size > 0
    prepare_work_folder(work, provenance, overwrite=overwrite or not has_searches)
    log = SearchLog(work)
    try:
        yield log
    finally:
        if not len(log):
            delete_work_folder(work, provenance)


def _as_line(search: Search, evolution: Evolution) -> bytes:
    """Return the line of a search: its checksum, a space and JSON."""
    record = {
        "pass": search[0], "stratum": search[1], "members": evolution.members.tolist(),
        "best": evolution.best_by_generation.tolist(), "start": evolution.start_score,
    }  # fmt: skip
    text = json.dumps(record).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _parsed(line: bytes) -> tuple[Search, Evolution] | None:
    """Return the search in a line; None if the line is incomplete or its checksum is wrong."""
    checksum, _, text = line.removesuffix(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text):
        return None
    record = json.loads(text)
    evolution = Evolution(
        members=np.array(record["members"], np.int64),
        best_by_generation=np.array(record["best"], np.float64),
        start_score=record["start"],
    )
    return (record["pass"], record["stratum"]), evolution


def _unusable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot read or write the log of completed searches {path}: {error.strerror or error}; "
        "solve this, then run the same command again to resume"
    )
