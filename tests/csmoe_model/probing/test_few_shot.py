"""Few-shot probes: the training samples that are kept, and the scores."""

import json
from dataclasses import replace

import numpy as np
import pytest
from labelled_sets import bright_and_dark, set_of, split_of
from model_folders import write_model
from training_shards import learnable_shards

from csmoe_model.datasets.base import SPLITS
from csmoe_model.evaluation.metrics import score
from csmoe_model.extractors.band_statistics import BandStatistics
from csmoe_model.extractors.map_images import encode_set
from csmoe_model.probing.few_shot import with_shots
from csmoe_model.probing.heads import Table, knn_probe
from csmoe_model.probing.options import ProbeOptions
from csmoe_model.probing.probe import probe_set
from minortom.errors import InputError
from minortom.shards.shard_set import ShardSet

SIZES = {"train": 24, "val": 8, "test": 12}


def table(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    features = np.arange(len(labels), dtype=np.float32)[:, None]
    return Table(
        task="multiclass", num_classes=len(counts),
        features=dict.fromkeys(SPLITS, features), labels=dict.fromkeys(SPLITS, labels),
    )  # fmt: skip


def test_at_most_the_given_number_of_each_class_is_kept():
    whole = table([50, 3, 0, 20])
    thin = with_shots(whole, 5, seed=1)
    assert np.bincount(thin.labels["train"]).tolist() == [5, 3, 0, 5]
    kept = thin.features["train"][:, 0].astype(int)
    assert len(set(kept.tolist())) == 13
    np.testing.assert_array_equal(whole.labels["train"][kept], thin.labels["train"])
    for name in ("val", "test"):
        assert thin.labels[name] is whole.labels[name]
        assert thin.features[name] is whole.features[name]


def test_the_seed_determines_the_draw_and_all_samples_are_equally_likely():
    whole = table([10, 10])
    drawn = [with_shots(whole, 2, seed=seed).features["train"][:, 0] for seed in range(2000)]
    np.testing.assert_array_equal(drawn[7], with_shots(whole, 2, seed=7).features["train"][:, 0])
    counts = np.bincount(np.concatenate(drawn).astype(int), minlength=20)
    assert np.all(abs(counts - 400) < 5 * np.sqrt(400 * 0.8))  # 2 of 10: binomial


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shots")
    write_model(folder / "model", ShardSet.open(learnable_shards(folder / "shards")), seed=7)
    return folder / "model"


def test_all_kinds_of_features_are_probed_with_the_same_draws(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("csmoe_model.probing.probe.NUM_DRAWS", 20)
    monkeypatch.setattr("csmoe_model.probing.heads.STRENGTHS", (1.0,))
    data = bright_and_dark(SIZES)
    # Some labels are wrong, so that it matters which samples are drawn.
    wrong = data.split("train").labels ^ (np.arange(SIZES["train"]) % 3 == 0)
    data = replace(
        data, splits={**data.splits, "train": replace(data.split("train"), labels=wrong)}
    )
    probe_set(checkpoint, data, tmp_path / "out", options=ProbeOptions(seeds=2, seed=4, shots=1))
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["settings"]["shots"] == {"a_class": 1, "draws": 5}
    assert "at most 1 labels a class, 5 draws" in (tmp_path / "out" / "table.md").read_text()
    assert {row["probe"] for row in result["rows"]} == {"logistic", "5-NN", "20-NN"}  # no folds
    drawn = {row["features"]: len(row["per_seed"]["macro_f1"]) for row in result["rows"]}
    assert drawn == {
        "model": 5, "band statistics": 5, "random convolutions": 10, "untrained model": 10,
    }  # fmt: skip

    features = {
        name: encode_set(BandStatistics.of_model_bands(), data.split(name), sensors=["s2", "s1"])
        for name in SPLITS
    }
    labels = {name: data.split(name).labels for name in SPLITS}
    whole = Table(task="multiclass", num_classes=2, features=features, labels=labels)
    wanted = [
        score(knn_probe(with_shots(whole, 1, seed=seed), k=5).test)["macro_f1"]
        for seed in range(4, 9)
    ]
    assert len(set(wanted)) > 1
    row = next(
        r for r in result["rows"] if (r["features"], r["probe"]) == ("band statistics", "5-NN")
    )
    assert row["per_seed"]["macro_f1"] == pytest.approx(wanted)


def test_shots_need_a_multiclass_set_and_at_least_one_sample(checkpoint, tmp_path):
    images = {"s1": np.ones((8, 2, 16, 16), np.float32)}
    labels = np.eye(2, dtype=bool)[np.arange(8) % 2]
    splits = dict.fromkeys(SPLITS, split_of(images, labels))
    data = set_of(splits, classes=("a", "b"), task="multilabel", bands={"s1": ("vv", "vh")})
    with pytest.raises(
        InputError, match="--shots needs a multiclass set, found the multilabel set own"
    ):
        probe_set(checkpoint, data, tmp_path / "out", options=ProbeOptions(shots=3))
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="shots must be a whole number of at least 1, found 0"):
        ProbeOptions(shots=0)
