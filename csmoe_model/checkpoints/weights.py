"""Files of trained weights: `model.safetensors`, `config.json` and a card. No pickle is read.

`config.json` holds all that encoding needs: the sizes of the model, and the statistics for the
normalisation of its images. safetensors is imported inside functions, so that the model also runs
on machines with torch, numpy and pyarrow only.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from csmoe_model.checkpoints.card_usage import Usage, checkpoint_usage
from csmoe_model.checkpoints.hub import CARD, CONFIG, EXPECTED
from csmoe_model.checkpoints.model_card import model_card
from csmoe_model.checkpoints.weight_files import WEIGHTS, weight_files, weights_sha256
from csmoe_model.config import ModelConfig
from minortom.errors import InputError
from minortom.io.atomic_write import atomic_file, write_json, write_text
from minortom.io.parse import parse_json
from minortom.io.provenance import KEY, licences_in
from minortom.io.schema import (
    PROVENANCE,
    STATISTICS,
    Check,
    anything,
    list_of,
    map_of,
    optional,
    record,
    text,
)
from minortom.sensors import MODEL_BANDS, SensorName

_ENCODER_OF = "encoder_of"
_HISTORY = "history"
_CONFIG = record(
    recipe=text, model=map_of(anything), statistics=map_of(STATISTICS),
    encoder_of=optional(list_of(text)), history=optional(list_of(PROVENANCE)),
    **{KEY: PROVENANCE},
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Origin of weights: provenance, and the statistics of the training data."""

    recipe: str
    statistics: Mapping[str, Mapping[str, Sequence[Any]]]
    """`bands`, `mean` and `std` of the training data for each tensor column, in stored units."""
    record: Mapping[str, Any]
    """Provenance of the weights."""
    history: tuple[Mapping[str, Any], ...] = ()
    """Provenance of the weights that they were made from, newest first."""
    weights_sha256: str = ""
    """SHA-256 of the file of weights; empty for weights that are not stored yet."""

    @property
    def licences(self) -> tuple[str, ...]:
        """Licences and attributions of the training data."""
        return licences_in(self.record)


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """Content of the files of a model."""

    config: ModelConfig
    encoder_of: tuple[SensorName, ...] | None
    """Sensors of an encoder without decoders; None for the whole pretraining model."""
    origin: Origin
    tensors: Mapping[str, Tensor] = field(repr=False)


def write_model(folder: Path, stored: StoredModel, *, name: str = "FOLDER") -> None:
    """Write the files of a model into an existing folder.

    Args:
        folder: Folder for the files.
        stored: Content of the files.
        name: Argument of `from_pretrained` in the example of the card.
    """
    write_tensors(folder, stored.tensors)
    write_config(folder / CONFIG, stored)
    usage = checkpoint_usage(name, _sensors_of(stored), image_size=stored.config.image_size)
    write_text(folder / CARD, card_of(stored, usage))


def write_tensors(folder: Path, tensors: Mapping[str, Tensor], *, name: str = WEIGHTS) -> None:
    """Write tensors as a file of safetensors into an existing folder."""
    from safetensors.torch import save_file

    weights = {plain_name(key): t.detach().cpu().contiguous() for key, t in tensors.items()}
    # safetensors would make the file readable by its owner only.
    with atomic_file(folder / name) as temporary, _disk_errors():
        save_file(weights, temporary, metadata={"format": "pt"})


def card_of(stored: StoredModel, usage: Usage) -> str:
    """Return the card of a model.

    Args:
        stored: Content of the files.
        usage: Texts about its use.
    """
    origin = stored.origin
    return model_card(
        usage=usage, config=stored.config, sensors=_sensors_of(stored),
        encoder_only=stored.encoder_of is not None, recipe=origin.recipe,
        statistics=origin.statistics, records=(origin.record, *origin.history),
        num_weights=sum(t.numel() for t in stored.tensors.values()),
    )  # fmt: skip


def _sensors_of(stored: StoredModel) -> tuple[SensorName, ...]:
    return stored.encoder_of or tuple(MODEL_BANDS)


