"""Batches on their way to a device: copies that overlap the steps before."""

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]


class Upload(Protocol):
    """A batch on its way."""

    def tensors(self) -> Tensors:
        """Give the tensors on the device, for work that is asked of it from now on."""
        ...

    def finish(self) -> None:
        """Wait until the memory that is copied from may be filled anew."""
        ...


Send = Callable[[Tensors], Upload]
"""Lets tensors in main memory set off to a device, without waiting for anything."""


def sender(device: torch.device) -> Send:
    """Choose how tensors get to a device; those for the CPU stay where they are."""
    return _SideStream(device) if device.type == "cuda" else _Staying


class _Staying:
    """Tensors that are used where they are, before the next batch is asked for."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors

    def tensors(self) -> Tensors:
        return self._tensors

    def finish(self) -> None:
        """Whoever asks for the next batch is done with this one."""


class _SideStream:
    """Copies beside the stream that computes: only the step that reads them waits for them."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._stream = device, torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def __call__(self, tensors: Tensors) -> Upload:
        copied = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._stream):
            # From page-locked memory only: any other is copied while the caller waits.
            copies = {
                c: tensor.to(self._device, non_blocking=True) for c, tensor in tensors.items()
            }
            copied.record(self._stream)
        return _Copying(copies, copied, self._device)


class _Copying:
    """Tensors that a side stream is copying."""

    def __init__(self, copies: Tensors, copied: torch.cuda.Event, device: torch.device) -> None:
        self._copies, self._copied, self._device = copies, copied, device

    def tensors(self) -> Tensors:
        computing = torch.cuda.current_stream(self._device)
        computing.wait_event(self._copied)  # the GPU waits, not the CPU
        for copy in self._copies.values():
            # Made on the side stream, the memory would go to its next copy as soon as nobody
            # here holds it, though a step that was asked for may not have read it yet.
            copy.record_stream(computing)
        return self._copies

    def finish(self) -> None:
        self._copied.synchronize()
