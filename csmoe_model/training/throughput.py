"""How fast a run is, how much of its time it computes, and how much memory it takes."""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

_PEAK_TFLOPS = {"GH200": 989.0, "H200": 989.0, "H100": 989.0, "A100": 312.0}
"""Dense bf16 matrix products of a GPU, from its data sheet, by a part of its name (the SXM
form where there are several)."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What one stretch of training took, over all processes but where it says otherwise."""

    pairs_per_s: float
    busy: float
    """Part of the time in which this process did not wait for the loader."""
    tflops: float
    """10¹² operations of the model a second, a multiply-add being two; what is computed again
    or beside it does not count."""
    memory_gb: float
    """Most that this process held until now: of GPU memory with CUDA, else of main memory."""
    peak_tflops: float | None
    """What the GPUs could do, by their data sheets; None where that is not known, as of CPUs."""

    def brief(self) -> str:
        """Tell it beside a progress bar."""
        return f"{self.pairs_per_s:,.0f} pairs/s, {self._used()}, {self.memory_gb:.2g} GB"

    def note(self) -> str:
        """Tell it on a line of its own."""
        return (
            f"{self.pairs_per_s:,.0f} pairs/s, {self.tflops:.3g} TFLOP/s, {self._used()}, "
            f"{self.memory_gb:.2g} GB"
        )

    def _used(self) -> str:
        busy = f"{self.busy:.0%} busy"
        return f"{busy}, {self.tflops / self.peak_tflops:.0%} of peak" if self.peak_tflops else busy


class Meter:
    """A stopwatch over stretches of a run."""

    def __init__(
        self,
        *,
        macs_per_pair: int,
        device: torch.device,
        num_processes: int,
        waited_s: Callable[[], float],
    ) -> None:
        """Start the first stretch.

        Args:
            macs_per_pair: Multiply-adds of the forward pass on a pair.
            device: That this process computes on.
            num_processes: How many compute.
            waited_s: Tells the time that was spent on waiting for batches, in all.
        """
        # The backward pass is two products for each one of the forward pass.
        self._flops_per_pair = 2 * 3 * macs_per_pair
        self._device, self._waited_s = device, waited_s
        peak = _peak_tflops(device)
        self._peak_tflops = peak * num_processes if peak else None
        self.restart()

    def restart(self) -> None:
        """Begin a new stretch now."""
        self._since, self._waited = time.monotonic(), self._waited_s()

    def leave_out(self, seconds: float) -> None:
        """Let some time of this stretch not count, in which something else was done."""
        self._since += seconds

    def lap(self, pairs: int) -> Speed:
        """Measure the stretch in which so many pairs were trained on, and begin the next."""
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
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
