"""Compile a kernel with numba, keeping the machine code for the next run where possible."""

from collections.abc import Callable
from typing import TypeVar, cast

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(function: Kernel) -> Kernel:
    """Compile on first use; the machine code goes to a cache beside the module or of the user.

    Kernels release the GIL. No fast-math: compiled and interpreted kernels give the same bits.
    """
    try:
        return cast("Kernel", njit(cache=True, nogil=True)(function))
    except RuntimeError:  # neither the package's folder nor a user cache can be written
        return cast("Kernel", njit(nogil=True)(function))
