"""A small untrained model; test files list this module in ``pytest_plugins``."""

import pytest
from model_folders import write_model
from training_shards import learnable_shards

from csmoe_model.inference.embed import embed
from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """Return a folder with `model`, `shards` and the embeddings `e.parquet`."""
    folder = tmp_path_factory.mktemp("image-model")
    learnable_shards(folder / "shards", train=2, val=0)
    write_model(folder / "model", ShardSet.open(folder / "shards"))
    embed(folder / "model", folder / "shards", out=folder / "e.parquet")
    return folder
