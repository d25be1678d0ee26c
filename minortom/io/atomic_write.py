"""Atomic writes of files and folders, and a lock against a second writer."""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minortom.errors import InputError, OutputExistsError


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
    path = out.with_name(f".{out.name}.lock")
    with _beside(out):
        stream = path.open("a")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputExistsError(
                f"another process is writing {out}; wait for it, or give another --out"
            ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def atomic_file(out: Path) -> Iterator[Path]:
    """Yield the path of a temporary file beside ``out``, which replaces ``out`` at the end.

    After any exception, also an interrupt, the temporary file is deleted and ``out`` is unchanged.
    """
    with _beside(out):
        handle, name = tempfile.mkstemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp allows only its owner to read
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(out)
    except OSError as error:
        error.filename = error.filename or str(out)  # a full disk is reported without a path
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(out: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside ``out``, which replaces ``out`` at the end."""
    with _beside(out):
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        replace_folder(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _beside(out: Path) -> Iterator[None]:
    """Create the parent folders of ``out``; the body creates a file or folder beside ``out``.

    Raises:
        InputError: If the file system does not accept files, such as ``/proc``.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield
    except FileNotFoundError:
        raise InputError(
            f"--out {out}: no file can be created in {out.parent}; give another --out"
        ) from None


def replace_folder(finished: Path, out: Path) -> None:
    """Move the folder ``finished`` to ``out``, then delete what it replaced."""
    if not out.exists():
        finished.rename(out)
        return
    old = out.with_name(f".{out.name}.old-{os.getpid()}")
    out.rename(old)
    finished.rename(out)
    if old.is_dir():
        shutil.rmtree(old)
    else:
        old.unlink()


def write_text(out: Path, text: str) -> None:
    """Write a UTF-8 text file with an atomic write."""
    with atomic_file(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(out: Path, value: object) -> None:
    """Write an indented JSON file with an atomic write; keys keep their order."""
    write_text(out, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
