"""Segmentation sets: heads on frozen feature maps, and their baselines."""

import json
import signal

import numpy as np
import pytest
import torch
from label_maps import segmentation_set
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write_model
from set_makers import S2_KEYS, write_geobench_sample, write_partition
from terratorch.models.decoders import UperNetDecoder
from training_shards import MODEL, learnable_shards

from csmoe_model.config import ModelConfig
from csmoe_model.evaluation.bootstrap import Bootstrap
from csmoe_model.evaluation.metrics import score
from csmoe_model.extractors.checkpoint import load_encoder
from csmoe_model.probing.dense_heads import PixelLayer, UPerNet, spread_layers
from csmoe_model.probing.dense_probe import DenseProbe
from csmoe_model.probing.dense_training import train_head
from minortom.errors import InputError
from minortom.progress import ignore_progress
from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense")
    shards = learnable_shards(folder / "shards", train=5, val=0)
    write_model(folder / "model", ShardSet.open(shards), seed=7)  # no untrained model's
    return folder / "model"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("csmoe_model.probing.dense_training.EPOCHS", 12)
    monkeypatch.setattr("csmoe_model.probing.dense_probe.EPOCHS", 12)
    monkeypatch.setattr("csmoe_model.probing.dense_heads.CHANNELS", 16)
    monkeypatch.setattr("csmoe_model.probing.probe.NUM_DRAWS", 20)
    former = signal.getsignal(signal.SIGTERM)  # `run` takes it over for good
    yield
    signal.signal(signal.SIGTERM, former)


def normal(images):
    return [(images["s2"] - 2500) / 1000]


def trained(head, data, *, rate=0.05, maps_of=normal):
    return train_head(head, maps_of, data, rate=rate, seed=0, on_progress=ignore_progress).test


def test_classes_that_differ_in_colour_are_learned_from_band_values():
    found = trained(PixelLayer(10, 2, seed=0), segmentation_set())
    assert score(found)["miou"] > 0.99
    # Of 6 images of 256 pixels, each in a row of the confusion matrix of its truth.
    assert found.output.sum() == 6 * 256 and found.output[:, 1].sum() == 6 * 128


def test_labels_outside_the_classes_are_ignored_in_training_and_test():
    data = segmentation_set()
    for split in data.splits.values():
        split.labels[:, :, 12:] = 255
    found = trained(PixelLayer(10, 2, seed=0), data)
    assert score(found)["miou"] > 0.99 and found.output.sum() == 6 * 16 * 12
    for split in data.splits.values():
        split.labels[:] = 255
    head, same = PixelLayer(10, 2, seed=0), PixelLayer(10, 2, seed=0)
    trained(head, data)
    # Twelve steps of weight decay and nothing else.
    torch.testing.assert_close(head.layer.weight, same.layer.weight * (1 - 0.05 * 0.01) ** 12)


def test_uper_net_learns_shapes_from_frozen_maps(checkpoint):
    extractor = load_encoder(checkpoint)
    model = extractor.model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    seen = []
    dense = DenseProbe(
        trained=extractor, data=segmentation_set(), sensor="s2", seeds=range(1), lr=3e-3,
        on_progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    rows = {row.features: row for row in dense.rows(Bootstrap.over(6, None, seed=0))}
    assert list(rows) == ["model", "band values", "untrained model"]
    assert rows["model"].scores["miou"].value > 0.8
    said = [rows[name].runs[0].output for name in ("model", "untrained model")]
    assert not np.array_equal(*said)  # of other weights
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name  # frozen
    assert seen[-1] == (12 * 12 + 6, 12 * 12 + 6)


def test_the_seed_determines_the_head_and_the_order(checkpoint):
    torch.manual_seed(0)
    state = torch.get_rng_state()
    dense = DenseProbe(
        trained=load_encoder(checkpoint), data=segmentation_set((4, 2, 2)), sensor="s2",
        seeds=range(3, 5), lr=1e-2, on_progress=ignore_progress,
    )  # fmt: skip
    one, two = (dense.rows(Bootstrap.over(2, None, seed=0)) for _ in range(2))
    assert [row.record() for row in one] == [row.record() for row in two]
    heads = [UPerNet(32, 2, seed=seed).state_dict()["head.head.2.weight"] for seed in (3, 3, 4)]
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])
    assert torch.equal(torch.get_rng_state(), state)  # others' draws are left alone


