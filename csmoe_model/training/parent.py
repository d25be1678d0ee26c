"""Weights that a run starts from (`--weights`): their model, provenance and statistics."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from csmoe_model.checkpoints.hub import CONFIG, find_checkpoint
from csmoe_model.checkpoints.weight_files import weights_sha256
from csmoe_model.checkpoints.weights import (
    Origin,
    StoredModel,
    mismatched_weights,
    read_config,
    read_model,
    write_config,
)
from csmoe_model.config import ModelConfig
from csmoe_model.csmoe import CSMoE
from csmoe_model.runs.folder import RunFolder
from minortom.errors import InputError
from minortom.io.provenance import KEY


@dataclass(frozen=True, kw_only=True)
class Parent:
    """Checkpoint whose weights a run starts from."""

    checkpoint: str
    """Path or repository, as it was given."""
    folder: Path | None = None
    """Where it lies; None in a run that resumes, which need not have it any more."""
    stored: StoredModel
    """The model without its tensors."""

    @property
    def model(self) -> ModelConfig:
        """Sizes and options of the model."""
        return self.stored.config

    @property
    def origin(self) -> Origin:
        """Provenance of the weights, and the statistics that normalise the images."""
        return self.stored.origin

    def load_into(self, model: CSMoE) -> None:
        """Replace the weights of a model by those of the checkpoint.

        Raises:
            InputError: If the checkpoint does not exist any more, or has other weights now.
        """
        folder = self.folder or find_checkpoint(self.checkpoint)
        found, wanted = weights_sha256(folder), self.origin.weights_sha256
        if found != wanted:
            raise InputError(
                f"--weights {self.checkpoint} must hold the weights that the run began with, "
                f"SHA-256 {wanted}, found {found}; start again with --overwrite"
            )
        try:
            new = {} if self.model.condition != "none" else _condition_vectors(model)
            model.load_state_dict({**new, **read_model(folder).tensors})
        except RuntimeError as error:
            raise mismatched_weights(folder, error) from None

    def store(self, folder: RunFolder) -> None:
        """Write the provenance and the statistics into a run, which then resumes without them."""
        write_config(folder.parent, self.stored)


def _condition_vectors(model: CSMoE) -> dict[str, Tensor]:
    """Return the condition vectors of a new model; a model without conditions can get them."""
    return {name: w for name, w in model.state_dict().items() if ".condition_vectors." in name}


def read_parent(checkpoint: str | Path) -> Parent:
    """Read the model and the provenance of a checkpoint, to start a run from its weights.

    Raises:
        InputError: If the checkpoint does not exist, is damaged, or has no decoders.
    """
    folder = find_checkpoint(checkpoint)
    stored = read_config(folder / CONFIG, weights_sha256=weights_sha256(folder))
    if stored.encoder_of is not None:
        raise InputError(
            f"--weights needs a whole model, and {checkpoint} is an encoder without the decoders "
            "that pretraining needs; give the run that it was exported from"
        )
    return Parent(checkpoint=str(checkpoint), folder=folder, stored=stored)


def stored_parent(folder: RunFolder) -> Parent | None:
    """Read the checkpoint that a run started from; None if it started from random weights.

    Raises:
        InputError: If the file in the run is missing or damaged.
    """
    configuration = folder.stored() or {}
    if configuration.get("weights") is None:
        return None
    sha256 = str(configuration[KEY].get("inputs", {}).get("weights"))
    stored = read_config(folder.parent, weights_sha256=sha256)
    return Parent(checkpoint=str(configuration["weights"]), stored=stored)
