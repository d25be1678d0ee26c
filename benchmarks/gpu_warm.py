"""Compile what will be measured, in processes beside each other, into the compiler's cache.

A model takes a minute or two to compile on one core, and there are many. Each process traces and
compiles one of them with inputs of the real shapes, and ends before anything runs; the process
that measures then finds the kernels in the cache on disk.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import torch

from csmoe_model import compiling

_HELPERS = max(1, (os.cpu_count() or 1) // 8)


class CompiledError(BaseException):
    """Ends a call once it is compiled; no `Exception`, which would be taken for a failure."""


def compile_only(calls: Sequence[Callable[[], object]]) -> None:
    """Make calls of compiled functions that end before they compute."""
    real = torch.compile

    def backend(graph, inputs):
        from torch._inductor.compile_fx import compile_fx

        compile_fx(graph, inputs)
        raise CompiledError

    def not_running(function, *, dynamic, mode):
        del mode
        return real(function, dynamic=dynamic, backend=backend)

    torch.compile = not_running
    compiling._try_compiler = lambda _: None  # noqa: SLF001
    for call in calls:
        with suppress(CompiledError):
            call()


class Warming:
    """Processes that compile."""

    def __init__(self, arguments: Sequence[Sequence[str]]) -> None:
        """Start this program with each of some arguments."""
        self.started = time.monotonic()
        self._processes = [
            subprocess.Popen(
                [sys.executable, sys.argv[0], *given],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                # Each would start as many helpers as there are cores.
                env={**os.environ, "TORCHINDUCTOR_COMPILE_THREADS": str(_HELPERS)},
            )
            for given in arguments
        ]  # fmt: skip

    def wait(self, limit_s: float) -> str:
        """Wait for them, end those that are late, and tell how it went."""
        for process in self._processes:
            left_s = limit_s - (time.monotonic() - self.started)
            try:
                process.wait(max(0.0, left_s))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        done = sum(process.returncode == 0 for process in self._processes)
        spent = time.monotonic() - self.started
        return f"{done} of {len(self._processes)} models compiled beforehand, in {spent:.0f} s"