def test_the_net_is_terratorchs():
    head = UPerNet(32, 5, seed=0)
    assert isinstance(head.decoder, UperNetDecoder)
    assert head([torch.randn(2, 32, 4, 4)] * 4).shape == (2, 5, 16, 16)


@pytest.mark.parametrize(
    ("own", "shared", "layers"), [(4, 2, [1, 2, 3, 5]), (8, 4, [2, 5, 8, 11]), (1, 1, [0, 0, 1, 1])]
)
def test_four_layers_are_spread_over_the_encoder(own, shared, layers):
    config = ModelConfig(**{**MODEL.__dict__, "sensor_layers": own, "shared_layers": shared})
    assert spread_layers(config) == layers


@pytest.mark.parametrize(("images", "sizes"), [(4, [4]), (5, [4]), (6, [4, 2])])
def test_a_single_last_image_is_dropped_from_an_epoch(monkeypatch, images, sizes):
    """Two images or more stay; a batch norm of one image would raise."""
    monkeypatch.setattr("csmoe_model.probing.dense_training.BATCH_SIZE", 4)
    norm, found = torch.nn.BatchNorm2d(10), []

    class Pooled(PixelLayer):
        def forward(self, maps):
            found.extend([len(maps[0])] if self.training else [])
            return super().forward([maps[0] + norm(maps[0].mean((2, 3), keepdim=True))])

    trained(Pooled(10, 2, seed=0), segmentation_set((images, 2, 2)))
    assert found == sizes * 12


def test_a_learning_rate_that_is_too_high_is_a_one_line_error():
    with pytest.raises(InputError, match=r"dense probe diverged at --lr 1e\+30; give a smaller"):
        trained(PixelLayer(10, 2, seed=0), segmentation_set(), rate=1e30)


def test_a_probe_of_cashew_plantations_as_a_user_types_it(checkpoint, tmp_path, capsys):
    keys = (*(key for key in S2_KEYS if "Cirrus" not in key), "Cloud Probability")
    folder, names = tmp_path / "sets" / "m-cashew-plant", [f"s{n}" for n in range(10)]
    write_partition(folder, {"train": names[:5], "valid": names[5:7], "test": names[7:]})
    for n, name in enumerate(names):
        mask = np.zeros((16, 16), np.uint8)
        mask[:, : 4 + n] = 1
        pixels = np.broadcast_to(1000 + 2000.0 * mask, (13, 16, 16)).astype(np.float32)
        write_geobench_sample(
            folder / f"{name}.hdf5", keys, pixels, mask=mask, date="_2019-11-05"
        )  # fmt: skip
    words = [
        "probe", checkpoint, "--data", "m-cashew-plant", "--root", tmp_path / "sets", "--out",
        tmp_path / "out", "--protocol", "paper", "--seeds", 1, "--json",
    ]  # fmt: skip
    assert run(app, [str(word) for word in words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["task"], found["headline"], len(found["classes"])) == ("segmentation", "miou", 7)
    assert [row["features"] for row in found["rows"]] == ["model", "band values", "untrained model"]
    assert [gap["minus"] for gap in found["differences"]] == ["band values", "untrained model"]
    assert found["published"][0]["percent"] == 46.0
    settings = found["settings"]
    assert (settings["lr"], settings["epochs"], settings["batch_size"]) == (3e-4, 12, 16)
    assert settings["head"]["layers"] == [0, 0, 1, 1] and settings["pooling"] is None
    table = (tmp_path / "out" / "table.md").read_text()
    assert (
        "| features | probe | mean IoU | overall accuracy | parameters | multiply-adds per image |"
        in table
    )
    assert "pooling" not in table and "| band values | dense |" in table
    words.remove("--json")
    assert run(app, [str(word) for word in words]) == 0
    assert "mean IoU" in capsys.readouterr().out
