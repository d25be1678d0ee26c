"""Compilation of kernels with numba, with a cache of the machine code on disk."""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(function: Kernel) -> Kernel:
    """Return a function that numba compiles on its first call.

    The machine code is cached beside the module, or in the user's cache folder. Kernels release
    the GIL. Fast-math is off, so that compiled and interpreted kernels give the same bits.
    """
    try:
        return cast("Kernel", njit(cache=True, nogil=True)(function))
    except RuntimeError:  # neither cache folder is writable
        return cast("Kernel", njit(nogil=True)(function))
