"""Tables of the costs of models; no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from csmoe_model.config import ModelConfig
from csmoe_model.nn.cost import Cost, encoder_cost, pretraining_cost
from minortom.api.results import Result
from minortom.sensors import MODEL_BANDS

DENSE = "dense"
"""Name of the rows of dense encoders in the table for people."""


@dataclass(frozen=True, kw_only=True)
class InfoResult(Result):
    """Costs of models."""

    models: Mapping[str, ModelConfig]
    """Configurations, by recipe."""

    def as_dict(self) -> list[dict[str, object]]:
        """Return one row per model with exact numbers, and its dense encoder; see `cost_row`."""
        return [cost_row(name, config) for name, config in self.models.items()]

    def shown(self) -> list[dict[str, object]]:
        """Return one row per model for people; see `cost_table`."""
        return cost_table(self.models)


def cost_row(name: str, config: ModelConfig) -> dict[str, object]:
    """Return the costs of a model's Sentinel-2 path, as in the paper's Table IV.

    Returns:
        `recipe`, `patch_size` and `image_size` (pixels), `params` (with the fixed positions),
        `params_trainable` (without), `macs_paper`, `macs_full`, `c2c` (from `params` and
        `macs_paper`), `sensor_layers` (of Sentinel-2), `shared_layers`, and `dense`: the layers and
        the costs of the encoder of `dense_of_equal_cost`, None if the model has no experts.
    """
    dense = dense_of_equal_cost(config)
    return {
        "recipe": name,
        "patch_size": config.patch_size,
        "image_size": config.image_size,
        **_numbers(encoder_cost(config)),
        **_layers(config),
        "dense": None if dense is None else {**_layers(dense), **_numbers(encoder_cost(dense))},
    }


def dense_of_equal_cost(config: ModelConfig) -> ModelConfig | None:
    """Return the model without experts that costs about as much; None if there are none.

    It has the width of the model and plain MLPs, and as many layers as bring the multiply-adds of
    its Sentinel-2 path (`macs_full`) nearest to those of the model. The number of shared layers is
    that of the model, unless that would leave no layer for the sensor.
    """
    if not config.num_experts:
        return None

    def dense(layers: int) -> ModelConfig:
        shared = min(config.shared_layers, layers - 1)
        return replace(
            config, num_experts=0, slots="dynamic", slots_per_expert=1, logit_scale_of="both",
            condition="none", kept_experts=None, sensor_layers=layers - shared,
            shared_layers=shared,
        )  # fmt: skip

    of_one, of_two = (encoder_cost(dense(layers)).macs_full for layers in (1, 2))
    more = (encoder_cost(config).macs_full - of_one) / (of_two - of_one)
    return dense(1 + max(0, round(more)))


def _numbers(cost: Cost) -> dict[str, object]:
    return {
        "params": cost.params,
        "params_trainable": cost.params_trainable,
        "macs_paper": cost.macs_paper,
        "macs_full": cost.macs_full,
        "c2c": round(cost.c2c, 2),
    }


def _layers(config: ModelConfig) -> dict[str, object]:
    return {"sensor_layers": config.sensor_layers, "shared_layers": config.shared_layers}


def cost_table(models: Mapping[str, ModelConfig]) -> list[dict[str, object]]:
    """Return the costs of models for people: in millions and billions, for all parts.

    Below each model with experts is the dense one of `dense_of_equal_cost`.
    """
    rows: list[dict[str, object]] = []
    for name, config in models.items():
        rows.append(_table_row(name, config))
        dense = dense_of_equal_cost(config)
        if dense is not None:
            rows.append(_table_row(DENSE, dense))
    return rows


def _table_row(name: str, config: ModelConfig) -> dict[str, object]:
    s2, both = encoder_cost(config), encoder_cost(config, sensors=tuple(MODEL_BANDS))
    return {
        "recipe": name,
        "layers": f"{config.sensor_layers}+{config.shared_layers}",
        "patch": config.patch_size,
        "image": config.image_size,
        "S2 params (M)": s2.params / 1e6,
        "S1+S2 params (M)": both.params / 1e6,
        "pretraining (M)": pretraining_cost(config).params_trainable / 1e6,
        "S2 MACs (B), paper": s2.macs_paper / 1e9,
        "full": s2.macs_full / 1e9,
        "C2C": s2.c2c,
    }