def write_config(file: Path, stored: StoredModel) -> None:
    """Write `config.json`: all of a model but its tensors."""
    origin = stored.origin
    config: dict[str, object] = {KEY: origin.record}
    config |= {_HISTORY: list(origin.history)} if origin.history else {}
    config |= {"recipe": origin.recipe, "model": stored.config.to_dict()}
    config |= {_ENCODER_OF: list(stored.encoder_of)} if stored.encoder_of else {}
    write_json(file, config | {"statistics": origin.statistics})


def read_model(folder: Path) -> StoredModel:
    """Read the files of a model.

    Raises:
        InputError: If a file is missing or damaged.
    """
    stored = read_config(folder / CONFIG, weights_sha256=weights_sha256(folder))
    return replace(stored, tensors=read_tensors(folder))


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """Read the weights in a folder, in float32.

    Raises:
        InputError: If a file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        # Weights saved in half precision are computed in float32, too.
        return {
            plain_name(name): tensor.float()
            for file in weight_files(folder) for name, tensor in load_file(file).items()
        }  # fmt: skip
    except (OSError, SafetensorError) as error:
        raise mismatched_weights(folder, error) from None


def read_config(file: Path, *, weights_sha256: str) -> StoredModel:
    """Read a file that `write_config` wrote; the model has no tensors.

    Raises:
        InputError: If the file is missing or damaged.
    """
    kind = kind_of(file)
    if kind is not None:
        raise InputError(
            f"expected a checkpoint of CSMoE, found an extractor of the kind {kind} in "
            f"{file.parent}; {EXPECTED}"
        )
    config = read_json(file, _CONFIG)
    try:
        return StoredModel(
            config=ModelConfig.from_dict(config["model"]),
            encoder_of=_sensors(config.get(_ENCODER_OF)),
            origin=Origin(
                recipe=str(config["recipe"]),
                statistics={column: dict(of) for column, of in config["statistics"].items()},
                record=dict(config[KEY]), history=tuple(map(dict, config.get(_HISTORY, ()))),
                weights_sha256=weights_sha256,
            ),
            tensors={},
        )  # fmt: skip
    except ValueError as error:
        raise InputError(f"{file} is damaged ({error}); {EXPECTED}") from None


def kind_of(file: Path) -> str | None:
    """Return the kind of an extractor from its `config.json`; None for a checkpoint of CSMoE.

    Raises:
        InputError: If the file is missing or damaged.
    """
    kind: str | None = read_json(file, record(kind=optional(text))).get("kind")
    return kind


def plain_name(name: str) -> str:
    """Return the name of a tensor without the prefix that `torch.compile` puts before it."""
    return name.replace("_orig_mod.", "")


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Raise an OSError for disk errors, whose number safetensors reports in its message only."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from None


def mismatched_weights(folder: Path, error: Exception) -> InputError:
    """Return the error for weights that do not fit the configuration beside them."""
    found = " ".join(str(error).split())[:200]
    return InputError(
        f"{folder / WEIGHTS} does not hold the weights of its {CONFIG} ({found}); copy the "
        "whole folder again"
    )


def _sensors(names: Sequence[str] | None) -> tuple[SensorName, ...] | None:
    if names is None:
        return None
    found = tuple(sensor for sensor in MODEL_BANDS if sensor in names)
    if not found or len(found) != len(names):
        raise ValueError(f"{_ENCODER_OF} is {names}")
    return found


def read_json(file: Path, check: Check, *, advice: str = EXPECTED) -> dict[str, Any]:
    """Read a JSON file of a checkpoint or an extractor.

    Args:
        file: The file.
        check: Check of its content.
        advice: End of the error.

    Raises:
        InputError: If it is missing, or its content does not pass the check.
    """
    try:
        config: dict[str, Any] = parse_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {file} ({error}); {advice}") from None
    try:
        check(config, "")
    except ValueError as error:
        raise InputError(f"{file} is damaged ({error}); {advice}") from None
    return config
