"""Scores of experts by the drift of the [CLS] vectors without them.

Axes, as name suffixes:
    K  patches    D  token width    E  experts of a layer    B T  images and tokens of a batch
"""

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from statistics import mean

import torch
from torch import Tensor

from csmoe_model.csmoe import CSMoE
from csmoe_model.distributed.device import fast_inference
from csmoe_model.experts.kept_experts import SHARED
from csmoe_model.nn.encoder import RoutedBlock
from csmoe_model.nn.layers import at_least_float32
from csmoe_model.pruning.calibration import Patches, class_vectors, drift
from csmoe_model.pruning.paths import embedded, path_of, run
from csmoe_model.pruning.slicing import cut_experts, keep_experts
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName

Drifts = dict[str, tuple[float, ...]]
"""Drift without each expert that a layer has, by layer; see `calibration.drift`."""


def ablation_scores(
    model: CSMoE,
    patches: Patches,
    sensors: Sequence[SensorName],
    *,
    on_progress: OnProgress = ignore_progress,
) -> Drifts:
    """Return the drift without each single expert.

    The drift of a shared layer is the mean over the sensors. The only expert of a layer has an
    infinite score.
    """
    total = _evaluations(model, sensors)[0] * len(patches)
    reference = class_vectors(model, patches, sensors)
    return _drifts(model, patches, reference, done=0, total=total, on_progress=on_progress)


def greedy_scores(
    model: CSMoE,
    patches: Patches,
    sensors: Sequence[SensorName],
    *,
    on_progress: OnProgress = ignore_progress,
) -> Drifts:
    """Return what the removal of each expert added to the drift when it was the cheapest.

    In each round, every layer loses the expert without which the drift is smallest, and the rest
    is measured again. Within a layer no score is below that of an expert removed before it; the
    last expert of a layer has an infinite score.
    """
    rounds = _evaluations(model, sensors)
    reference, current = class_vectors(model, patches, sensors), model
    layers = model.config.layers(*sensors, SHARED)
    scores = {layer: dict.fromkeys(model.config.experts_of(layer), math.inf) for layer in layers}
    last, done = dict.fromkeys(layers, 0.0), 0
    for evaluations in rounds:
        found = _drifts(
            current, patches, reference, done=done, total=sum(rounds) * len(patches),
            on_progress=on_progress,
        )  # fmt: skip
        done += evaluations * len(patches)
        before = _layer_drifts(current, patches, reference)
        kept = {}
        for layer, drift_E in found.items():
            experts = current.config.experts_of(layer)
            cheapest = min(range(len(experts)), key=drift_E.__getitem__)
            if len(experts) > 1:
                last[layer] = max(last[layer], drift_E[cheapest] - before[layer])
                scores[layer][experts[cheapest]] = last[layer]
                kept[layer] = tuple(n for n in experts if n != experts[cheapest])
        current = keep_experts(current, kept)
    return {layer: tuple(of_layer.values()) for layer, of_layer in scores.items()}


def _evaluations(model: CSMoE, sensors: Sequence[SensorName]) -> list[int]:
    """Return the number of models to evaluate in each round of `greedy_scores`."""
    counts = [
        len(model.config.experts_of(layer))
        for sensor in sensors for layer in model.config.layers(sensor, SHARED)
    ]  # fmt: skip
    return [
        sum(count - gone for count in counts if count - gone > 1) for gone in range(max(counts) - 1)
    ] or [0]


def _layer_drifts(
    model: CSMoE, patches: Patches, reference: Mapping[SensorName, Tensor]
) -> dict[str, float]:
    """Return the drift that a model has already, on the sensors of each layer."""
    found = class_vectors(model, patches, tuple(reference))
    of_sensor = {sensor: drift(found[sensor], wanted) for sensor, wanted in reference.items()}
    own = {layer: d for sensor, d in of_sensor.items() for layer in model.config.layers(sensor)}
    return own | dict.fromkeys(model.config.layers(SHARED), mean(of_sensor.values()))


def _drifts(
    model: CSMoE,
    patches: Patches,
    reference: Mapping[SensorName, Tensor],
    *,
    done: int,
    total: int,
    on_progress: OnProgress,
) -> Drifts:
    """Return the drift from the reference without each expert, the mean over the sensors."""
    found: dict[str, list[list[float]]] = {}
    for sensor, reference_KD in reference.items():
        steps, device = path_of(model, sensor), next(model.parameters()).device
        with fast_inference(device):
            tokens = [embedded(model, sensor, images[sensor]) for images in patches.batches(device)]
            for position, step in enumerate(steps):
                drift_E = []
                for number in range(_num_experts(step.module)):
                    smaller = replace(step, module=without_expert(step.module, number))
                    rest = [smaller, *steps[position + 1 :]]
                    vector_KD = torch.cat([run(rest, x_BTD)[:, 0] for x_BTD in tokens])
                    drift_E.append(drift(at_least_float32(vector_KD).cpu(), reference_KD))
                    done += len(patches)
                    on_progress(done, total)
                if step.layer:
                    found.setdefault(step.layer, []).append(drift_E or [math.inf])
                tokens = [step(x_BTD) for x_BTD in tokens]
    return {
        layer: tuple(map(mean, zip(*rows, strict=True))) for layer, rows in found.items()
    }  # fmt: skip


def _num_experts(module: torch.nn.Module) -> int:
    """Return the number of experts that a layer can lose one of; 0 for a norm."""
    count = module.soft_moe.num_experts if isinstance(module, RoutedBlock) else 0
    return count if count > 1 else 0


def without_expert(block: torch.nn.Module, position: int) -> RoutedBlock:
    """Return a copy of a layer without the expert at a position."""
    smaller = deepcopy(block)
    assert isinstance(smaller, RoutedBlock)
    rows = [n for n in range(smaller.soft_moe.num_experts) if n != position]
    cut_experts(smaller.soft_moe, rows)
    return smaller
