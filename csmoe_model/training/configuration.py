"""Complete configuration of a run, from the options, a configuration file and a recipe.

The value of a field is that of the option, else that of the file, else that of the recipe. When
a run is resumed, its own configuration takes the place of the recipe.
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
    """Settings that determine the result of a run, except for the data."""

    recipe: str
    model: ModelConfig
    train: TrainConfig

    def changed(self, values: Mapping[str, object]) -> "Configuration":
        """Return a configuration with some fields of the model or the training changed.

        Raises:
            InputError: If a field does not exist, or a value is not allowed.
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
    """Return the complete configuration of a run.

    Args:
        name: Name of a recipe. When None, that of the file, of the resumed run, or the default.
        options: Fields of the model and the training, by name.
        file: YAML file with such fields, for example the `config.yaml` of a run.
        resume: Folder of a run to resume. Its configuration provides the missing fields.

    Raises:
        InputError: If a recipe or a field does not exist, a value is not allowed, or the file
            is malformed.
    """
    if not (name is None or isinstance(name, str)):
        raise InputError(f"recipe must be a name, found {name!r}; csmoe info lists the recipes")
    named, values = read_configuration(file) if file else (None, {})
    if name and named and name != named:
        raise InputError(
            f"--recipe must be {named}, the recipe of {file}, found {name}; omit --recipe, or "
            "remove `recipe` and its fields from the file"
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
        # The file describes a whole model, so its name need not be an existing recipe.
        base = Configuration(recipe=name, model=ModelConfig(), train=TrainConfig())
    else:
        name = name or DEFAULT_RECIPE
        base = Configuration(recipe=name, model=recipe(name), train=train_recipe(name))
    if len(_LENGTH & set(options)) == 1:  # replaces the length in the file
        values = {key: value for key, value in values.items() if key not in _LENGTH}
    return base.changed({**values, **options})


class _NoKeyTwice(yaml.SafeLoader):
    """YAML loader that rejects duplicate keys; YAML itself would use the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping; raise an error if a key occurs twice."""
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        names = [key.value for key, _ in node.value]
        twice = [name for name in found if names.count(name) > 1]
        if twice:
            raise yaml.YAMLError(f"the key {twice[0]} occurs twice")
        return found


def read_configuration(file: Path) -> tuple[str | None, dict[str, object]]:
    """Read the recipe and the fields from a YAML file.

    Fields may stand at the top level, or below `model` and `train` as in the `config.yaml` of a
    run. The provenance in that file is ignored.

    Raises:
        InputError: If the file cannot be read, is not a mapping, or has an unknown or a
            duplicate key.
    """
    try:
        found = yaml.load(file.read_text(encoding="utf-8"), Loader=_NoKeyTwice)  # noqa: S506  # safe
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}; check --config") from None
    except (ValueError, yaml.YAMLError) as error:
        what = " ".join(str(error).split())[:200]
        raise InputError(
            f"{file} is not a YAML file of fields such as `lr: 0.001` ({what}); check --config"
        ) from None
    found = {} if found is None else found
    if not isinstance(found, dict):
        raise InputError(
            f"{file} must contain fields such as `lr: 0.001`, found a {type(found).__name__}; "
            "check --config"
        )
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
            raise InputError(
                f"{file}: {part} must contain fields such as `lr: 0.001`, found {below!r}"
            )
        check_keys(below, names, kind=f"{file} {part}")
        twice = [key for key in below if key in values]
        if twice:
            raise InputError(
                f"{file} sets {', '.join(twice)} both at the top level and below {part}; remove one"
            )
        values |= below
    name = own.get("recipe")
    if not (name is None or isinstance(name, str)):
        raise InputError(f"{file}: recipe must be a name, found {name!r}")
    return name, {
        key: _number(value) if key in _NUMBERS else value for key, value in values.items()
    }


def _number(value: object) -> object:
    """Return `1e-4` as a number: YAML 1.1 reads it as text, since it has no decimal point."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
