"""Atomic writes of files and folders, and a lock against a second writer."""

import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from threading import Lock

from minortom.errors import InputError, OutputExistsError
from minortom.io.exchange import exchange
from minortom.io.leftovers import (
    clean_up,
    leftovers,
    locked,
    move_aside,
    remove,
    temporary_beside,
)

_PROBE_BYTES = 1 << 20
_STATUS = Path("/proc/self/status")
_umask_lock = Lock()


def check_parents(out: Path) -> None:
    """Check that the parent folders of ``out`` exist or can be created.

    Raises:
        InputError: If a parent is a file or a broken link, if ``out`` is not UTF-8, if it has
            no name of its own, such as ``.``, or if it starts with ``~``.
    """
    try:
        str(out).encode()
    except UnicodeEncodeError:  # Arrow would refuse it only after all the work
        raise InputError(f"--out {str(out)!a} is not UTF-8; give another name") from None
    if out.parts[:1] == ("~",):  # only a shell expands it; here it would be a folder named ~
        raise InputError(f"--out {out} starts with ~; give the whole path, as {out.expanduser()}")
    if out.name in ("", ".."):
        raise InputError(f"--out {out} has no file name; give one, such as {out / 'out'}")
    above = next(path for path in out.absolute().parents if path.exists() or path.is_symlink())
    if not above.is_dir():
        what = "is a file" if above.exists() else "is a broken link"
        raise InputError(f"--out {out}: {above} must be a folder, but {what}; give another --out")


def is_empty_folder(path: Path) -> bool:
    """Return whether a path is an empty folder, which may be replaced."""
    return path.is_dir() and not any(path.iterdir())


@contextmanager
def output_lock(out: Path) -> Iterator[None]:
    """Hold a lock on ``out`` against other processes; create its parent folders.

    Raises:
        OutputExistsError: If another process holds the lock.
        InputError: If ``out`` lies below a file, or where no file can be created.
    """
    check_parents(out)
    path = _lock_of(out)
    with created_parents(out):
        with _beside(out):
            stream = _locked_file(path)
        if stream is None:
            raise OutputExistsError(
                f"another process is writing {out}; wait for it, or give another --out"
            )
        with stream:
            clean_up(out)
            try:
                yield
            finally:
                path.unlink(missing_ok=True)


def recover(out: Path) -> bool:
    """Clean up after a killed process; return whether there was one.

    Nothing happens while another process is writing ``out``.
    """
    if leftovers(out) or _lock_of(out).exists():
        with suppress(OSError, OutputExistsError), output_lock(out):
            return True  # the lock has cleaned up
    return False


def _lock_of(out: Path) -> Path:
    return out.with_name(f".{out.name}.lock")


def _locked_file(path: Path) -> TextIOWrapper | None:
    """Open and lock a file; None if another process holds the lock."""
    while True:
        stream = path.open("a")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            return None
        # The process that held the lock before may have deleted this file in between.
        if path.exists() and os.path.samestat(path.stat(), os.fstat(stream.fileno())):
            return stream
        stream.close()


@contextmanager
def atomic_file(out: Path) -> Iterator[Path]:
    """Yield the path of a temporary file beside ``out``, which replaces ``out`` at the end.

    After any exception, also an interrupt, the temporary file is deleted and ``out`` is unchanged.
    """
    with _temporary(out, is_folder=False) as temporary:
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp allows only its owner to read
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(out)


@contextmanager
def atomic_folder(out: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``out``, which replaces ``out`` at the end.

    ``out`` is the old or the new folder at any time; a folder that it replaces is deleted.
    """
    with _temporary(out, is_folder=True) as temporary:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        replace_folder(temporary, out)


@contextmanager
def _temporary(out: Path, *, is_folder: bool) -> Iterator[Path]:
    with created_parents(out), ExitStack() as held:
        with _beside(out):
            path = held.enter_context(temporary_beside(out, is_folder=is_folder))
        with _explained(path, out):
            yield path


@contextmanager
def _explained(temporary: Path, out: Path) -> Iterator[None]:
    """Add the number and the path to errors of the disk that a library reports without them.

    Such as GDAL and NumPy on a full disk. The number is found by writing to the same place.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            place = temporary if temporary.is_dir() else temporary.parent
            with _named_after(out), tempfile.TemporaryFile(dir=place) as probe:
                probe.write(b"\0" * _PROBE_BYTES)
                probe.flush()
                os.fsync(probe.fileno())
        error.filename = error.filename or str(out)
        raise


@contextmanager
def _named_after(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(out)) from None


@contextmanager
def created_parents(out: Path) -> Iterator[None]:
    """Create the parent folders of ``out``; after an exception remove those that are empty."""
    created = [folder for folder in out.absolute().parents if not folder.exists()]
    try:
        with _beside(out):
            out.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in created:  # from the deepest
            with suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def _beside(out: Path) -> Iterator[None]:
    """Create a file or a folder beside ``out`` in the body.

    Raises:
        InputError: If the file system does not accept files, such as ``/proc``.
    """
    try:
        yield
    except FileNotFoundError:
        raise InputError(
            f"--out {out}: no file can be created in {out.parent}; give another --out"
        ) from None


def replace_folder(finished: Path, out: Path) -> None:
    """Move the folder ``finished`` to ``out``, then delete what it replaced.

    Both change places in one step, so that a killed process leaves the old or the new folder in its
    place. A file system that cannot do so needs two steps; ``clean_up`` recovers the old folder
    from a process that was killed between them.
    """
    if not os.path.lexists(out):
        finished.rename(out)
    elif exchange(finished, out):
        remove(finished)
    else:
        with locked(out):
            old = move_aside(out)
            finished.rename(out)
            remove(old)


def write_text(out: Path, text: str) -> None:
    """Write a UTF-8 text file with an atomic write."""
    with atomic_file(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(out: Path, value: object) -> None:
    """Write an indented JSON file with an atomic write; keys keep their order."""
    write_text(out, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _umask() -> int:
    """Return the umask of the process.

    Python reads it only by setting it, which holds for the files of all threads meanwhile. Linux
    tells it without that. Elsewhere only the owner has rights on such files, and one thread at a
    time sets it.
    """
    try:
        found = re.search(rb"(?m)^Umask:\s*([0-7]+)$", _STATUS.read_bytes())
    except OSError:
        found = None
    if found:
        return int(found[1], 8)
    with _umask_lock:
        current = os.umask(0o077)
        os.umask(current)
    return current
