"""Trained weights on disk: safetensors, a `config.json` and a card. Nothing is ever unpickled.

The configuration holds all that encoding needs: the sizes of the model, and the statistics
with which its images were normalised. safetensors is imported where it is used, so that the
objective runs where torch, numpy and pyarrow are all there is.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from csmoe_model.checkpoints.hub import CARD, CONFIG, WANTED, WEIGHTS
from csmoe_model.checkpoints.model_card import model_card
from csmoe_model.config import ModelConfig
from minortom.errors import InputError
from minortom.io.atomic_write import whole_file, write_json, write_text
from minortom.io.provenance import KEY, licences_in, sha256_of
from minortom.sensors import MODEL_BANDS, SensorName

_ENCODER_OF = "encoder_of"
_HISTORY = "history"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where weights come from, and what the images were normalised with that they saw."""

    recipe: str
    statistics: Mapping[str, Mapping[str, Sequence[Any]]]
    """Of the training data, by tensor column: `bands`, `mean` and `std`, in stored units."""
    record: Mapping[str, Any]
    """Provenance of this file of weights."""
    history: tuple[Mapping[str, Any], ...] = ()
    """Provenance of what it was made from, newest first."""
    weights_sha256: str = ""
    """Of the file; empty where there is none yet."""

    @property
    def licences(self) -> tuple[str, ...]:
        """Licences and attributions of the training data."""
        return licences_in(self.record)


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A model as it lies on disk."""

    config: ModelConfig
    encoder_of: tuple[SensorName, ...] | None
    """Sensors of an encoder alone; None for the whole pretraining model."""
    origin: Origin
    tensors: Mapping[str, Tensor] = field(repr=False)


def write_model(folder: Path, stored: StoredModel, *, name: str = "FOLDER") -> None:
    """Write the files of a model into a folder that is there.

    Args:
        folder: Where to.
        stored: What to write.
        name: What `from_pretrained` will be given, for the card.
    """
    origin = stored.origin
    config: dict[str, object] = {KEY: origin.record}
    config |= {_HISTORY: list(origin.history)} if origin.history else {}
    config |= {"recipe": origin.recipe, "model": stored.config.to_dict()}
    config |= {_ENCODER_OF: list(stored.encoder_of)} if stored.encoder_of else {}
    weights = {key: t.detach().cpu().contiguous() for key, t in stored.tensors.items()}
    from safetensors.torch import save_file

    # safetensors alone makes it private.
    with whole_file(folder / WEIGHTS) as temporary, _its_own_error():
        save_file(weights, temporary, metadata={"format": "pt"})
    write_json(folder / CONFIG, config | {"statistics": origin.statistics})
    card = model_card(
        name=name, config=stored.config, sensors=stored.encoder_of or tuple(MODEL_BANDS),
        encoder_only=stored.encoder_of is not None, recipe=origin.recipe,
        statistics=origin.statistics, records=(origin.record, *origin.history),
        num_weights=sum(t.numel() for t in weights.values()),
    )  # fmt: skip
    write_text(folder / CARD, card)


def read_model(folder: Path) -> StoredModel:
    """Read the files of a model.

    Raises:
        InputError: If one is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    config = _read_config(folder)
    try:
        model = ModelConfig.from_dict(config["model"])
        origin = Origin(
            recipe=str(config["recipe"]),
            statistics={column: dict(of) for column, of in config["statistics"].items()},
            record=dict(config[KEY]), history=tuple(map(dict, config.get(_HISTORY, ()))),
            weights_sha256=sha256_of(folder / WEIGHTS),
        )  # fmt: skip
        encoder_of = _sensors(config.get(_ENCODER_OF))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{folder / CONFIG} is damaged ({error!r}); {WANTED}") from None
    try:
        # Whoever saved them in half: sums and norms are computed in these.
        tensors = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()}
    except (OSError, SafetensorError) as error:
        raise mismatched_weights(folder, error) from None
    return StoredModel(config=model, encoder_of=encoder_of, origin=origin, tensors=tensors)


@contextmanager
def _its_own_error() -> Iterator[None]:
    """Raise what the disk refuses as what it is: safetensors hides the number in its words."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from None


def mismatched_weights(folder: Path, error: Exception) -> InputError:
    """Say that the weights are not those of the configuration beside them."""
    found = " ".join(str(error).split())[:200]
    return InputError(
        f"{folder / WEIGHTS} does not hold the weights of its {CONFIG} ({found}); copy the "
        "folder again"
    )


def _sensors(names: Sequence[str] | None) -> tuple[SensorName, ...] | None:
    if names is None:
        return None
    found = tuple(sensor for sensor in MODEL_BANDS if sensor in names)
    if not found or len(found) != len(names):
        raise ValueError(f"{_ENCODER_OF} is {names}")
    return found


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {folder / CONFIG} ({error}); {WANTED}") from None
    if not isinstance(config, dict):
        raise InputError(f"{folder / CONFIG} is no configuration; {WANTED}")
    return config
