"""Compilation with `torch.compile`, and the fallback without it."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
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
    """Compile a function with `torch.compile`; fall back to the plain function if that fails.

    Args:
        function: Function of tensors with the same shapes in each call. Other shapes are compiled
            again.
        wanted: Whether to compile; on a GPU only when None.
        device: Device of the computation.
        cuda_graphs: Whether to record CUDA graphs. They help where kernels take less time than
            their launch, for example with a few small images.

    Returns:
        The compiled function; None if the function is to be used without compilation.
    """
    if not (device.type == "cuda" if wanted is None else wanted):
        return None
    try:
        _try_compiler(device)
    except Exception as error:  # noqa: BLE001  # a missing or broken compiler raises many types
        _log.warning(
            "torch.compile does not work here, continuing without it: %s", _first_line(error)
        )
        return None
    return _Compiled(function, mode="reduce-overhead" if cuda_graphs else None)


class _Compiled(Generic[P, R]):
    """Calls the compiled function; from the first failure on, the plain function."""

    def __init__(self, function: Callable[P, R], *, mode: str | None) -> None:
        self._plain = function
        self._now: Callable[P, R] = torch.compile(function, dynamic=False, mode=mode)

    def __call__(self, *inputs: P.args, **named: P.kwargs) -> R:
        """Call the function."""
        try:
            with _backward_too():
                return self._now(*inputs, **named)
        except torch._dynamo.exc.TorchDynamoException as error:  # noqa: SLF001  # not public elsewhere
            if self._now is self._plain:
                raise
            _log.warning("torch.compile failed, continuing without it: %s", _first_line(error))
            self._now = self._plain
        return self._plain(*inputs, **named)


def _backward_too() -> AbstractContextManager[None]:
    """Compile the backward pass together with the forward pass, so that it fails early."""
    from torch._functorch import config

    patch: AbstractContextManager[None] = config.patch(force_non_lazy_backward_lowering=True)
    return patch


def _try_compiler(device: torch.device) -> None:
    """Compile a small model, forward and backward, to find a missing compiler at once."""
    layer = nn.Linear(2, 2).to(device)
    torch.compile(layer)(torch.ones(2, 2, device=device)).sum().backward()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
