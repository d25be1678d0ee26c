"""Sums over the processes of a distributed run, with gradient; the identity in a single one.

Every process computes the same loss from the gathered values. Its gradient for what one
process gave is the sum over all processes' losses, and DDP then divides by their number: the
weights get exactly the gradient of that one loss over the global batch.
"""

from typing import Any

import torch
from torch import Tensor, distributed


def num_processes() -> int:
    """Count the processes that train together."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size()
    return 1


def gather_rows(x: Tensor) -> Tensor:
    """Stack a tensor of all processes, equally long in each, along its first axis."""
    if num_processes() == 1:
        return x
    gathered: Tensor = _Gather.apply(x)  # type: ignore[no-untyped-call]  # torch's own signature
    return gathered


def mean_over_processes(x: Tensor) -> Tensor:
    """Average a tensor over all processes."""
    if num_processes() == 1:
        return x
    return gather_rows(x[None]).mean(0)


class _Gather(torch.autograd.Function):
    """All-gather whose gradient is the sum of all processes' gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401  # torch's context has no type
        """Stack the tensors of all processes, by rank."""
        ctx.rows = len(x)
        parts = [torch.empty_like(x) for _ in range(num_processes())]
        distributed.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401
        """Sum the gradients and keep this process's rows."""
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        start = distributed.get_rank() * ctx.rows
        return total[start : start + ctx.rows]
