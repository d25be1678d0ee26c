"""Folders of small untrained models, with the files of a finished run."""

import torch
from training_shards import MODEL

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.normalise import Normalise
from csmoe_model.training.save_weights import save_model
from minortom.io.provenance import Provenance

PROVENANCE = Provenance(
    command="train", options={}, inputs={"shards": "ab" * 32}, seed=0, licences=("CC-BY-SA-4.0",)
)


def write(folder, model, statistics):
    """Write a model with the statistics of its training data."""
    normalise = Normalise(statistics, image_size=MODEL.image_size)
    save_model(folder, model=model, normalise=normalise, recipe="tiny", provenance=PROVENANCE)


def write_model(out, shards, seed=0):
    """Write a model of random weights that fits the shards."""
    torch.manual_seed(seed)
    save_model(
        out, model=CSMoE(MODEL), normalise=Normalise(shards.statistics, image_size=16),
        recipe="tiny", provenance=Provenance(
            command="train", options={}, inputs={"shards": "-"},
            licences=("of the training data",),
        ),
    )  # fmt: skip
