"""A model folder, and a hub without a network."""

import pytest
import torch
from hub_server import HubHandler
from model_folders import write
from training_shards import MODEL, learnable_shards
from web_server import serving

from csmoe_model.csmoe import CSMoE
from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model folder as `csmoe train` leaves it."""
    folder = tmp_path_factory.mktemp("hub")
    shards = ShardSet.open(learnable_shards(folder / "shards", train=4, val=0))
    torch.manual_seed(0)
    write(folder / "model", CSMoE(MODEL), shards.statistics)
    return folder / "model"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty hub, and a user without a token and with an empty cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    (tmp_path / "web").mkdir()
    with serving(tmp_path / "web", handler=HubHandler) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server
