"""Shards, a model and embeddings for the tests of retrieval."""

import pytest
from model_folders import write_model
from training_shards import learnable_shards

from csmoe_model.inference.embed import embed
from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    learnable_shards(folder / "shards", train=20, val=4)
    write_model(folder / "model", ShardSet.open(folder / "shards"))
    embed(folder / "model", folder / "shards", out=folder / "e.parquet")
    return folder
