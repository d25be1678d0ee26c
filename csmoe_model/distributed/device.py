"""Where the work is done, and what a GPU is asked for: bfloat16, TF32, copies nobody waits for."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def best_device() -> torch.device:
    """Choose the first CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def autocast(device: torch.device) -> torch.autocast:
    """Compute in bfloat16 where a GPU does it, in float32 elsewhere."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")


@contextmanager
def tensor_cores(device: torch.device) -> Iterator[None]:
    """Let float32 products of a GPU run on its tensor cores, as TF32; a CPU's stay as they are.

    Under autocast few products are float32: those whose results must be finer than bfloat16,
    routing logits above all. TF32 rounds what goes in to 11 bits and adds up in float32:
    logits of size 100 are then right to 0.04, where bfloat16 inputs would err by 0.3 and a
    bfloat16 result by 0.5; true float32 would take about ten times as long.
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
    """Compute without gradients, as fast as the device can: for all that only encodes."""
    with torch.inference_mode(), autocast(device), tensor_cores(device):
        yield


def copied_to(x: Tensor, device: torch.device | str) -> Tensor:
    """Copy a tensor to a device; to a GPU without waiting for what it has to do before."""
    if torch.device(device).type != "cuda" or x.is_cuda:
        return x.to(device)
    # From pageable memory the copy would wait. The allocator keeps what it reads until then.
    return x.pin_memory().to(device, non_blocking=True)


def weights_to_bfloat16(model: nn.Module) -> None:
    """Turn weights of linear maps into bfloat16, once, as autocast would at each call.

    For a model that from now on only encodes, under `autocast` on a GPU: the results
    are the same to the bit, the memory half as much. Norms, tokens, positions and learned slots
    stay, which autocast leaves in float32.
    """
    for module in model.modules():
        weights = list(module.parameters(recurse=False))
        wide = isinstance(module, nn.Linear) or any(weight.ndim == 3 for weight in weights)
        if wide and not isinstance(getattr(module, "slot_ESD", None), nn.Parameter):
            for weight in weights:
                weight.data = weight.data.bfloat16()
