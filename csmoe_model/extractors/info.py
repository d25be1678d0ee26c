"""`csmoe info`: cost of recipes, which needs no torch, and of a checkpoint or another extractor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csmoe_model.choices import BOTH
from csmoe_model.nn.cost_table import InfoResult
from csmoe_model.optional_packages import require_packages
from csmoe_model.recipes import RECIPES, recipe_with
from minortom.api.results import Result
from minortom.errors import UsageError
from minortom.sensors import SensorName

if TYPE_CHECKING:
    from csmoe_model.extractors.extractor import Extractor


@dataclass(frozen=True, kw_only=True)
class ExtractorInfoResult(Result):
    """Costs of a checkpoint or another extractor."""

    rows: Sequence[Mapping[str, Any]]
    """One row for each vector of an image; see `info`."""

    def as_dict(self) -> list[dict[str, object]]:
        """Return one row for each vector, with exact numbers."""
        return [dict(row) for row in self.rows]

    def shown(self) -> list[dict[str, object]]:
        """Return one row for each vector for people: in millions and billions."""
        return [
            {
                "extractor": row["extractor"], "kind": row["kind"], "sensor": row["sensor"],
                "width": row["width"], "image": row["image_size"],
                "params (M)": row["parameters"] / 1e6, "MACs (B)": row["multiply_adds"] / 1e9,
            }
            for row in self.rows
        ]  # fmt: skip


def info(
    checkpoint: str | Path | None = None,
    *,
    recipe: str | None = None,
    slots: str | None = None,
    slots_per_expert: int | None = None,
) -> InfoResult | ExtractorInfoResult:
    """Compute the parameters of models, the multiply-adds of one image, and their ratio (C2C).

    Example:
        >>> (row,) = csmoe_model.info(recipe="csmoe-b16").as_dict()
        >>> row["params"], row["macs_paper"]
        (271312128, 10107689472)

    Args:
        checkpoint: Checkpoint or another extractor, as `load_extractor` takes it, to compute the
            cost of; the recipes when None.
        recipe: Name of the model; all of them when None.
        slots: Compute with `dynamic` (as published) or `fixed` (as in the paper's text) slots;
            those of the recipe when None.
        slots_per_expert: Slots of each expert, with `slots="fixed"`; 1 when None.

    Returns:
        A result that prints as a table; `as_dict()` returns one row per model. For a checkpoint it
        returns one row for each vector of an image: of each sensor, and of both.

    Raises:
        UsageError: If a checkpoint is given with an option of recipes.
        InputError: If the checkpoint or the recipe does not exist, or a value is not allowed.
    """
    options = {"slots": slots, "slots_per_expert": slots_per_expert}
    changes = {key: value for key, value in options.items() if value is not None}
    if checkpoint is None:
        names = RECIPES if recipe is None else (recipe,)
        return InfoResult(models={name: recipe_with(name, changes) for name in names})
    given = [*([] if recipe is None else ["recipe"]), *changes]
    if given:
        raise UsageError(
            f"--{given[0].replace('_', '-')} works without a checkpoint, found {checkpoint}; give "
            "one of the two"
        )
    require_packages("torch", "safetensors", extra="train")
    # Imported here so that the costs of recipes need no torch.
    from csmoe_model.extractors.load import load_extractor

    return ExtractorInfoResult(rows=_rows(load_extractor(checkpoint)))


def _rows(extractor: "Extractor") -> list[dict[str, object]]:
    """Return the cost of each vector: of each sensor where possible, and of all together."""
    together = extractor.sensors
    alone: list[tuple[SensorName, ...]] = [(sensor,) for sensor in together]
    several = alone if len(together) == 1 else [*alone, together]
    rows: list[dict[str, object]] = []
    for sensors in [together] if extractor.alignment == "joint" else several:
        side = extractor.image_size
        cost = extractor.cost_of(dict.fromkeys(sensors, (side, side)))
        averaged = extractor.alignment == "common"
        rows.append(
            {
                "extractor": extractor.name, "kind": extractor.kind,
                "sensor": sensors[0] if len(sensors) == 1 else BOTH,
                "bands": [band for sensor in sensors for band in extractor.bands[sensor]],
                "width": extractor.width_of(sensors[:1] if averaged else sensors),
                "image_size": side, **cost.as_dict(), **extractor.details(sensors),
                "sha256": extractor.sha256, "licences": list(extractor.licences),
            }
        )  # fmt: skip
    return rows
