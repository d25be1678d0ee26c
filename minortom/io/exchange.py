"""Atomic exchange of two paths, which the systems call in different ways."""

import ctypes
import errno
import os
import sys
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
"""Flag of Linux's ``renameat2``; macOS calls it ``RENAME_SWAP``, with the same number."""
_NOT_POSSIBLE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}


def exchange(one: Path, other: Path) -> bool:
    """Exchange two existing paths of one file system, so that neither is ever missing.

    Returns:
        Whether they were exchanged; false where the system or the file system cannot.

    Raises:
        OSError: If a path does not exist or may not be renamed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin" and hasattr(libc, "renamex_np"):
        failed = libc.renamex_np(*names, _RENAME_EXCHANGE)
    elif hasattr(libc, "renameat2"):
        failed = libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
    else:
        return False
    number = ctypes.get_errno()
    if failed and number not in _NOT_POSSIBLE:
        raise OSError(number, os.strerror(number), str(other))
    return not failed
