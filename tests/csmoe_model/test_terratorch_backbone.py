"""The backbone for TerraTorch, without TerraTorch; with it: tests_eo."""

import subprocess
import sys

import pytest
import torch
from model_folders import write
from training_shards import MODEL, learnable_shards

from csmoe_model.csmoe import CSMoE
from csmoe_model.terratorch_backbone import csmoe, register
from minortom.errors import InputError
from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbone")
    shards = ShardSet.open(learnable_shards(folder / "shards", train=4, val=0))
    write(folder / "model", CSMoE(MODEL), shards.statistics)
    return folder / "model"


def test_it_gives_the_maps_and_their_channels(checkpoint):
    backbone, s2 = csmoe(checkpoint, layers=(-1, 0)), torch.randn(1, 10, 16, 20)

    found = backbone(s2)

    assert backbone.out_channels == [one.shape[1] for one in found]
    wanted = CSMoE.from_pretrained(checkpoint).features(s2=s2, layers=(-1, 0))
    for ours, theirs in zip(found, wanted, strict=True):
        assert torch.equal(ours, theirs)


def test_it_keeps_the_encoder_of_its_sensor_only(checkpoint):
    names = [name for name, _ in csmoe(checkpoint, sensor="s1").named_parameters()]
    assert names
    assert all(name.startswith(("backbone.sensors.s1.", "backbone.shared.")) for name in names)


def test_without_terratorch_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "terratorch", None)
    with pytest.raises(InputError, match=r"run `pip install 'minortom\[terratorch\]'`"):
        register()


def test_terratorch_is_imported_by_register_only():
    code = "import sys, csmoe_model.terratorch_backbone; print('terratorch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
