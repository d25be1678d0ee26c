"""A run's weights, read by what works on shards."""

from dataclasses import dataclass
from pathlib import Path

import torch

from csmoe_model.checkpoints.hub import find_checkpoint
from csmoe_model.csmoe import CSMoE
from csmoe_model.data.normalise import Normalise
from csmoe_model.distributed.device import best_device, weights_to_bfloat16


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model with its weights, ready to encode."""

    model: CSMoE
    normalise: Normalise
    recipe: str
    weights_sha256: str
    licences: tuple[str, ...]
    """Of the data that it was trained on."""
    folder: Path
    """Where the weights lie."""


def load_model(checkpoint: str | Path, *, device: torch.device) -> LoadedModel:
    """Read a model's weights.

    Args:
        checkpoint: As `CSMoE.from_pretrained` takes it.
        device: Where the model goes.

    Raises:
        InputError: If there is no checkpoint, its run is not finished, or a file is damaged.
    """
    folder = find_checkpoint(checkpoint)
    model = CSMoE.from_pretrained(folder).to(device)
    origin = model.origin
    assert origin is not None  # of what from_pretrained gives
    return LoadedModel(
        model=model,
        normalise=Normalise(origin.statistics, image_size=model.config.image_size).to(device),
        recipe=origin.recipe, weights_sha256=origin.weights_sha256, licences=origin.licences,
        folder=folder,
    )  # fmt: skip


def load_encoder(checkpoint: str | Path) -> LoadedModel:
    """Read a model that will only encode: on the best device, as small as that computes with it.

    Args:
        checkpoint: As `CSMoE.from_pretrained` takes it.

    Raises:
        InputError: As `load_model`.
    """
    device = best_device()
    trained = load_model(checkpoint, device=device)
    if device.type == "cuda":
        weights_to_bfloat16(trained.model)
    return trained
