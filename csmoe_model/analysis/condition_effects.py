"""Effect of conditions and of training on the routing: vectors, specificity, random weights.

Axes, as name suffixes:
    K  samples    L  layers of a path, of one sensor after the other    E  experts    D  token width
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from csmoe_model.analysis.expert_usage import Array, Usage, measure_usage, modality_specificity
from csmoe_model.experts.conditions import condition_names
from csmoe_model.experts.kept_experts import SHARED
from csmoe_model.extractors.checkpoint import LoadedModel, untrained
from csmoe_model.nn.condition_vectors import ConditionVectors
from csmoe_model.nn.encoder import RoutedBlock
from minortom.progress import OnProgress, ignore_progress
from minortom.shards.shard_set import ShardSet

WHOLE, CROPS, WITHOUT = "whole images", "local crops", "whole images, with vectors of zero"
"""Ways to encode patches whose use of the experts is compared."""
UNTRAINED = {f"random weights, seed {seed}": seed for seed in range(3)}
"""Seeds of the same network with random weights, whose use of the experts is compared too."""


def ways_of(trained: LoadedModel) -> tuple[str, ...]:
    """Return the ways to encode that a model distinguishes; one for a model without conditions."""
    condition = trained.model.config.condition
    if condition == "none":
        return (WHOLE,)
    return (WHOLE, WITHOUT) if condition == "sensor" else (WHOLE, CROPS, WITHOUT)


def usage_by_way(
    trained: LoadedModel,
    data: ShardSet,
    samples: NDArray[np.int64],
    *,
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
) -> dict[str, Usage]:
    """Measure the use of the experts in each way of `ways_of`, and by networks of `UNTRAINED`.

    The arguments are those of `measure_usage`.
    """
    ways, found = (*ways_of(trained), *UNTRAINED), {}
    for number, way in enumerate(ways):

        def count(done: int, total: int, number: int = number) -> None:
            on_progress(number * total + done, len(ways) * total)

        found[way] = measure_usage(
            _model_of(trained, way), data, samples,
            crops=way == CROPS, workers=workers, on_progress=count,
        )  # fmt: skip
    return found


def _model_of(trained: LoadedModel, way: str) -> LoadedModel:
    if way in UNTRAINED:
        return replace(trained, model=untrained(trained.model, seed=UNTRAINED[way]), sha256="")
    return _without_vectors(trained) if way == WITHOUT else trained


def condition_tables(trained: LoadedModel, usages: Mapping[str, Usage]) -> list[dict[str, object]]:
    """Return a table of each conditioned layer; none for a model without conditions.

    Returns:
        For each layer: `layer`; `lengths`, the length of each condition vector, as a multiple of
        the root of its width; `specificity`, that of each way to encode where the model has both
        sensors.
    """
    config = trained.model.config
    tables: list[dict[str, object]] = []
    names = condition_names(config.condition, trained.model.sensors)
    blocks = zip(config.layers(SHARED), trained.model.backbone.shared.trunk.blocks, strict=True)
    for layer, block in blocks if names else ():
        assert isinstance(block, RoutedBlock)
        vectors = block.soft_moe.condition_vectors
        assert vectors is not None
        experts, lengths = config.experts_of(layer), {}
        for name in names:
            length_E = vectors[name].detach().norm(dim=1) / config.width**0.5
            lengths[name] = _placed(length_E.tolist(), experts, config.num_experts)
        both = {
            way: _placed(
                shared_specificity(usage, layer)[list(experts)].tolist(), experts,
                config.num_experts,
            )
            for way, usage in usages.items()
            if len(trained.model.sensors) > 1 and way in ways_of(trained)
        }  # fmt: skip
        tables.append({"layer": layer, "lengths": lengths, "specificity": both})
    return tables


def shared_specificity(usage: Usage, layer: str) -> Array:
    """Return the modality specificity of the experts of a shared layer, [E]."""
    share_LE = usage.share_KLE.mean(0)
    first, second = (place for place, one in enumerate(usage.layers) if one.name == layer)
    return modality_specificity(share_LE[first], share_LE[second])


def _placed(
    values: Sequence[float], experts: Sequence[int], num_experts: int
) -> list[float | None]:
    """Return the values at the numbers of the experts; None at those that were pruned."""
    by_number = dict(zip(experts, values, strict=True))
    return [by_number.get(number) for number in range(num_experts)]


def _without_vectors(trained: LoadedModel) -> LoadedModel:
    """Return a copy of a model whose condition vectors are zero."""
    model = deepcopy(trained.model)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, ConditionVectors):
                for vector in module.values():
                    vector.zero_()
    return replace(trained, model=model)
