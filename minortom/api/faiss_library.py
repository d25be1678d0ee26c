"""Import of faiss, with the matrix kernels that fit this processor."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from minortom.api.packages import require_package

_CPU = Path("/proc/cpuinfo")
_CORE_TYPE = "OPENBLAS_CORETYPE"
_KERNELS = {
    "SkylakeX": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
    "Haswell": {"avx2", "fma"},
}
"""Name of OpenBLAS's kernels -> instructions that they need, fastest first."""


def load_faiss(*, needed_by: str, extra: str) -> Any:  # noqa: ANN401 - faiss has no types
    """Return the module ``faiss``.

    The wheels of faiss-cpu contain an OpenBLAS of 2021. It has never heard of newer processors, and
    multiplies matrices there with the kernels of the oldest one: six times slower. Its environment
    variable names better ones; it is set during the import alone, unless the user has set it.

    Args:
        needed_by: What needs faiss, for the error message.
        extra: Extra of minortom that installs it.

    Raises:
        InputError: If it is not installed.
    """
    require_package("faiss", needed_by=needed_by, extra=extra)
    kernels = best_kernels(_CPU)
    if kernels is None or _CORE_TYPE in os.environ or "faiss" in sys.modules:
        return import_module("faiss")
    os.environ[_CORE_TYPE] = kernels
    try:
        return import_module("faiss")
    finally:
        del os.environ[_CORE_TYPE]


def best_kernels(cpu_info: Path) -> str | None:
    """Return the name of OpenBLAS's fastest kernels for this processor; None if unknown.

    Args:
        cpu_info: Linux's description of the processors, of which x86 ones have a line ``flags``.
    """
    try:
        lines = cpu_info.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    flags = next((set(line.split()) for line in lines if line.startswith("flags")), set())
    return next((name for name, needed in _KERNELS.items() if needed <= flags), None)
