"""Measurement of times: medians of CUDA events, or of the clock on a CPU."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import torch
import torch._dynamo


@dataclass(kw_only=True)
class Budget:
    """Time budget of a run, in seconds."""

    seconds: float
    started: float = field(default_factory=time.monotonic)

    @property
    def spent_s(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self.started

    def has(self, seconds: float) -> bool:
        """Return whether a number of seconds is left."""
        return self.seconds - self.spent_s >= seconds


def median_ms(call: Callable[[], object], *, device: torch.device, repeats: int) -> float:
    """Return the median time of a function that is called in a loop without waiting.

    On a GPU this is the time from the end of one call to the end of the next.
    """
    call()  # warms up caches and allocators
    if device.type != "cuda":
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            call()
            times.append((time.perf_counter() - start) * 1e3)
        return statistics.median(times)
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    torch.cuda.synchronize()
    call()  # the first call of a queue has the device to itself
    marks[0].record()
    for mark in marks[1:]:
        call()
        mark.record()
    torch.cuda.synchronize()
    return statistics.median(first.elapsed_time(second) for first, second in pairwise(marks))


def matrix_tflops(device: torch.device) -> float:
    """Measure the rate of a large bfloat16 matrix product, in 10¹² operations per second."""
    side = 8192 if device.type == "cuda" else 512
    left, right = (torch.randn(side, side, device=device).bfloat16() for _ in range(2))
    repeats = 20 if device.type == "cuda" else 3
    return 2 * side**3 / (median_ms(lambda: left @ right, device=device, repeats=repeats) * 1e9)


def copy_tb_per_s(device: torch.device) -> float:
    """Measure a copy in device memory: bytes read and written, in 10¹² bytes per second."""
    size = 2**30 if device.type == "cuda" else 2**24
    source = torch.empty(size, dtype=torch.uint8, device=device).random_()
    target = torch.empty_like(source)
    return 2 * size / (median_ms(lambda: target.copy_(source), device=device, repeats=10) * 1e9)


def peak_gb(device: torch.device) -> float | None:
    """Return the peak of allocated memory since `start_afresh`; None on a CPU."""
    if device.type != "cuda":
        return None
    return torch.cuda.max_memory_allocated(device) / 1e9


def start_afresh(device: torch.device) -> None:
    """Delete compiled code, free unused memory, and reset the peak."""
    # The cache keeps models alive, and torch compiles no more than eight of them.
    torch._dynamo.reset()  # noqa: SLF001
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
