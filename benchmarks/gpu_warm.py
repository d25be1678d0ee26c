"""Compile the models in parallel processes, into the cache of the compiler.

A model takes one or two minutes to compile on one core, and there are many models. Each process
traces and compiles one model with inputs of the real shapes, and ends before the model runs. The
measuring process then finds the kernels in the cache on disk.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import gpu_checks
import gpu_encode
import gpu_training
import torch

from csmoe_model.distributed.device import tensor_cores
from csmoe_model.recipes import recipe
from csmoe_model.training import compile as compiling

_HELPERS = max(1, (os.cpu_count() or 1) // 8)


class CompiledError(BaseException):
    """Ends a call once it is compiled. Not an `Exception`, which would count as a failure."""


def compile_only(calls: Sequence[Callable[[], object]]) -> None:
    """Make calls of compiled functions end before the computation."""
    real = torch.compile

    def not_running(function, *, dynamic, mode):
        from torch._inductor import list_mode_options

        # Part of the key of the cache.
        patches = list_mode_options(mode, dynamic) if mode else {}

        def backend(graph, inputs):
            from torch._inductor.compile_fx import compile_fx

            compile_fx(graph, inputs, config_patches=patches)
            raise CompiledError

        return real(function, dynamic=dynamic, backend=backend)

    torch.compile = not_running
    compiling._try_compiler = lambda _: None  # noqa: SLF001
    for call in calls:
        with suppress(CompiledError):
            call()


def compile_named(
    name: str, model: str, *, batch_size: int, images: int, device: torch.device
) -> None:
    """Compile the functions of a section of the benchmark without running them.

    Args:
        name: A model of `gpu_training.variants`, `checks`, or `encode` and a patch size.
        model: Recipe of the benchmark.
        batch_size: Pairs per training step.
        images: Images encoded at once.
        device: Device of the benchmark.
    """
    config = recipe(model)
    with tensor_cores(device):
        if name == "checks":
            compile_only([lambda: gpu_checks.check_step(
                gpu_checks.shallow(config), batch_size=min(8, batch_size), device=device,
                compile_it=True, seed=0)])  # fmt: skip
        elif name.startswith("encode "):
            config = replace(config, patch_size=int(name.split()[1]))
            compile_only(gpu_encode.first_calls(config, batch_size=images, device=device))
        else:
            training = gpu_training.Training(
                gpu_training.variants(model)[name], batch_size=batch_size, device=device,
                compile_it=True,
            )  # fmt: skip
            compile_only([training.step])


class Warming:
    """Processes that compile models."""

    def __init__(self, arguments: Sequence[Sequence[str]]) -> None:
        """Start this program once for each of some arguments."""
        self.started = time.monotonic()
        self._processes = [
            subprocess.Popen(
                [sys.executable, sys.argv[0], *given],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                # By default each process would start one helper per core.
                env={**os.environ, "TORCHINDUCTOR_COMPILE_THREADS": str(_HELPERS)},
            )
            for given in arguments
        ]  # fmt: skip

    def wait(self, limit_s: float) -> str:
        """Wait for the processes, end late ones, and return a summary."""
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
