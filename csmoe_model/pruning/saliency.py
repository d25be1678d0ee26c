"""Saliency of the experts of a model, measured on unlabelled patches.

Axes, as name suffixes:
    B  images in a batch    N  tokens of an image    E  experts    S  slots per expert
    D  token width
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from csmoe_model.analysis.expert_usage import modality_specificity
from csmoe_model.choices import Criterion, SensorChoice, sensors_of
from csmoe_model.config import ModelConfig
from csmoe_model.csmoe import CSMoE
from csmoe_model.experts.kept_experts import SHARED, check_has_experts
from csmoe_model.nn.backbone import SENSORS
from csmoe_model.pruning.ablation import ablation_scores, greedy_scores
from csmoe_model.pruning.activity import Activity, measure_activity
from csmoe_model.pruning.calibration import Patches, draw_patches
from minortom.api.arguments import one_of, path_of, whole_number
from minortom.api.results import Result
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName
from minortom.shards.shard_set import ShardSet

Scores = Mapping[str, tuple[float, ...]]
"""One number for each expert that a layer has, by layer."""

_ONE_PASS = ("reap", "usage", "norm")
"""Criteria that one pass of the patches measures, all at once."""


@dataclass(frozen=True, kw_only=True)
class Saliency(Result):
    """Scores of the experts on the paths of some sensors; the lowest is removed first."""

    by: str
    """Criterion: `reap`, `usage`, `norm`, `ablation` or `greedy`."""
    sensors: tuple[SensorName, ...]
    """Sensors whose paths are scored."""
    experts: Mapping[str, tuple[int, ...]]
    """Numbers of the experts of each layer, in the numbering of the unpruned model."""
    scores: Scores
    """Score of each of these experts; infinite where no other expert could do its work."""
    specificity: Scores
    """Shared layers: (u − v) / (u + v) of each expert, u and v its shares of the combine weights
    on Sentinel-2 and Sentinel-1 images; empty for a model of one sensor."""
    patches: int
    """Patches that the experts were scored on."""
    config: ModelConfig = field(repr=False, metadata={"json": False})


def measure_saliency(
    model: CSMoE,
    shards: str | Path,
    *,
    sensor: SensorChoice,
    by: Criterion = "reap",
    calibrate: int = 256,
    seed: int = 0,
    workers: int | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Saliency:
    """Score the experts on the path of one sensor, or of both, without labels.

    Example:
        >>> saliency = csmoe_model.measure_saliency(model, "shards", sensor="s2")
        >>> smaller = csmoe_model.keep_experts(model, csmoe_model.choose_experts(saliency, keep=4))

    Args:
        model: Model with experts, from `CSMoE.from_pretrained`.
        shards: Folder of shards; patches of the split `train`, or of all where there is none.
        sensor: Sensor whose path is scored: `s2`, `s1` or `both`.
        by: `reap`: combine weight × norm of the expert's output. `usage`: combine weight. `norm`:
            norm of the output. `ablation`: drift of [CLS] without the expert. `greedy`: the same
            while the cheapest expert of each layer is removed, round by round.
        calibrate: Patches to score on; all where there are fewer.
        seed: Seed of the draw of the patches.
        workers: Threads that read; one for each core, at most 8, when None.
        on_progress: Called with (patches done, patches in all).

    Raises:
        InputError: If the model has no experts, no encoder of the sensor or no statistics, or the
            shards do not have all its bands.
        ShardError: If the shards are missing, damaged or of another version.
    """
    one_of("sensor", sensor, get_args(SensorChoice))
    sensors = sensors_of(sensor)
    for name in sensors:
        model.backbone.encoder_of(name)  # raises where there is none
    one_of("by", by, get_args(Criterion))
    check_has_experts(model.config.num_experts, "the model")
    calibrate = whole_number("calibrate", calibrate, minimum=1)
    data = ShardSet.open(path_of("shards", shards))
    patches, _ = draw_patches(
        model, data, calibrate, seed=whole_number("seed", seed, minimum=0), workers=workers
    )  # fmt: skip
    return score_experts(model, patches, sensors, by=by, on_progress=on_progress)


def score_experts(
    model: CSMoE,
    patches: Patches,
    sensors: Sequence[SensorName],
    *,
    by: Criterion,
    on_progress: OnProgress = ignore_progress,
) -> Saliency:
    """Score the experts of a model on patches; see `measure_saliency`."""
    activity = measure_activity(
        model, patches, on_progress=on_progress if by in _ONE_PASS else ignore_progress
    )
    if by == "ablation":
        scores = ablation_scores(model, patches, sensors, on_progress=on_progress)
    elif by == "greedy":
        scores = greedy_scores(model, patches, sensors, on_progress=on_progress)
    else:
        scores = {
            layer: _mean([getattr(activity[sensor][layer], f"{by}_E") for sensor in on_path])
            for layer, on_path in _sensors_by_layer(model.config, sensors).items()
        }
    return Saliency(
        by=by, sensors=tuple(sensors), scores=scores, specificity=_specificity(activity),
        experts={layer: model.config.experts_of(layer) for layer in scores},
        patches=len(patches), config=model.config,
    )  # fmt: skip


def _sensors_by_layer(
    config: ModelConfig, sensors: Sequence[SensorName]
) -> dict[str, tuple[SensorName, ...]]:
    """Return the sensors whose images each layer sees."""
    own = {layer: (sensor,) for sensor in sensors for layer in config.layers(sensor)}
    return own | dict.fromkeys(config.layers(SHARED), tuple(sensors))


def _mean(rows: Sequence[Tensor]) -> tuple[float, ...]:
    return tuple(torch.stack(list(rows)).mean(0).tolist())


def _specificity(
    activity: Mapping[SensorName, Mapping[str, Activity]],
) -> dict[str, tuple[float, ...]]:
    """Return the modality specificity of the experts of shared layers."""
    if len(activity) < len(SENSORS):
        return {}
    first, second = (activity[sensor] for sensor in SENSORS)
    shared = [layer for layer in first if layer in second]
    found = {}
    for layer in shared:
        u_E, v_E = first[layer].usage_E, second[layer].usage_E
        found[layer] = tuple(modality_specificity(u_E, v_E).tolist())
    return found
