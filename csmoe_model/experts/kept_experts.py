"""Experts that stay in the layers of a pruned model: their numbers, and the check of these."""

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from minortom.api.arguments import shown
from minortom.errors import InputError

KeptExperts = Mapping[str, tuple[int, ...]]
"""Numbers of the experts that stay, ascending, by layer. Layers that are not named keep all."""

SHARED = "shared"
"""Prefix of the layers that all sensors share; those of a sensor begin with its name."""


def check_has_experts(num_experts: int, where: object) -> None:
    """Check that a model has experts.

    Raises:
        InputError: If it has none.
    """
    if not num_experts:
        raise InputError(
            f"expected a model with experts, found one without experts in {where}; give another "
            "checkpoint"
        )


def checked_kept(
    value: object, layers: Sequence[str], *, num_experts: int
) -> dict[str, tuple[int, ...]] | None:
    """Return the experts that stay, in the order of the layers; None if no layer is pruned.

    Args:
        value: Lists of numbers by layer, or None.
        layers: Layers of the model.
        num_experts: Experts of a layer that is not pruned.

    Raises:
        InputError: If a layer does not exist, or its numbers are not one or more different
            numbers of experts.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InputError(f"kept_experts must be numbers by layer, found {shown(value)}")
    unknown = [str(layer) for layer in value if layer not in layers]
    if unknown:
        raise InputError(
            f"kept_experts must name layers of the model, {', '.join(layers)}, found "
            f"{', '.join(unknown)}"
        )
    kept = {
        layer: _checked_numbers(layer, value[layer], num_experts)
        for layer in layers if layer in value
    }  # fmt: skip
    pruned = {layer: numbers for layer, numbers in kept.items() if len(numbers) < num_experts}
    return pruned or None


def _checked_numbers(layer: str, value: Any, num_experts: int) -> tuple[int, ...]:  # noqa: ANN401
    try:
        found = () if isinstance(value, str) else tuple(sorted(map(operator.index, value)))
    except TypeError:
        found = ()
    fits = found and len(set(found)) == len(found) and found[0] >= 0 and found[-1] < num_experts
    if not fits:
        raise InputError(
            f"kept_experts of {layer} must be one or more different numbers from 0 to "
            f"{num_experts - 1}, found {list(found) or shown(value)}"
        )
    return found
