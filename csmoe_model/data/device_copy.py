"""Copies of batches to a device that overlap with the computation of earlier steps."""

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]


class Transfer(Protocol):
    """A copy of a batch to a device, started and perhaps not finished."""

    def tensors(self) -> Tensors:
        """Return the tensors on the device, for operations that are queued from now on."""
        ...

    def finish(self) -> None:
        """Wait until the source memory may be overwritten."""
        ...


StartTransfer = Callable[[Tensors], Transfer]
"""Starts to copy tensors from main memory to a device and returns at once."""


def transfer_to(device: torch.device) -> StartTransfer:
    """Return the function that copies tensors to a device; on a CPU it copies nothing."""
    return _SideStream(device) if device.type == "cuda" else _InPlace


class _InPlace:
    """Tensors that are used where they are, before the next batch is requested."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors

    def tensors(self) -> Tensors:
        return self._tensors

    def finish(self) -> None:
        """Return at once: the batch is no longer in use when the next one is requested."""


class _SideStream:
    """Copies on a CUDA stream beside the computing one; only the step that reads them waits."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._stream = device, torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __call__(self, tensors: Tensors) -> Transfer:
        copied = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._stream):
            # Asynchronous from page-locked memory only.
            copies = {
                c: tensor.to(self._device, non_blocking=True) for c, tensor in tensors.items()
            }
            copied.record(self._stream)
        return _SideStreamTransfer(copies, copied, self._device)


class _SideStreamTransfer:
    """Tensors that a side stream is copying."""

    def __init__(self, copies: Tensors, copied: torch.cuda.Event, device: torch.device) -> None:
        self._copies, self._copied, self._device = copies, copied, device

    def tensors(self) -> Tensors:
        computing = torch.cuda.current_stream(self._device)
        computing.wait_event(self._copied)  # the GPU waits, not the CPU
        for copy in self._copies.values():
            # The memory belongs to the side stream. Without this note the allocator would give it
            # to the next copy as soon as Python drops the tensor, before a queued step read it.
            copy.record_stream(computing)
        return self._copies

    def finish(self) -> None:
        self._copied.synchronize()
