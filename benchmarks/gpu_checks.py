"""Check that the fast and the plain step compute the same, on new random numbers.

The reference is the plain model in float32. The fast model, compiled and in bfloat16, may have the
error of the plain model in bfloat16 and a little more, because roundings come in another order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from gpu_plain import gradients, plain_twin
from gpu_timing import start_afresh
from gpu_training import STATISTICS, made_up_batch
from torch import Tensor, nn

from csmoe_model.config import ModelConfig
from csmoe_model.csmoe import CSMoE
from csmoe_model.data.loader import Batch
from csmoe_model.data.normalise import Normalise
from csmoe_model.distributed.device import tensor_cores
from csmoe_model.nn.masking import draw_masks
from csmoe_model.training.compile import compiled
from csmoe_model.training.step import Objective, signed

_MORE = 1.5
_LITTLE = 2e-3


@dataclass(frozen=True, kw_only=True)
class Check:
    """Errors of the fast and the plain implementation, relative to the reference (norms)."""

    what: str
    fast: float
    plain: float

    @property
    def passed(self) -> bool:
        """Return whether the fast error is finite and at most about that of plain bfloat16."""
        return self.fast <= _MORE * self.plain + _LITTLE


def shallow(config: ModelConfig) -> ModelConfig:
    """Return the model with its widths and one layer of each kind."""
    return replace(config, sensor_layers=1, shared_layers=1, decoder_layers=1)


def check_step(
    config: ModelConfig, *, batch_size: int, device: torch.device, compile_it: bool, seed: int
) -> list[Check]:
    """Compare the loss terms, the vectors and the gradients of one step."""
    start_afresh(device)
    torch.manual_seed(seed)
    with torch.device(device):
        model = CSMoE(config)
    _stir(model)
    plain = plain_twin(model)
    normalise = Normalise(STATISTICS, image_size=config.image_size).to(device)
    batch = made_up_batch(batch_size, seed % 1000, device)
    fast_way = compiled(Objective(model, normalise), wanted=compile_it, device=device)
    exact = _outcome(plain, normalise, batch, None, half=False)
    rough = _outcome(plain, normalise, batch, None, half=True)
    with tensor_cores(device):
        fast = _outcome(model, normalise, batch, fast_way, half=True)
    return [
        Check(
            what=what, fast=_error(fast[what], exact[what]), plain=_error(rough[what], exact[what])
        )
        for what in exact
    ]


def _outcome(
    model: CSMoE, normalise: Normalise, batch: Batch, forward: object, *, half: bool
) -> dict[str, Tensor]:
    """Compute the loss and the gradients of a step."""
    config, device = model.config, batch.tensors["s1"].device
    masks = draw_masks(
        np.asarray(batch.samples), num_patches=config.num_patches, mask_ratio=config.mask_ratio,
        mode=config.mask_mode, seed=0, epoch=batch.epoch,
    ).to(device)  # fmt: skip
    model.zero_grad(set_to_none=True)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half):
        output = (forward or Objective(model, normalise))(signed(batch.tensors), None, masks)
    output.loss.backward()
    with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=half):
        vectors = model.encode(s2=normalise(batch.tensors)["s2"])["s2"]
    return {
        "loss terms": torch.stack(list(output.terms().values())),
        "[CLS] of Sentinel-2": vectors,
        **_grouped(gradients(model)),
    }


def _grouped(found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Concatenate the gradients of each kind of weight."""
    kinds = {
        "gradient of experts": "experts.", "gradient of routers": "router.",
        "gradient of attention": "attention.", "gradient of decoders": "decoders.",
    }  # fmt: skip
    grouped = {}
    for kind, part in kinds.items():
        chosen = [found[name].flatten() for name in sorted(found) if part in name]
        if chosen:
            grouped[kind] = torch.cat(chosen)
    return grouped | {"all gradients": torch.cat([found[name].flatten() for name in sorted(found)])}


def _error(found: Tensor, wanted: Tensor) -> float:
    difference = (found.double() - wanted.double()).norm() / wanted.double().norm()
    return float(difference)


def _stir(model: nn.Module) -> None:
    """Add noise to norms and biases: at their initial ones and zeros, errors would not show."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim < 2 or "bias" in name:
                weight.add_(torch.randn_like(weight) * 0.1)
