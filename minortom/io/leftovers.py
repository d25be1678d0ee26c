"""Temporary files and folders beside an output, and their removal after a process was killed.

A process holds a lock on its temporary file or folder as long as it lives. The system releases the
lock when the process dies, so that another process can tell which ones are left over.
"""

import errno
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SUFFIX = ".tmp"
_WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EBADF}
_ABANDONED_S = 24 * 3600
"""Age of a left-over on a file system without locks."""
_REPLACED = ".old-"
"""An output that is being replaced on a file system that cannot exchange two paths."""


@contextmanager
def temporary_beside(out: Path, *, is_folder: bool) -> Iterator[Path]:
    """Yield a new, locked file or folder beside ``out``; remove what is left of it at the end.

    Those that killed processes left are removed first.
    """
    clean_up(out)
    while True:
        path = _make(out, is_folder=is_folder)
        with locked(path) as is_ours:
            # Another process may have taken the path for a left-over before it was locked.
            if is_ours is False:
                continue
            try:
                yield path
            finally:
                remove(path)
            return


def clean_up(out: Path) -> None:
    """Remove what killed processes left beside ``out``, and bring back an output that they moved.

    Without the right to do so, nothing happens.
    """
    for path in leftovers(out):
        was_moved = path.name.startswith(f".{out.name}{_REPLACED}")
        if was_moved and not os.path.lexists(out):
            _if_dead(path, lambda path: path.rename(out))
        else:
            _if_dead(path, remove)


def leftovers(out: Path) -> list[Path]:
    """Return the temporary files and folders of an output, of living and of dead processes."""
    ending = rf"{re.escape(_REPLACED)}\d+|\.[a-z0-9_]{{8}}{re.escape(_SUFFIX)}"
    name = re.compile(rf"\.{re.escape(out.name)}(?:{ending})")
    try:
        return sorted(path for path in out.parent.iterdir() if name.fullmatch(path.name))
    except OSError:
        return []


def move_aside(out: Path) -> Path:
    """Rename an output to a hidden name, from which ``clean_up`` brings it back; return that."""
    old = out.with_name(f".{out.name}{_REPLACED}{os.getpid()}")
    out.rename(old)
    return old


def remove(path: Path) -> None:
    """Delete a file, a link or a folder, as far as possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


@contextmanager
def locked(path: Path) -> Iterator[bool | None]:
    """Hold a lock on a file or a folder, unless another process holds it.

    Yields:
        Whether this process holds it, and the path still leads to the same file; None on a file
        system without locks.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR  # NFS locks only what may be written
    handle = os.open(path, flags)
    try:
        yield _is_locked(handle) and _leads_to(path, handle)
    finally:
        os.close(handle)


def _is_locked(handle: int) -> bool | None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
        return None
    return True


def _leads_to(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _if_dead(path: Path, act: Callable[[Path], object]) -> None:
    """Call a function with a path, unless its process may still live."""
    if path.is_symlink():  # an output that was a link, and has been replaced
        act(path)
        return
    with suppress(OSError), locked(path) as is_ours:
        is_old = time.time() - path.stat().st_mtime > _ABANDONED_S
        if is_ours or (is_ours is None and is_old):
            act(path)


def _make(out: Path, *, is_folder: bool) -> Path:
    prefix = f".{out.name}."
    if is_folder:
        return Path(tempfile.mkdtemp(prefix=prefix, suffix=_SUFFIX, dir=out.parent))
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=_SUFFIX, dir=out.parent)
    os.close(handle)
    return Path(name)
