"""From what a user gives to a whole configuration: a recipe, or a run's own, with changes."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from csmoe_model.config import ModelConfig, recipe
from csmoe_model.run_folder import RunFolder
from csmoe_model.train_config import TrainConfig, changed, train_recipe

DEFAULT_RECIPE = "csmoe-b16"


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """All that says what a run computes, but for its data."""

    recipe: str
    model: ModelConfig
    train: TrainConfig


def configure(
    name: str | None, options: Mapping[str, object], *, resume: Path | None = None
) -> Configuration:
    """Fill up what was not given.

    Args:
        name: A recipe; None for the run's own, or the default.
        options: Fields of either configuration by name; None is not given.
        resume: Folder of a run to go on with, whose configuration fills up the rest.

    Raises:
        InputError: If there is no such recipe or field, or a value is not allowed.
    """
    given = {key: value for key, value in options.items() if value is not None}
    of_train = {field.name for field in fields(TrainConfig)}
    train_options = {key: value for key, value in given.items() if key in of_train}
    model_options = {key: value for key, value in given.items() if key not in of_train}
    stored = RunFolder(resume).stored() if resume else None
    if stored is not None and name in (None, stored.get("recipe")):
        model = ModelConfig.from_dict({**stored.get("model", {}), **model_options})
        train = changed(TrainConfig.from_dict(stored.get("train", {})), train_options)
        return Configuration(recipe=str(stored.get("recipe")), model=model, train=train)
    name = name or DEFAULT_RECIPE
    model = ModelConfig.from_dict({**recipe(name).to_dict(), **model_options})
    return Configuration(recipe=name, model=model, train=changed(train_recipe(name), train_options))
