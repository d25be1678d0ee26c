"""YAML files with the configuration of a run, such as the `config.yaml` of another one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from csmoe_model.config import ModelConfig, Switch
from csmoe_model.training.config import TrainConfig
from minortom.api.arguments import check_keys, shown
from minortom.errors import InputError
from minortom.io.parse_yaml import parse_yaml
from minortom.io.provenance import KEY

MODEL_FIELDS = tuple(field.name for field in fields(ModelConfig))
TRAIN_FIELDS = tuple(field.name for field in fields(TrainConfig))

_NUMBERS = {f.name for f in (*fields(ModelConfig), *fields(TrainConfig)) if f.type is float}
_SWITCHES = {f.name for f in fields(ModelConfig) if f.type is Switch}
_NAMES = ("recipe", "weights")
_PARTS = ("model", "train")
_IGNORED = (KEY, "lengthened")
"""Keys in the `config.yaml` of a run that do not set options of another run."""


@dataclass(frozen=True, kw_only=True)
class ConfigurationFile:
    """Content of a configuration file."""

    recipe: str | None = None
    weights: str | None = None
    """Checkpoint whose weights the run starts from."""
    fields: Mapping[str, object] = field(default_factory=dict)
    """Fields of the model and the training, by name."""


def read_configuration(file: Path) -> ConfigurationFile:
    """Read the recipe, the weights and the fields from a YAML file.

    Fields may stand at the top level, or below `model` and `train` as in the `config.yaml` of a
    run. The provenance in that file is ignored.

    Raises:
        InputError: If the file cannot be read, is not a mapping, or has an unknown or a
            duplicate key.
    """
    try:
        found = parse_yaml(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror or error}; check --config") from None
    except ValueError as error:
        raise InputError(
            f"{file} is not a YAML file of fields such as `lr: 0.001` ({str(error)[:200]}); check "
            "--config"
        ) from None
    found = {} if found is None else found
    if not isinstance(found, dict):
        raise InputError(
            f"{file} must contain fields such as `lr: 0.001`, found a {type(found).__name__}; "
            "check --config"
        )
    return _checked(found, file)


def _checked(found: Mapping[str, Any], file: Path) -> ConfigurationFile:
    own = {key: value for key, value in found.items() if key not in _IGNORED}
    check_keys(own, (*_NAMES, *_PARTS, *MODEL_FIELDS, *TRAIN_FIELDS), kind=str(file))
    values = {key: value for key, value in own.items() if key not in (*_NAMES, *_PARTS)}
    for part, names in zip(_PARTS, (MODEL_FIELDS, TRAIN_FIELDS), strict=True):
        below = own.get(part) or {}
        if not isinstance(below, dict):
            raise InputError(
                f"{file}: {part} must contain fields such as `lr: 0.001`, found {shown(below)}"
            )
        check_keys(below, names, kind=f"{file} {part}")
        twice = [key for key in below if key in values]
        if twice:
            raise InputError(
                f"{file} sets {', '.join(twice)} both at the top level and below {part}; remove one"
            )
        values |= below
    for name in _NAMES:
        if not (own.get(name) is None or isinstance(own[name], str)):
            raise InputError(f"{file}: {name} must be a name, found {shown(own[name])}")
    return ConfigurationFile(
        recipe=own.get("recipe"), weights=own.get("weights"),
        fields={key: _value(key, value) for key, value in values.items()},
    )  # fmt: skip


def _value(key: str, value: object) -> object:
    """Return the value of a field as it was written.

    YAML 1.1 reads `1e-4` as text, since it has no decimal point, and `on` and `off` as booleans.
    """
    if key in _SWITCHES and isinstance(value, bool):
        return "on" if value else "off"
    if key not in _NUMBERS:
        return value
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
