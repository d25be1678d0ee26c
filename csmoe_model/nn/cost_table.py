"""Tables of the costs of models; no torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from csmoe_model.config import ModelConfig
from csmoe_model.nn.cost import encoder_cost, pretraining_cost
from minortom.api.results import Result
from minortom.sensors import MODEL_BANDS


@dataclass(frozen=True, kw_only=True)
class InfoResult(Result):
    """Costs of models."""

    models: Mapping[str, ModelConfig]
    """Configurations, by recipe."""

    def as_dict(self) -> list[dict[str, object]]:
        """Return one row per model with exact numbers; see `cost_row`."""
        return [cost_row(name, config) for name, config in self.models.items()]

    def shown(self) -> list[dict[str, object]]:
        """Return one row per model for people; see `cost_table`."""
        return cost_table(self.models)


def cost_row(name: str, config: ModelConfig) -> dict[str, object]:
    """Return the costs of a model's Sentinel-2 path, as in the paper's Table IV.

    Returns:
        `recipe`, `patch_size` and `image_size` (pixels), `params` (with the fixed positions),
        `params_trainable` (without), `macs_paper`, `macs_full`, `c2c` (from `params` and
        `macs_paper`).
    """
    cost = encoder_cost(config)
    return {
        "recipe": name,
        "patch_size": config.patch_size,
        "image_size": config.image_size,
        "params": cost.params,
        "params_trainable": cost.params_trainable,
        "macs_paper": cost.macs_paper,
        "macs_full": cost.macs_full,
        "c2c": round(cost.c2c, 2),
    }


def cost_table(models: Mapping[str, ModelConfig]) -> list[dict[str, object]]:
    """Return the costs of models for people: in millions and billions, for all parts."""
    rows: list[dict[str, object]] = []
    for name, config in models.items():
        s2, both = encoder_cost(config), encoder_cost(config, sensors=tuple(MODEL_BANDS))
        rows.append(
            {
                "recipe": name,
                "patch": config.patch_size,
                "image": config.image_size,
                "S2 params (M)": s2.params / 1e6,
                "S1+S2 params (M)": both.params / 1e6,
                "pretraining (M)": pretraining_cost(config).params_trainable / 1e6,
                "S2 MACs (B), paper": s2.macs_paper / 1e9,
                "full": s2.macs_full / 1e9,
                "C2C": s2.c2c,
            }
        )
    return rows
