"""`pruning.json` in the folder of a pruned model: scores, kept experts, cost and drift."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor

from csmoe_model.csmoe import CSMoE
from csmoe_model.experts.kept_experts import KeptExperts
from csmoe_model.pruning.calibration import Patches, class_vectors, drift
from csmoe_model.pruning.choice import choose_experts, cost_of
from csmoe_model.pruning.saliency import Saliency
from csmoe_model.pruning.slicing import keep_experts
from minortom.sensors import SensorName


def pruning_record(
    model: CSMoE, saliency: Saliency, kept: KeptExperts, patches: Patches, *, held_out: bool
) -> dict[str, Any]:
    """Return the content of `pruning.json`, but for the provenance and a recovery.

    Args:
        model: The model before experts are removed.
        saliency: Scores of its experts.
        kept: The experts that stay, by layer.
        patches: Patches on which the drift is measured.
        held_out: Whether they are others than those that scored the experts.
    """
    sensors, config = saliency.sensors, model.config
    reference = class_vectors(model, patches, sensors)
    whole = {layer: config.experts_of(layer) for layer in kept}
    costs = {"before": cost_of(config, whole, sensors), "after": cost_of(config, kept, sensors)}
    return {
        "by": saliency.by, "sensors": list(sensors), "calibrated": saliency.patches,
        "layers": [_layer_row(layer, saliency, kept) for layer in kept],
        "cost": {when: asdict(cost) for when, cost in costs.items()},
        "drift": {
            "patches": len(patches), "held_out": held_out,
            "pruned": measured_drift(keep_experts(model, kept), patches, reference),
            "recovered": None,
        },
        "curve": _curve(model, saliency, patches, reference),
    }  # fmt: skip


def measured_drift(
    model: CSMoE, patches: Patches, reference: Mapping[SensorName, Tensor]
) -> dict[str, float]:
    """Return the drift of a model's [CLS] vectors from those of a reference, by sensor."""
    found = class_vectors(model, patches, tuple(reference))
    return {str(sensor): drift(found[sensor], reference[sensor]) for sensor in reference}


def _layer_row(layer: str, saliency: Saliency, kept: KeptExperts) -> dict[str, Any]:
    scores = [score if math.isfinite(score) else None for score in saliency.scores[layer]]
    specificity = saliency.specificity.get(layer)
    return {
        "layer": layer, "experts": list(saliency.experts[layer]), "scores": scores,
        "kept": list(kept[layer]),
        "specificity": None if specificity is None else list(specificity),
    }  # fmt: skip


def _curve(
    model: CSMoE, saliency: Saliency, patches: Patches, reference: Mapping[SensorName, Tensor]
) -> list[dict[str, Any]]:
    """Return cost and drift for every number of experts a layer, from all of them to one."""
    largest = max(map(len, saliency.experts.values()))
    rows = []
    for count in range(largest, 0, -1):
        kept = choose_experts(saliency, keep=count)
        cost = cost_of(model.config, kept, saliency.sensors)
        found = measured_drift(keep_experts(model, kept), patches, reference)
        rows.append(
            {
                "experts": count, "params_trainable": cost.params_trainable,
                "macs_full": cost.macs_full, "drift": found,
            }
        )  # fmt: skip
    return rows


def expert_counts(record: Mapping[str, Any]) -> dict[str, str]:
    """Return kept and existing experts by layer, for people."""
    return {
        row["layer"]: f"{len(row['kept'])} of {len(row['experts'])}" for row in record["layers"]
    }  # fmt: skip
