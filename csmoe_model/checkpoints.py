"""Trained weights on disk: safetensors, a `config.json` and a card. Nothing is ever unpickled.

The configuration holds all that encoding needs: the sizes of the model, and the statistics
with which its images were normalised.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from csmoe_model.config import ModelConfig
from csmoe_model.csmoe import CSMoE
from csmoe_model.images import Normalise
from minortom.errors import InputError
from minortom.outputs import whole_folder, write_json, write_text
from minortom.provenance import KEY, Provenance, sha256_of

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
_WANTED = "wanted a run's folder, or its model folder, as `csmoe train` makes them"


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A model with its weights, ready to encode."""

    model: CSMoE
    normalise: Normalise
    recipe: str
    weights_sha256: str
    licences: tuple[str, ...]
    """Of the data that it was trained on."""


def save_model(
    folder: Path, *, model: CSMoE, normalise: Normalise, recipe: str, provenance: Provenance
) -> None:
    """Write a folder with the weights, the configuration and a card, whole or not at all."""
    weights = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    config = {
        KEY: json.loads(provenance.to_json()),
        "recipe": recipe,
        "model": model.config.to_dict(),
        "statistics": normalise.statistics,
    }
    with whole_folder(folder) as temporary:
        save_file(weights, temporary / WEIGHTS, metadata={"format": "pt"})
        write_json(temporary / CONFIG, config)
        write_text(temporary / "README.md", _card(recipe, model, provenance))


def load_model(checkpoint: Path, *, device: torch.device) -> Trained:
    """Read a model's weights.

    Args:
        checkpoint: A run's folder, or the `model` folder inside.
        device: Where the model goes.

    Raises:
        InputError: If the path is no such folder, its run is not finished, or a file is damaged.
    """
    folder = model_folder(checkpoint)
    config = _read_config(folder)
    try:
        model = CSMoE(ModelConfig.from_dict(config["model"]))
        normalise = Normalise(config["statistics"], image_size=model.config.image_size)
        recipe, licences = str(config["recipe"]), tuple(config[KEY]["licences"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / CONFIG} is damaged ({error!r}); {_WANTED}") from None
    try:
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        found = " ".join(str(error).split())[:200]
        raise InputError(
            f"{folder / WEIGHTS} does not hold the weights of its {CONFIG} ({found}); copy the "
            "folder again"
        ) from None
    return Trained(
        model=model.to(device).eval(), normalise=normalise.to(device), recipe=recipe,
        weights_sha256=sha256_of(folder / WEIGHTS), licences=licences,
    )  # fmt: skip


def model_folder(checkpoint: Path) -> Path:
    """Find the folder with the weights.

    Raises:
        InputError: If there is none.
    """
    if checkpoint.is_file():
        raise InputError(
            f"{checkpoint} is a file, and files of weights are never unpickled; {_WANTED}"
        )
    if not checkpoint.is_dir():
        raise InputError(f"{checkpoint} does not exist; {_WANTED}")
    for folder in (checkpoint, checkpoint / "model"):
        if (folder / WEIGHTS).is_file():
            return folder
    if (checkpoint / "config.yaml").is_file():
        raise InputError(
            f"the run in {checkpoint} is not finished: it has no weights yet; go on with "
            "`csmoe train … --resume`"
        )
    raise InputError(f"{checkpoint} holds no {WEIGHTS}; {_WANTED}")


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {folder / CONFIG} ({error}); {_WANTED}") from None
    if not isinstance(config, dict):
        raise InputError(f"{folder / CONFIG} is no configuration; {_WANTED}")
    return config


def _card(recipe: str, model: CSMoE, provenance: Provenance) -> str:
    """Write what a person needs to know who finds the weights alone."""
    millions = sum(weight.numel() for weight in model.parameters()) / 1e6
    config, licences = model.config, "".join(f"- {line}\n" for line in provenance.licences)
    return f"""# CSMoE, `{recipe}`

A cross-sensor masked autoencoder with soft mixture-of-experts layers, pretrained on pairs of
Sentinel-2 (L2A) and Sentinel-1 (RTC) patches by minortom {provenance.version}.

- {millions:.2f} M parameters, patches of {config.patch_size} px in images of {config.image_size} px
- `{WEIGHTS}`: weights; `{CONFIG}`: sizes, and the statistics that images are normalised with
- trained on shards whose `dataset.json` has the SHA-256 `{provenance.inputs["shards"]}`

Encode the patches of some shards: `csmoe embed FOLDER shards/ --out embeddings.parquet`, FOLDER
being where this file lies.

Licences and attributions of the training data:
{licences or "- none recorded"}
"""
