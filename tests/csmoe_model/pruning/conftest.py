"""Fixtures of the tests of pruning."""

import pytest
from model_folders import write
from pruning_models import random_model
from pruning_runs import pruned
from training_shards import learnable_shards

from csmoe_model.csmoe import CSMoE
from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with shards and a model of four experts."""
    folder = tmp_path_factory.mktemp("pruning")
    shards = ShardSet.open(learnable_shards(folder / "shards", train=12, val=3))
    write(folder / "model", random_model(), shards.statistics)
    return folder


@pytest.fixture(scope="module")
def whole(work):
    return CSMoE.from_pretrained(work / "model")


@pytest.fixture(scope="module")
def data(work):
    return ShardSet.open(work / "shards")


@pytest.fixture(scope="module")
def small(work):
    """Half of the experts, with the page."""
    result = pruned(work, work / "small", keep=2, html=work / "small.html")
    return result, work / "small"
