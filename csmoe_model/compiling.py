"""The objective, compiled where that works."""

import logging
from typing import Any, cast

import torch
from torch import nn

from csmoe_model.csmoe import CSMoE, PretrainOutput
from csmoe_model.pretraining import Forward

_log = logging.getLogger(__name__)


def compiled_forward(model: CSMoE, *, wanted: bool | None, device: torch.device) -> Forward | None:
    """Compile a model's forward pass with `torch.compile`; it goes on without where that fails.

    Args:
        model: Stays as it is.
        wanted: Whether to; on a GPU alone when None.
        device: That the model computes on.

    Returns:
        To be called in the model's place; None for the model itself.
    """
    if not (device.type == "cuda" if wanted is None else wanted):
        return None
    try:
        _try_compiler(device)
    except Exception as error:  # noqa: BLE001  # whatever the compiler or its absence raises
        _log.warning("training without torch.compile: %s", _first_line(error))
        return None
    return _Compiled(model)


class _Compiled:
    """Calls the compiled forward pass, until it turns out not to compile."""

    def __init__(self, model: CSMoE) -> None:
        self._plain = cast(Forward, model)
        self._forward: Any = torch.compile(model.forward)

    def __call__(self, *inputs: Any) -> PretrainOutput:  # noqa: ANN401  # as `Forward` says
        """Compute the objective."""
        try:
            output: PretrainOutput = self._forward(*inputs)
        except torch._dynamo.exc.TorchDynamoException as error:  # noqa: SLF001  # its only home
            _log.warning("going on without torch.compile: %s", _first_line(error))
            self._forward = self._plain
            output = self._plain(*inputs)
        return output


def _try_compiler(device: torch.device) -> None:
    """Compile something small, there and back: the tools are found wanting here at once."""
    layer = nn.Linear(2, 2).to(device)
    torch.compile(layer)(torch.ones(2, 2, device=device)).sum().backward()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
