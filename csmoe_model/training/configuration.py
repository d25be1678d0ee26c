"""From what a user gives to a whole configuration.

A field's value is the option's, else that of the configuration file, else the recipe's (or,
going on with a run, the run's own).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from csmoe_model.config import RECIPES, ModelConfig, check_keys, recipe
from csmoe_model.runs.folder import RunFolder
from csmoe_model.training.config import TrainConfig, changed, train_recipe
from minortom.errors import InputError
from minortom.io.provenance import KEY

DEFAULT_RECIPE = "csmoe-b16"

_MODEL = tuple(field.name for field in fields(ModelConfig))
_TRAIN = tuple(field.name for field in fields(TrainConfig))
_NUMBERS = {f.name for f in (*fields(ModelConfig), *fields(TrainConfig)) if f.type is float}
_LENGTH = {"epochs", "steps"}


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """All that says what a run computes, but for its data."""

    recipe: str
    model: ModelConfig
    train: TrainConfig

    def changed(self, values: Mapping[str, object]) -> "Configuration":
        """Change some fields of either part, by name.

        Raises:
            InputError: If there is no such field, or a value is not allowed.
        """
        check_keys(values, (*_MODEL, *_TRAIN), kind="training")
        of_model = {key: value for key, value in values.items() if key in _MODEL}
        of_train = {key: value for key, value in values.items() if key in _TRAIN}
        return Configuration(
            recipe=self.recipe,
            model=ModelConfig.from_dict({**self.model.to_dict(), **of_model}),
            train=changed(self.train, of_train),
        )


def configure(
    name: str | None,
    options: Mapping[str, object],
    *,
    file: Path | None = None,
    resume: Path | None = None,
) -> Configuration:
    """Fill up what was not given.

    Args:
        name: A recipe; None for that of the file, the run's own, or the default.
        options: Fields of either configuration by name.
        file: YAML with fields of either configuration, as a run's own `config.yaml`.
        resume: Folder of a run to go on with, whose configuration fills up the rest.

    Raises:
        InputError: If there is no such recipe or field, a value is not allowed, or the file
            is not as it must be.
    """
    if not (name is None or isinstance(name, str)):
        raise InputError(f"recipe must be a name, found {name!r}; csmoe info lists the recipes")
    named, values = read_configuration(file) if file else (None, {})
    if name and named and name != named:
        raise InputError(
            f"--recipe {name}: the configuration in {file} is of the recipe {named}; leave "
            "--recipe away, or take `recipe` and what belongs to it out of the file"
        )
    name = name or named
    stored = RunFolder(resume).stored() if resume else None
    if stored is not None and name in (None, stored.get("recipe")):
        base = Configuration(
            recipe=str(stored.get("recipe")),
            model=ModelConfig.from_dict(stored.get("model", {})),
            train=TrainConfig.from_dict(stored.get("train", {})),
        )
    elif name and name not in RECIPES and set(_MODEL) <= set(values):
        # The whole of a model: its name need not be one of today's recipes.
        base = Configuration(recipe=name, model=ModelConfig(), train=TrainConfig())
    else:
        name = name or DEFAULT_RECIPE
        base = Configuration(recipe=name, model=recipe(name), train=train_recipe(name))
    if len(_LENGTH & set(options)) == 1:  # takes the place of what the file says
        values = {key: value for key, value in values.items() if key not in _LENGTH}
    return base.changed({**values, **options})


class _NoKeyTwice(yaml.SafeLoader):
    """Refuses a key that a mapping has twice, of which YAML would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Make a mapping, whose keys all differ."""
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        names = [key.value for key, _ in node.value]
        twice = [name for name in found if names.count(name) > 1]
        if twice:
            raise yaml.YAMLError(f"{twice[0]} stands there twice")
        return found


def read_configuration(file: Path) -> tuple[str | None, dict[str, object]]:
    """Read the recipe and the fields that a YAML file gives.

    Fields may stand on top, or below `model` and `train` as in a run's `config.yaml`, whose
    record of the run is passed over.

    Raises:
        InputError: If the file cannot be read, is no mapping, or has a key that is no field,
            or one twice.
    """
    try:
        found = yaml.load(file.read_text(encoding="utf-8"), Loader=_NoKeyTwice)  # noqa: S506  # safe
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}; check --config") from None
    except (ValueError, yaml.YAMLError) as error:
        what = " ".join(str(error).split())[:200]
        raise InputError(f"{file} is no YAML ({what}); give --config a file of fields") from None
    found = {} if found is None else found
    if not isinstance(found, dict):
        raise InputError(f"{file} holds {type(found).__name__}, wanted fields as `lr: 0.001`")
    return _recipe_and_fields(found, file)


def _recipe_and_fields(
    found: Mapping[str, Any], file: Path
) -> tuple[str | None, dict[str, object]]:
    known = ("recipe", "model", "train", *_MODEL, *_TRAIN)
    own = {key: value for key, value in found.items() if key != KEY}
    check_keys(own, known, kind=str(file))
    values = {key: value for key, value in own.items() if key not in known[:3]}
    for part, names in (("model", _MODEL), ("train", _TRAIN)):
        below = own.get(part) or {}
        if not isinstance(below, dict):
            raise InputError(f"{file}: {part} must hold fields as `lr: 0.001`; it is {below!r}")
        check_keys(below, names, kind=f"{file} {part}")
        twice = [key for key in below if key in values]
        if twice:
            raise InputError(f"{file} gives {', '.join(twice)} twice; leave one of them")
        values |= below
    name = own.get("recipe")
    if not (name is None or isinstance(name, str)):
        raise InputError(f"{file}: recipe must be a name; it is {name!r}")
    return name, {
        key: _number(value) if key in _NUMBERS else value for key, value in values.items()
    }


def _number(value: object) -> object:
    """Take `1e-4` for the number that it is; YAML 1.1 wants a point in it."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
