"""Training speed, share of the time not spent waiting for data, and peak memory."""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

_PEAK_TFLOPS = {"GH200": 989.0, "H200": 989.0, "H100": 989.0, "A100": 312.0}
"""Peak of dense bf16 matrix products in TFLOP/s, from the GPU's data sheet (SXM version), by a
part of the GPU's name."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Speed and memory of some steps, over all processes unless stated otherwise."""

    pairs_per_s: float
    busy: float
    """Fraction of the time in which this process did not wait for the loader."""
    tflops: float
    """10¹² operations of the model per second; a multiply-add is two operations. Recomputed
    values and work outside the model do not count."""
    memory_gb: float
    """Peak memory of this process in GB (10⁹ bytes): GPU memory with CUDA, else main memory."""
    peak_tflops: float | None
    """Peak of the GPUs, from their data sheets; None if unknown, as for CPUs."""

    def brief(self) -> str:
        """Return a short text for a progress bar."""
        return f"{self.pairs_per_s:,.0f} pairs/s, {self._used()}, {self.memory_gb:.2g} GB"

    def note(self) -> str:
        """Return the text of a log line."""
        return (
            f"{self.pairs_per_s:,.0f} pairs/s, {self.tflops:.3g} TFLOP/s, {self._used()}, "
            f"{self.memory_gb:.2g} GB"
        )

    def _used(self) -> str:
        busy = f"{self.busy:.0%} busy"
        return f"{busy}, {self.tflops / self.peak_tflops:.0%} of peak" if self.peak_tflops else busy


class Meter:
    """Measures the speed of consecutive parts of a run."""

    def __init__(
        self,
        *,
        macs_per_pair: int,
        device: torch.device,
        num_processes: int,
        waited_s: Callable[[], float],
    ) -> None:
        """Start to measure.

        Args:
            macs_per_pair: Multiply-adds of the forward pass for one pair.
            device: Device of this process.
            num_processes: Number of processes that train together.
            waited_s: Returns the total time spent waiting for batches, in seconds.
        """
        # The backward pass has two products for each product of the forward pass.
        self._flops_per_pair = 2 * 3 * macs_per_pair
        self._device, self._waited_s = device, waited_s
        peak = _peak_tflops(device)
        self._peak_tflops = peak * num_processes if peak else None
        self.restart()

    def restart(self) -> None:
        """Start a new measurement."""
        self._since, self._waited = time.monotonic(), self._waited_s()

    def leave_out(self, seconds: float) -> None:
        """Subtract time that was spent on something other than training."""
        self._since += seconds

    def lap(self, pairs: int) -> Speed:
        """Return the speed since the last call, for a number of pairs, and start again."""
        elapsed = max(time.monotonic() - self._since, 1e-9)
        waited = self._waited_s() - self._waited
        self.restart()
        return Speed(
            pairs_per_s=pairs / elapsed,
            busy=max(0.0, 1 - waited / elapsed),
            tflops=pairs * self._flops_per_pair / elapsed / 1e12,
            memory_gb=_peak_memory_bytes(self._device) / 1e9,
            peak_tflops=self._peak_tflops,
        )


def _peak_tflops(device: torch.device) -> float | None:
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for part, peak in _PEAK_TFLOPS.items() if part in name), None)


def _peak_memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
