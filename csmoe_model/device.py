"""What a GPU is asked for beside bfloat16: fast float32 products, copies that nobody waits for."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


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


def sent(x: Tensor, device: torch.device | str) -> Tensor:
    """Copy a tensor to a device; to a GPU without waiting for what it has to do before."""
    if torch.device(device).type != "cuda" or x.is_cuda:
        return x.to(device)
    # From pageable memory the copy would wait. The allocator keeps what it reads until then.
    return x.pin_memory().to(device, non_blocking=True)


def narrow_matrices(model: nn.Module) -> None:
    """Turn weights of linear maps into bfloat16, once, as autocast would at each call.

    For a model that from now on only encodes, under `images.autocast` on a GPU: the results
    are the same to the bit, the memory half as much. Norms, tokens, positions and learned slots
    stay, which autocast leaves in float32.
    """
    for module in model.modules():
        weights = list(module.parameters(recurse=False))
        wide = isinstance(module, nn.Linear) or any(weight.ndim == 3 for weight in weights)
        if wide and not isinstance(getattr(module, "slot_ESD", None), nn.Parameter):
            for weight in weights:
                weight.data = weight.data.bfloat16()
