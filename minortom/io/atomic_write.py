"""Files and folders written whole or not at all."""

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
    """Make sure that the folders above ``out`` are there or can be made.

    Raises:
        InputError: If one of them is a file or a link to nothing, or ``out`` is not UTF-8 or has
            no name of its own, as ``.``.
    """
    try:
        str(out).encode()
    except UnicodeEncodeError:  # Arrow would refuse it, but only when all the work is done
        raise InputError(f"--out {str(out)!a} is not UTF-8; give another name") from None
    if out.name in ("", ".."):
        raise InputError(f"--out {out} has no name to write to; give one, such as {out / 'out'}")
    above = next(path for path in out.absolute().parents if path.exists() or path.is_symlink())
    if not above.is_dir():
        what = "is a file, no folder" if above.exists() else "is a link that leads nowhere"
        raise InputError(f"--out {out}: {above} {what}; give another --out")


def is_empty_folder(path: Path) -> bool:
    """Say whether there is a folder with nothing in it, which nobody misses."""
    return path.is_dir() and not any(path.iterdir())


@contextmanager
def sole_writer(out: Path) -> Iterator[None]:
    """Keep other processes from making ``out`` at the same time; makes the folders above it.

    Raises:
        OutputExistsError: If another process is making it.
        InputError: If ``out`` lies below a file, or where no file can be made.
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
                f"another process is making {out}; wait for it, or give another --out"
            ) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def whole_file(out: Path) -> Iterator[Path]:
    """Yield a path beside ``out`` to write to; it takes the place of ``out`` at the end.

    On any exception, an interrupt too, what was written is removed and ``out`` is as before.
    """
    with _beside(out):
        handle, name = tempfile.mkstemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes it private
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(out)
    except OSError as error:
        error.filename = error.filename or str(out)  # a full disk does not say which one it is
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``out``; it takes the place of ``out`` at the end."""
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
    """Make the folders above ``out``; inside the block a file or folder is made beside it.

    Raises:
        InputError: If the file system has no room for files of a user's, as ``/proc``.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        yield
    except FileNotFoundError:
        raise InputError(
            f"--out {out}: no file can be made in {out.parent}; give another --out"
        ) from None


def replace_folder(finished: Path, out: Path) -> None:
    """Put ``finished`` in the place of ``out``; what was there goes last."""
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
    """Write a UTF-8 text file whole or not at all."""
    with whole_file(out) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(out: Path, value: object) -> None:
    """Write a JSON file whole or not at all, keys as given, for people to read."""
    write_text(out, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
