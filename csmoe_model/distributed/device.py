"""Devices: choice, precision (bfloat16, TF32) and asynchronous copies."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from minortom.errors import InputError


def best_device() -> torch.device:
    """Return the first CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device) -> torch.autocast:
    """Return the autocast context: bfloat16 on a GPU, float32 elsewhere."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


@contextmanager
def tensor_cores(device: torch.device) -> Iterator[None]:
    """Compute float32 matrix products as TF32 on the tensor cores of a GPU; no effect on a CPU.

    Under autocast only products that need more precision than bfloat16 are float32, above all
    the routing logits. TF32 rounds the inputs to 11 bits and sums in float32. The error of a
    logit of size 100 is then 0.04. It would be 0.3 with bfloat16 inputs, and 0.5 with a bfloat16
    result. Full float32 takes about ten times as long.
    """
    former = torch.get_float32_matmul_precision()
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(former)


@contextmanager
def fast_inference(device: torch.device) -> Iterator[None]:
    """Compute without gradients, with autocast and tensor cores: for encoding only."""
    with torch.inference_mode(), autocast(device), tensor_cores(device):
        yield


HALF = (torch.bfloat16, torch.float16)
"""Types of weights with which a model computes under autocast."""


def autocast_for(weight: Tensor) -> AbstractContextManager[object]:
    """Return the autocast context of a model whose weights are in half precision.

    The router stays in float32. For other weights the context does nothing.
    """
    if weight.dtype not in HALF:
        return nullcontext()
    return torch.autocast(weight.device.type, dtype=weight.dtype)


def check_dtype(dtype: torch.dtype) -> None:
    """Check that a model can have weights of a type.

    Raises:
        InputError: If it cannot.
    """
    known = (torch.float32, torch.float64, *HALF)
    if dtype not in known:
        raise InputError(f"dtype must be one of {', '.join(map(str, known))}, found {dtype!r}")


def usable_device(device: str | torch.device) -> torch.device:
    """Return a device after a check that this machine has it.

    Raises:
        InputError: If it is no device, or torch cannot use it here.
    """
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"device must be one that torch can use on this machine, such as cpu, found "
            f"{device!r} ({reason})"
        ) from None


def copied_to(x: Tensor, device: torch.device | str) -> Tensor:
    """Return a tensor on a device; the copy to a GPU is asynchronous."""
    if torch.device(device).type != "cuda" or x.is_cuda:
        return x.to(device)
    # A copy from pageable memory would block. The allocator keeps the pinned memory until the end.
    return x.pin_memory().to(device, non_blocking=True)


def weights_to_bfloat16(model: nn.Module) -> None:
    """Convert the weights of linear maps to bfloat16, once, as autocast would at each call.

    For a model that only encodes from now on, under `autocast` on a GPU. The results are
    bit-equal, and the memory is halved. Norms, tokens, positions and learned slots stay float32,
    as under autocast.
    """
    for module in model.modules():
        weights = list(module.parameters(recurse=False))
        wide = isinstance(module, nn.Linear) or any(weight.ndim == 3 for weight in weights)
        if wide and not isinstance(getattr(module, "slot_ESD", None), nn.Parameter):
            for weight in weights:
                weight.data = weight.data.bfloat16()
