"""Collective operations of the processes of a distributed run; without effect in a single process.

Every process computes the same loss from the gathered values. The gradient with respect to the
values of one process is the sum over the losses of all processes. DDP then divides by their
number, so the weights get exactly the gradient of the one loss over the global batch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed

from minortom.errors import MinorTomError

T = TypeVar("T")

_single = False
"""Whether this process acts as a single process at the moment; see `single_process`."""


class OtherProcessError(MinorTomError):
    """An error of another process, which reports it; this process only ends."""


def num_processes() -> int:
    """Return the number of processes in the run."""
    if not _single and distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size()
    return 1


def process_rank() -> int:
    """Return the rank of this process, from 0."""
    return distributed.get_rank() if num_processes() > 1 else 0


@contextmanager
def single_process() -> Iterator[None]:
    """Switch the collective operations of this process off, as if it were the only one."""
    global _single  # noqa: PLW0603  # one flag per process, like torch's process group
    former, _single = _single, True
    try:
        yield
    finally:
        _single = former


def gather_rows(x: Tensor) -> Tensor:
    """Concatenate a tensor of all processes, of equal length in each, along its first axis."""
    if num_processes() == 1:
        return x
    gathered: Tensor = _Gather.apply(x)  # type: ignore[no-untyped-call]  # torch's own signature
    return gathered


def mean_over_processes(x: Tensor) -> Tensor:
    """Return the mean of a tensor over all processes."""
    if num_processes() == 1:
        return x
    return gather_rows(x[None]).mean(0)


def max_over_processes(number: int) -> int:
    """Return the maximum of a number over all processes."""
    if num_processes() == 1:
        return number
    found = torch.tensor(number)
    distributed.all_reduce(found, op=distributed.ReduceOp.MAX)
    return int(found)


def from_first_process(function: Callable[[], T]) -> T:
    """Call a function in the first process only and return its result in all processes.

    Raises:
        OtherProcessError: In the other processes, if the call fails in the first.
    """
    if num_processes() == 1:
        return function()
    outcome: list[Any] = [None, ""]
    error: BaseException | None = None
    if process_rank() == 0:
        try:
            outcome[0] = function()
        except BaseException as raised:  # noqa: BLE001  # raised again after the others were informed
            error, outcome[1] = raised, str(raised) or type(raised).__name__
    distributed.broadcast_object_list(outcome)
    if error is not None:
        raise error
    if outcome[1]:
        raise OtherProcessError(outcome[1])
    result: T = outcome[0]
    return result


def gather_objects(value: T) -> list[T]:
    """Return a picklable value of every process, by rank."""
    if num_processes() == 1:
        return [value]
    found: list[Any] = [None] * num_processes()
    distributed.all_gather_object(found, value)
    return found


def on_all_processes(function: Callable[[], T]) -> T:
    """Call a function in every process; if it fails in one, raise an error in all.

    Raises:
        MinorTomError: The error of the call, in the process of the lowest rank that failed.
        OtherProcessError: In all other processes.
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
    """All-gather; its gradient is the sum of the gradients of all processes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401  # torch's context has no type
        """Concatenate the tensors of all processes, by rank."""
        ctx.rows = len(x)
        parts = [torch.empty_like(x) for _ in range(num_processes())]
        distributed.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401
        """Sum the gradients and return the rows of this process."""
        total = gradients[0].contiguous().clone()
        distributed.all_reduce(total)
        start = distributed.get_rank() * ctx.rows
        return total[start : start + ctx.rows]
