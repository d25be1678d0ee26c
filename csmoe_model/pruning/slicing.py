"""Models with fewer experts: the rows of the kept experts, cut out of the stacked weights.

The slots of an expert do not depend on other experts, so a model without some experts computes
what the whole model computes with their combine weights masked before the softmax.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace

from torch import Tensor

from csmoe_model.checkpoints.weights import plain_name
from csmoe_model.config import ModelConfig
from csmoe_model.csmoe import CSMoE
from csmoe_model.experts.kept_experts import SHARED, KeptExperts
from csmoe_model.nn.soft_moe import SoftMoE
from minortom.errors import InputError

_STACKED = (
    "router.slot_ESD", "experts.up_EDH", "experts.up_bias_EH", "experts.down_EHD",
    "experts.down_bias_ED",
)  # fmt: skip
"""Weights of a layer whose first axis is that of the experts."""
_TO_SLOTS = "router.to_slots.weight"
"""Weight of dynamic slots: as many rows for each expert as a token is wide."""
_CONDITIONS = "condition_vectors."
"""Prefix of the condition vectors; the first axis of each is that of the experts."""


def keep_experts(model: CSMoE, kept: KeptExperts) -> CSMoE:
    """Return a copy of a model without the other experts; its vectors differ from the model's.

    Example:
        >>> smaller = csmoe_model.keep_experts(model, {"s2.0": (0, 3), "shared.0": (1, 2)})

    Args:
        model: Model with experts; it stays as it is.
        kept: Numbers of the experts to keep, by layer, in the numbering of the unpruned model.
            Layers that are not named keep the experts that they have.

    Raises:
        InputError: If a layer or an expert does not exist in the model.
    """
    weights = {plain_name(name): weight for name, weight in model.state_dict().items()}
    config, tensors = sliced(model.config, weights, kept)
    copies = {name: weight.clone() for name, weight in tensors.items()}
    smaller = type(model).from_tensors(config, model.encoder_only, copies)
    smaller.origin, smaller.preprocess = model.origin, deepcopy(model.preprocess)
    return smaller.to(next(model.parameters())).train(model.training)


def sliced(
    config: ModelConfig, tensors: Mapping[str, Tensor], kept: KeptExperts
) -> tuple[ModelConfig, dict[str, Tensor]]:
    """Return the configuration and the weights of a model without the other experts.

    Args:
        config: Configuration of the model.
        tensors: Its weights, by name.
        kept: As for `keep_experts`.

    Raises:
        InputError: As `keep_experts`.
    """
    smaller = replace(config, kept_experts={**(config.kept_experts or {}), **kept})
    found = dict(tensors)
    for layer in kept:
        rows = _rows(layer, config.experts_of(layer), smaller.experts_of(layer))
        prefix = f"{module_name(layer)}.soft_moe."
        for name, weight in tensors.items():
            if name.startswith(prefix) and _is_of_experts(name.removeprefix(prefix)):
                found[name] = _cut(weight, len(config.experts_of(layer)), rows)
    return smaller, found


def cut_experts(layer: SoftMoE, rows: Sequence[int]) -> None:
    """Remove the experts of a layer that are not at some positions."""
    for name, weight in layer.named_parameters():
        if _is_of_experts(name):
            weight.data = _cut(weight.data, layer.num_experts, rows)
    layer.num_experts = len(rows)


def _is_of_experts(name: str) -> bool:
    """Return whether a weight of a layer has rows for each expert."""
    return name in (*_STACKED, _TO_SLOTS) or name.startswith(_CONDITIONS)


def _cut(weight: Tensor, num_experts: int, rows: Sequence[int]) -> Tensor:
    by_expert = weight.reshape(num_experts, -1, *weight.shape[1:])
    return by_expert[list(rows)].flatten(0, 1)


def module_name(layer: str) -> str:
    """Return the name of the module of a layer, such as `s2.0`, in the whole model."""
    part, _, number = layer.partition(".")
    trunk = SHARED if part == SHARED else f"sensors.{part}"
    return f"backbone.{trunk}.trunk.blocks.{number}"


def _rows(layer: str, existing: Sequence[int], kept: Sequence[int]) -> list[int]:
    missing = [number for number in kept if number not in existing]
    if missing:
        raise InputError(
            f"{layer} has the experts {', '.join(map(str, existing))}, found "
            f"{', '.join(map(str, missing))} to keep; name experts that it has"
        )
    return [existing.index(number) for number in kept]
