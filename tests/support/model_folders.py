"""Folders of small untrained models, with the files of a finished run."""

from dataclasses import replace

import torch
from training_shards import MODEL, learnable_shards

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.normalise import Normalise
from csmoe_model.finetuning.head_files import HeadRecord, write_head
from csmoe_model.finetuning.network import FineTuned
from csmoe_model.inference.embed import embed
from csmoe_model.training.save_weights import save_model
from minortom.io.provenance import Provenance
from minortom.shards.shard_set import ShardSet

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


def write_embedded(folder, *, train, val):
    """Write `shards`, a `model` of random weights and its embeddings `e.parquet`."""
    learnable_shards(folder / "shards", train=train, val=val)
    write_model(folder / "model", ShardSet.open(folder / "shards"))
    embed(folder / "model", folder / "shards", out=folder / "e.parquet")


def write_fine_tuned(
    out, shards, *, sensors=("s2",), classes=("forest", "ice", "water"), task="multiclass",
    pooling="both", seed=0,
):  # fmt: skip
    """Write a checkpoint of random weights with a head of random weights."""
    record = HeadRecord(task=task, classes=classes, sensors=sensors, pooling=pooling)
    torch.manual_seed(seed)
    model = CSMoE(MODEL, encoder_of=sensors)
    head = record.head(MODEL.width)
    with torch.no_grad():
        for weight in head.parameters():
            weight.mul_(8)  # far from equal probabilities
    network = FineTuned(model, head, sensors=sensors, pooling=pooling)
    save_model(
        out, model=model, normalise=Normalise(shards.statistics, image_size=16), recipe="tiny",
        provenance=replace(PROVENANCE, command="finetune"),
        more=lambda folder: write_head(folder, network, record),
    )  # fmt: skip
    return out
