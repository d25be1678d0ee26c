"""Published sets in the commands `csmoe probe` and `csmoe retrieve`."""

import json
import signal

import numpy as np
import pytest
from ensemble_fixtures import shrink_archs
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write_model
from set_makers import (
    S2_KEYS,
    bigearthnet_patch,
    write_bigearthnet,
    write_eurosat,
    write_geobench_sample,
    write_partition,
    write_so2sat,
)
from training_shards import learnable_shards

from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli-sets")
    shards = learnable_shards(folder / "shards", train=5, val=0)
    write_model(folder / "model", ShardSet.open(shards))
    return folder / "model"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("csmoe_model.probing.probe.NUM_DRAWS", 20)
    monkeypatch.setattr("csmoe_model.retrieval.directions.NUM_DRAWS", 20)
    monkeypatch.setattr("csmoe_model.probing.heads.STRENGTHS", (1e-2, 1.0))
    monkeypatch.setattr("csmoe_model.extractors.random_convolutions.NUM_FILTERS", 4)
    former = signal.getsignal(signal.SIGTERM)  # `run` takes it over for good
    yield
    signal.signal(signal.SIGTERM, former)


def called(command, model, data, root, out, *more):
    words = [command, model, "--data", data, "--root", root, "--out", out, "--seeds", 1, "--json"]
    return run(app, [str(word) for word in (*words, *more)])


def test_a_probe_of_eurosat_records_the_set(model, tmp_path, capsys):
    write_eurosat(tmp_path / "sets", each=2)
    assert called("probe", model, "eurosat", tmp_path / "sets", tmp_path / "out") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["data"] == "eurosat" and found["task"] == "multiclass"
    assert found["splits"] == {"train": 20, "val": 20, "test": 20}
    assert found["settings"]["set"]["split_by"] == "arXiv 1911.06721"
    assert found["settings"]["sensors"] == ["s2"]
    assert "EuroSAT: MIT" in found["minortom"]["licences"]
    # Classes are a thousand apart in every band.
    scores = {(row["features"], row["probe"]): row["scores"] for row in found["rows"]}
    assert scores["band statistics", "logistic"]["average_accuracy"]["value"] > 0.9


def test_a_probe_of_so2sat_sees_both_sensors(model, tmp_path, capsys):
    write_so2sat(tmp_path / "sets", each=2)
    assert called("probe", model, "so2sat", tmp_path / "sets", tmp_path / "out") == 0
    assert json.loads(capsys.readouterr().out)["settings"]["sensors"] == ["s2", "s1"]


def test_a_probe_of_geobench_includes_the_results_of_the_paper(model, tmp_path, capsys):
    folder = tmp_path / "sets" / "m-brick-kiln"
    names = [f"s{n}" for n in range(12)]
    write_partition(folder, {"train": names[:6], "valid": names[6:9], "test": names[9:]})
    for n, name in enumerate(names):
        pixels = np.full((13, 16, 16), 500 + 3000 * (n % 2), np.float32)
        write_geobench_sample(folder / f"{name}.hdf5", S2_KEYS, pixels, label=n % 2)
    assert called("probe", model, "m-brick-kiln", tmp_path / "sets", tmp_path / "out") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["published"][0]["percent"] == 93.2
    scores = {(row["features"], row["probe"]): row["scores"] for row in found["rows"]}
    assert scores["band statistics", "logistic"]["average_accuracy"]["value"] == 1


def test_retrieval_on_benv2_14k_includes_the_table_of_the_paper(model, tmp_path, capsys):
    patches = [bigearthnet_patch(n, "validation") for n in range(2)]
    patches += [bigearthnet_patch(n, "test") for n in range(2, 7)]
    patches += [bigearthnet_patch(n, "train") for n in range(7, 9)]
    patches += [bigearthnet_patch(9, "test", country="Austria")]
    write_bigearthnet(tmp_path / "sets", patches)
    words = ("benv2-14k", tmp_path / "sets", tmp_path / "out", "--k", 3)
    assert called("retrieve", model, *words) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["queries"], found["archive"], len(found["classes"])) == (2, 5, 19)
    assert found["published"][0]["percent"]["s1_to_s1"] == 66.61
    model_row = found["rows"][0]["directions"]
    assert set(model_row) == {"s1_to_s1", "s2_to_s2", "s1_to_s2", "s2_to_s1"}


def test_a_specialist_is_trained_on_label_maps_of_geobench(tmp_path, capsys, monkeypatch):
    shrink_archs(monkeypatch)
    folder = tmp_path / "sets" / "m-cashew-plant"
    names = [f"c{n}" for n in range(12)]
    write_partition(folder, {"train": names[:6], "valid": names[6:9], "test": names[9:]})
    keys = (*(key for key in S2_KEYS if "Cirrus" not in key), "Cloud Probability")
    for n, name in enumerate(names):
        mask = np.full((32, 32), 1, np.uint8)
        mask[:, 16 * (n % 2) :][:, :16] = 2
        write_geobench_sample(
            folder / f"{name}.hdf5", keys, np.float32(500 + 3000 * (mask == 2))[None].repeat(
                len(keys), 0
            ), mask=mask, date="_2019-11-05",
        )  # fmt: skip
    words = ["specialist", "train", "--data", "m-cashew-plant", "--root", tmp_path / "sets",
             "--sensor", "s2", "--out", tmp_path / "out", "--epochs", 30, "--batch-size", 6,
             "--lr", "1e-2", "--patience", 0, "--json"]  # fmt: skip
    assert run(app, [str(word) for word in words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["test"]["miou"]["value"] > 0.8


def test_a_missing_set_is_a_one_line_error(model, tmp_path, capsys):
    for data in ("eurosat", "so2sat", "bigearthnet-v2", "benv2-243k", "m-so2sat"):
        assert called("probe", model, data, tmp_path, tmp_path / "out") == 1
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert "which does not exist; download " in line
