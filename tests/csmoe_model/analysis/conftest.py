"""Fixtures of the tests of experts."""

import pytest
import torch
from model_folders import write
from training_shards import MODEL, learnable_shards

from csmoe_model.csmoe import CSMoE
from csmoe_model.extractors.checkpoint import load_model
from csmoe_model.inference.export_encoder import export
from minortom.shards.shard_set import ShardSet

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experts")
    shards = ShardSet.open(learnable_shards(folder / "shards", train=9, val=3))
    torch.manual_seed(0)
    write(folder / "model", CSMoE(MODEL), shards.statistics)
    export(folder / "model", out=folder / "s1", sensor="s1")
    return folder


@pytest.fixture(scope="module")
def trained(folder):
    return load_model(folder / "model", device=CPU)


@pytest.fixture(scope="module")
def data(folder):
    return ShardSet.open(folder / "shards")
