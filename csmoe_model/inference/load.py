"""Trained models, loaded from checkpoints for inference."""

from dataclasses import dataclass
from pathlib import Path

import torch

from csmoe_model.checkpoints.hub import find_checkpoint
from csmoe_model.csmoe import CSMoE
from csmoe_model.data.normalise import Normalise
from csmoe_model.distributed.device import best_device, weights_to_bfloat16


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """Model with its weights, ready to encode."""

    model: CSMoE
    normalise: Normalise
    """Normalisation of shards, with the statistics of the training data."""
    recipe: str
    weights_sha256: str
    licences: tuple[str, ...]
    """Licences of the training data."""
    folder: Path
    """Folder of the weights."""


def load_model(checkpoint: str | Path, *, device: torch.device) -> LoadedModel:
    """Load a model from its checkpoint.

    Args:
        checkpoint: As `CSMoE.from_pretrained` takes it.
        device: Device for the model.

    Raises:
        InputError: If the checkpoint does not exist, its run is not finished, or a file is
            damaged.
    """
    folder = find_checkpoint(checkpoint)
    model = CSMoE.from_pretrained(folder).to(device)
    origin = model.origin
    assert origin is not None  # from_pretrained sets it
    return LoadedModel(
        model=model,
        normalise=Normalise(origin.statistics, image_size=model.config.image_size).to(device),
        recipe=origin.recipe, weights_sha256=origin.weights_sha256, licences=origin.licences,
        folder=folder,
    )  # fmt: skip


def load_encoder(checkpoint: str | Path) -> LoadedModel:
    """Load a model for inference, on the best device.

    On a GPU the large matrices are stored in bfloat16, in which it multiplies them.

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
