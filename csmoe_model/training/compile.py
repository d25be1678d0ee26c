"""The objective, compiled where that works."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Generic, ParamSpec, TypeVar

import torch
from torch import nn

_log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def compiled(
    function: Callable[P, R],
    *,
    wanted: bool | None,
    device: torch.device,
    cuda_graphs: bool = False,
) -> Callable[P, R] | None:
    """Compile a computation with `torch.compile`; it goes on without where that fails.

    Args:
        function: Of tensors that have the same shapes at each call; others are compiled anew.
        wanted: Whether to; on a GPU alone when None.
        device: That it computes on.
        cuda_graphs: Whether a GPU is to replay it as one launch: worth it where its kernels
            are so short that starting them takes longer, as with a few small images.

    Returns:
        To be called in the function's place; None for the function itself.
    """
    if not (device.type == "cuda" if wanted is None else wanted):
        return None
    try:
        _try_compiler(device)
    except Exception as error:  # noqa: BLE001  # whatever the compiler or its absence raises
        _log.warning("computing without torch.compile: %s", _first_line(error))
        return None
    return _Compiled(function, mode="reduce-overhead" if cuda_graphs else None)


class _Compiled(Generic[P, R]):
    """Calls the compiled computation, until it turns out not to compile."""

    def __init__(self, function: Callable[P, R], *, mode: str | None) -> None:
        self._plain = function
        self._now: Callable[P, R] = torch.compile(function, dynamic=False, mode=mode)

    def __call__(self, *inputs: P.args, **named: P.kwargs) -> R:
        """Compute."""
        try:
            with _backward_too():
                return self._now(*inputs, **named)
        except torch._dynamo.exc.TorchDynamoException as error:  # noqa: SLF001  # its only home
            if self._now is self._plain:
                raise
            _log.warning("going on without torch.compile: %s", _first_line(error))
            self._now = self._plain
        return self._plain(*inputs, **named)


def _backward_too() -> AbstractContextManager[None]:
    """Compile the backward pass with the forward pass: what fails is then found out in time."""
    from torch._functorch import config

    name = "force_non_lazy_backward_lowering"
    if not hasattr(config, name):  # an older torch
        return nullcontext()
    patch: AbstractContextManager[None] = config.patch({name: True})
    return patch


def _try_compiler(device: torch.device) -> None:
    """Compile something small, there and back: the tools are found wanting here at once."""
    layer = nn.Linear(2, 2).to(device)
    torch.compile(layer)(torch.ones(2, 2, device=device)).sum().backward()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
