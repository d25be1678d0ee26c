"""Complete configuration of a run, from the options, a configuration file and a recipe.

The value of a field is that of the option, else that of the file, else that of the recipe. When
a run is resumed, its own configuration takes the place of the recipe. When a run starts from given
weights, the model is theirs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from csmoe_model.config import ModelConfig
from csmoe_model.recipes import recipe
from csmoe_model.runs.folder import RunFolder
from csmoe_model.training.config import TrainConfig, changed, train_recipe
from csmoe_model.training.configuration_file import (
    MODEL_FIELDS,
    TRAIN_FIELDS,
    ConfigurationFile,
    read_configuration,
)
from csmoe_model.training.parent import Parent, read_parent, stored_parent
from minortom.api.arguments import check_keys
from minortom.errors import InputError

DEFAULT_RECIPE = "csmoe-b16"

_LENGTH = {"epochs", "steps"}
_WHOLE_MODEL = set(ModelConfig().to_dict())
"""Fields that describe a model; those that older models do not have may be missing."""
_CROPS = {"local_global", "crop_side"}
"""Fields of a model that its weights do not depend on, which a further training may change."""
_OBJECTIVE = ("logit_scale_of", "mi_features", "projector")
"""Fields that a further training may not change, but that files leave out at their defaults."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Settings that determine the result of a run, except for the data."""

    recipe: str
    model: ModelConfig
    train: TrainConfig
    parent: Parent | None = None
    """Checkpoint whose weights the run starts from; None for random weights."""
    lengthened: tuple[int, ...] = ()
    """Number of steps of the run at each time that `--resume` made it longer."""

    def options(self) -> dict[str, object]:
        """Return the options that change the result, for the provenance."""
        own: dict[str, object] = {
            "recipe": self.recipe, "model": self.model.to_dict(), "train": self.train.to_dict(),
        }  # fmt: skip
        own |= {"weights": self.parent.checkpoint} if self.parent else {}
        return own | ({"lengthened": list(self.lengthened)} if self.lengthened else {})

    def changed(self, values: Mapping[str, object]) -> "Configuration":
        """Return a configuration with some fields of the model or the training changed.

        Raises:
            InputError: If a field does not exist, or a value is not allowed.
        """
        check_keys(values, (*MODEL_FIELDS, *TRAIN_FIELDS), kind="training")
        of_model = {key: value for key, value in values.items() if key in MODEL_FIELDS}
        of_train = {key: value for key, value in values.items() if key in TRAIN_FIELDS}
        return replace(
            self,
            model=ModelConfig.from_dict({**self.model.to_dict(), **of_model}),
            train=changed(self.train, of_train),
        )


def configure(
    name: str | None,
    options: Mapping[str, object],
    *,
    file: Path | None = None,
    weights: str | Path | None = None,
    resume: Path | None = None,
) -> Configuration:
    """Return the complete configuration of a run.

    Args:
        name: Name of a recipe. When None, that of the file, of the resumed run, of the weights, or
            the default.
        options: Fields of the model and the training, by name.
        file: YAML file with such fields, for example the `config.yaml` of a run.
        weights: Checkpoint whose weights the run starts from. Its model is that of the run.
        resume: Folder of a run to resume. Its configuration provides the missing fields.

    Raises:
        InputError: If a recipe or a field does not exist, a value is not allowed or contradicts
            the weights, or the file or the checkpoint is malformed.
    """
    if not (name is None or isinstance(name, str)):
        raise InputError(f"recipe must be a name, found {name!r}; csmoe info lists the recipes")
    found = read_configuration(file) if file else ConfigurationFile()
    if name and found.recipe and name != found.recipe:
        raise InputError(
            f"--recipe must be {found.recipe}, the recipe of {file}, found {name}; omit --recipe, "
            "or remove `recipe` and its fields from the file"
        )
    name, values = name or found.recipe, found.fields
    if len(_LENGTH & set(options)) == 1:  # replaces the length in the file
        values = {key: value for key, value in values.items() if key not in _LENGTH}
    given = {**values, **options}
    checkpoint = found.weights if weights is None else weights
    parent = _parent(checkpoint, RunFolder(resume) if resume else None)
    base = _resumed(RunFolder(resume), name, parent) if resume else None
    if base is None and parent is not None:
        _check_fits(parent, name, given)
        base = Configuration(
            recipe=parent.origin.recipe, model=parent.model, parent=parent,
            train=train_recipe(parent.origin.recipe),
        )  # fmt: skip
    elif base is None and name and set(values) >= _WHOLE_MODEL:
        # The file describes a whole model: what it leaves out has the default of the model, not of
        # the recipe, and its name need not be an existing recipe.
        base = Configuration(recipe=name, model=ModelConfig(), train=train_recipe(name))
    elif base is None:
        name = name or DEFAULT_RECIPE
        base = Configuration(recipe=name, model=recipe(name), train=train_recipe(name))
    return base.changed(given)


def _parent(weights: str | Path | None, resumed: RunFolder | None) -> Parent | None:
    """Return the given checkpoint, or that of the resumed run if it is the same or none is given.

    The checkpoint itself may be gone when a run resumes.
    """
    stored = stored_parent(resumed) if resumed else None
    if weights is None or (stored is not None and str(weights) == stored.checkpoint):
        return stored
    return read_parent(weights)


def _resumed(folder: RunFolder, name: str | None, parent: Parent | None) -> Configuration | None:
    """Return the configuration of a run to resume; None if there is none of that recipe."""
    stored = folder.stored()
    if stored is None or name not in (None, stored.get("recipe")):
        return None
    return Configuration(
        recipe=str(stored.get("recipe")),
        model=ModelConfig.from_dict(stored.get("model", {})),
        train=TrainConfig.from_dict(stored.get("train", {})),
        parent=parent,
        lengthened=tuple(stored.get("lengthened") or ()),
    )


def _check_fits(parent: Parent, name: str | None, given: Mapping[str, object]) -> None:
    """Check that no option contradicts the model of the weights that a run starts from.

    A model without conditions may get them: their vectors are zero, so it is the same model.
    """
    model = parent.model
    later = {name: getattr(model, name) for name in ("condition", *_OBJECTIVE)}  # not in old files
    there = {"recipe": parent.origin.recipe, **model.to_dict(), **later}
    free = _CROPS | ({"condition"} if model.condition == "none" else set())
    wanted = {**({"recipe": name} if name else {}), **given}
    other = [
        f"{key} is {there[key]} in the checkpoint and {value} in the options"
        for key, value in wanted.items()
        if key in there and key not in free and value != there[key]
    ]  # fmt: skip
    if other:
        raise InputError(
            f"--weights {parent.checkpoint} sets the recipe and the model: {'; '.join(other)}; "
            "omit these options, or give other weights"
        )
