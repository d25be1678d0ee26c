"""Compilation of kernels with numba, with a cache of the machine code on disk."""

from collections.abc import Callable
from typing import Literal, TypeVar, cast

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(function: Kernel) -> Kernel:
    """Return a function that numba compiles on its first call.

    The machine code is cached beside the module, or in the user's cache folder. Kernels release
    the GIL. Fast-math is off, so that compiled and interpreted kernels give the same bits.
    """
    return _compiled(function, inline="never")


def inlined(function: Kernel) -> Kernel:
    """Return a function as :func:`compiled` does, that is copied into each kernel that calls it.

    For a few operations in an inner loop, where a call would take longer than they do.
    """
    return _compiled(function, inline="always")


def _compiled(function: Kernel, *, inline: Literal["never", "always"]) -> Kernel:
    try:
        return cast("Kernel", njit(cache=True, nogil=True, inline=inline)(function))
    except RuntimeError:  # neither cache folder is writable
        return cast("Kernel", njit(nogil=True, inline=inline)(function))
