"""What the processes of a distributed run do together; in a single one nothing happens.

Every process computes the same loss from the gathered values. Its gradient for what one
process gave is the sum over all processes' losses, and DDP then divides by their number: the
weights get exactly the gradient of that one loss over the global batch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed

from minortom.errors import MinorTomError

T = TypeVar("T")

_alone = False
"""Whether this process computes something by itself at the moment."""


class OtherProcessError(MinorTomError):
    """What went wrong in the first process, which tells of it; the others only end."""


def num_processes() -> int:
    """Count the processes that train together."""
    if not _alone and distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size()
    return 1


def process_rank() -> int:
    """Tell which of them this is, from 0."""
    return distributed.get_rank() if num_processes() > 1 else 0


@contextmanager
def single_process() -> Iterator[None]:
    """Let this process compute as if there were no others."""
    global _alone  # noqa: PLW0603  # one flag a process, as torch's group of processes is
    former, _alone = _alone, True
    try:
        yield
    finally:
        _alone = former


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


def max_over_processes(number: int) -> int:
    """Give the largest of all processes' numbers."""
    if num_processes() == 1:
        return number
    found = torch.tensor(number)
    distributed.all_reduce(found, op=distributed.ReduceOp.MAX)
    return int(found)


def from_first_process(function: Callable[[], T]) -> T:
    """Call something in the first process alone, and give all what it returns.

    Raises:
        OtherProcessError: In the other processes, if it fails in the first.
    """
    if num_processes() == 1:
        return function()
    outcome: list[Any] = [None, ""]
    error: BaseException | None = None
    if process_rank() == 0:
        try:
            outcome[0] = function()
        except BaseException as raised:  # noqa: BLE001  # raised again once the others know
            error, outcome[1] = raised, str(raised) or type(raised).__name__
    distributed.broadcast_object_list(outcome)
    if error is not None:
        raise error
    if outcome[1]:
        raise OtherProcessError(outcome[1])
    result: T = outcome[0]
    return result


def gather_objects(value: T) -> list[T]:
    """Collect a plain value of every process, by number."""
    if num_processes() == 1:
        return [value]
    found: list[Any] = [None] * num_processes()
    distributed.all_gather_object(found, value)
    return found


def on_all_processes(function: Callable[[], T]) -> T:
    """Call something in every process; if it fails in one, it fails in all.

    Raises:
        MinorTomError: In the first process that it fails in.
        OtherProcessError: In all others.
    """
    result: T | None = None
    error: MinorTomError | None = None
    try:
        result = function()
    except MinorTomError as raised:
        error = raised
    messages = gather_objects(str(error) if error else None)
    failed = [number for number, message in enumerate(messages) if message is not None]
    if error is not None and failed[0] == process_rank():
        raise error
    if failed:
        raise OtherProcessError(messages[failed[0]])
    return cast(T, result)


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
