"""Choice of the experts that stay: a number in each layer, or a budget of multiply-adds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from csmoe_model.config import ModelConfig
from csmoe_model.experts.kept_experts import SHARED
from csmoe_model.nn.cost import Cost, encoder_cost
from csmoe_model.pruning.saliency import Saliency
from minortom.api.arguments import finite_number, shown, whole_number
from minortom.errors import InputError
from minortom.sensors import SensorName

_DRIFTS = ("ablation", "greedy")
"""Criteria whose scores compare between layers; others are compared as shares of their layer."""
GIGA = 1e9
"""Multiply-adds in the unit of a budget."""


def choose_experts(
    saliency: Saliency, *, keep: int | None = None, budget: float | None = None
) -> dict[str, tuple[int, ...]]:
    """Return the experts to keep, by layer: those of the highest scores.

    Example:
        >>> kept = csmoe_model.choose_experts(saliency, keep=2)
        >>> smaller = csmoe_model.keep_experts(model, kept)

    Args:
        saliency: Scores from `measure_saliency`.
        keep: Experts to keep in each layer; a layer with fewer keeps all. Half of them, rounded
            up, when neither `keep` nor `budget` is given.
        budget: Most multiply-adds of an image (of a pair, for both sensors), in billions: the full
            count of `csmoe info`. Experts are removed by score, whatever their layer.

    Raises:
        InputError: If both are given, `keep` is above the experts of every layer, or `budget` is
            below the cost of one expert in each layer.
    """
    config = saliency.config
    check_choice(config, saliency.sensors, keep=keep, budget=budget)
    ranked = {
        layer: _ranked(saliency.experts[layer], scores)
        for layer, scores in saliency.scores.items()
    }  # fmt: skip
    if budget is not None:
        return _within_budget(saliency, ranked, float(budget))
    count = -(-_largest(config, saliency.sensors) // 2) if keep is None else keep
    return {layer: tuple(sorted(order[:count])) for layer, order in ranked.items()}


def check_choice(
    config: ModelConfig,
    sensors: Sequence[SensorName],
    *,
    keep: int | None = None,
    budget: float | None = None,
) -> None:
    """Check the arguments of `choose_experts` before the experts are scored.

    Raises:
        InputError: As `choose_experts`.
    """
    if budget is not None and keep is not None:
        raise InputError(
            f"expected keep or budget, found keep {shown(keep)} and budget {shown(budget)}; leave "
            "one out"
        )
    largest = _largest(config, sensors)
    if keep is not None and whole_number("keep", keep, minimum=1) > largest:
        raise InputError(
            f"keep must be at most {largest}, the experts of the largest layer, found {keep}; give "
            "a smaller --keep"
        )
    if budget is not None:
        one_each = {layer: config.experts_of(layer)[:1] for layer in path_layers(config, sensors)}
        least = cost_of(config, one_each, sensors).macs_full / GIGA
        if finite_number("budget", budget) < least:
            raise InputError(
                f"budget must be at least {_rounded_up(least)} billion multiply-adds, the cost of "
                f"one expert in each layer, found {budget:g}; give a larger --budget"
            )


def path_layers(config: ModelConfig, sensors: Sequence[SensorName]) -> tuple[str, ...]:
    """Return the layers on the paths of some sensors."""
    return config.layers(*sensors, SHARED)


def _largest(config: ModelConfig, sensors: Sequence[SensorName]) -> int:
    return max(len(config.experts_of(layer)) for layer in path_layers(config, sensors))


def _rounded_up(value: float) -> str:
    """Return a number of five digits that is not below the value."""
    digits = 5 - math.ceil(math.log10(value))
    return f"{math.ceil(value * 10**digits) / 10**digits:.10g}"


def cost_of(
    config: ModelConfig, kept: Mapping[str, tuple[int, ...]], sensors: Sequence[SensorName]
) -> Cost:
    """Return the cost of the paths of some sensors with the kept experts."""
    return encoder_cost(
        replace(config, kept_experts={**(config.kept_experts or {}), **kept}), sensors=sensors
    )  # fmt: skip


def _ranked(experts: Sequence[int], scores: Sequence[float]) -> list[int]:
    """Return the experts of a layer from the highest score to the lowest."""
    return [expert for _, expert in sorted(zip((-s for s in scores), experts, strict=True))]


def _within_budget(
    saliency: Saliency, ranked: Mapping[str, list[int]], budget: float
) -> dict[str, tuple[int, ...]]:
    limit, config, sensors = budget * GIGA, saliency.config, saliency.sensors
    kept = {layer: list(order) for layer, order in ranked.items()}
    for _, layer in _removals(saliency, ranked):
        found = {name: tuple(sorted(experts)) for name, experts in kept.items()}
        if cost_of(config, found, sensors).macs_full <= limit:
            return found
        kept[layer].pop()
    return {layer: tuple(sorted(experts)) for layer, experts in kept.items()}


def _removals(
    saliency: Saliency, ranked: Mapping[str, list[int]]
) -> list[tuple[tuple[float, int], str]]:
    """Return the layers to take an expert from, the cheapest expert first; each keeps one."""
    found = []
    for place, (layer, order) in enumerate(ranked.items()):
        scores = dict(zip(saliency.experts[layer], saliency.scores[layer], strict=True))
        whole = 1.0 if saliency.by in _DRIFTS else sum(scores.values()) or 1.0
        found += [((scores[expert] / whole, place), layer) for expert in order[1:]]
    return sorted(found)
