"""The commands `csmoe specialist` and `csmoe ensemble`, and those that take their folders."""

import json
import signal

import numpy as np
import pyarrow.parquet as pq
import pytest
from ensemble_fixtures import WIDTH, shrink_archs
from error_lines import one_line
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write_model
from training_shards import learnable_shards

from minortom.shards.shard_set import ShardSet

SPECIALIST = "--epochs 2 --batch-size 8 --lr 0.01 --patience 3 --image-size 32 --save-every 2"


@pytest.fixture(scope="module", autouse=True)
def quick():
    former = signal.getsignal(signal.SIGTERM)  # `run` takes it over for good
    with pytest.MonkeyPatch.context() as patch:
        shrink_archs(patch)
        for place in ("probing.probe", "specialists.run"):
            patch.setattr(f"csmoe_model.{place}.NUM_DRAWS", 20)
        patch.setattr("csmoe_model.probing.heads.STRENGTHS", (1e-2, 1.0))
        yield
    signal.signal(signal.SIGTERM, former)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with shards, a model, two specialists and an ensemble, made by commands."""
    folder = tmp_path_factory.mktemp("cli-ensemble")
    learnable_shards(folder / "shards", train=24, val=8, test=8, apart_deg=5)
    write_model(folder / "model", ShardSet.open(folder / "shards"))
    data = f"--data shards --root {folder}/shards"
    for sensor in ("s2", "s1"):
        words = f"specialist train {data} --sensor {sensor} --out {folder}/{sensor} {SPECIALIST}"
        assert run(app, words.split()) == 0
    words = f"ensemble build {folder}/s2 m={folder}/model {data} --select all --out {folder}/both"
    assert run(app, words.split()) == 0
    return folder


def result(capsys, words):
    """Run a command with --json; return its result."""
    capsys.readouterr()
    assert run(app, [*words.split(), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def test_a_specialist_is_trained_once(folder, capsys):
    data = f"--data shards --root {folder}/shards"
    words = f"specialist train {data} --sensor s2 --out {folder}/s2 {SPECIALIST}"
    found = result(capsys, words)
    assert found["status"] == "up to date"
    assert (found["arch"], found["sensor"], found["steps"]) == ("convnextv2-atto", "s2", 6)
    assert run(app, [*words.split(), "--seed", "1"]) == 1
    assert "other inputs or options: train.seed is 0 in the run" in capsys.readouterr().err


def test_the_members_of_an_ensemble_are_listed_with_their_costs(folder, capsys):
    data = f"--data shards --root {folder}/shards"
    words = f"ensemble build {folder}/s2 {folder}/s1 {data} --budget 1 --out {folder}/chosen"
    found = result(capsys, words)
    assert found["multiply_adds"] <= 1e9
    assert found["multiply_adds"] == sum(one["multiply_adds"] for one in found["members"])
    assert run(app, words.split()) == 0
    shown = capsys.readouterr().out
    for name in ("member", "gain %", "s2", "s1", "G multiply-adds"):
        assert name in shown


def test_members_are_added_by_a_command(folder, capsys):
    words = f"ensemble add {folder}/both {folder}/s1 --out {folder}/larger"
    found = result(capsys, words)
    assert [member["name"] for member in found["members"]] == ["s2", "m", "s1"]
    assert found["members"][2]["width"] == WIDTH


@pytest.mark.parametrize("name", ["s2", "both"])
def test_other_commands_take_the_folder_as_an_extractor(folder, tmp_path, capsys, name):
    shards = folder / "shards"
    probed = result(
        capsys, f"probe {folder}/{name} --data shards --root {shards} --seeds 1 --out {tmp_path}/p"
    )
    row = probed["rows"][0]
    assert row["features"] == "model"
    assert row["parameters"] > 0
    assert row["multiply_adds"] > 0
    (told,) = result(capsys, f"info {folder}/{name}")
    assert (told["parameters"], told["width"]) == (row["parameters"], row["width"])
    assert run(app, f"embed {folder}/{name} {shards} --out {tmp_path}/e.parquet".split()) == 0
    vectors = np.stack(pq.read_table(tmp_path / "e.parquet")["vector"].to_numpy())
    assert vectors.shape == (40, row["width"])
    assert np.isfinite(vectors).all()
    words = f"retrieve {folder}/{name} --data shards --root {shards} --k 2 --out {tmp_path}/r"
    assert run(app, words.split()) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("ensemble build x=both/members/s2 x=s1 --out out", "different names, found x twice"),
        ("ensemble build s2 --budget 1e-9 --out out", "budget must be at least"),
        ("ensemble build s1 --sensor s2 --out out", "expected s2 in the model, found only s1"),
        ("specialist train --sensor s2 --resume --out out", "--resume needs a run, found none"),
    ],
)
def test_bad_input_is_one_line(folder, monkeypatch, capsys, words, message):
    monkeypatch.chdir(folder)
    assert run(app, [*words.split(), "--data", "shards", "--root", "shards"]) == 1
    assert message in one_line(capsys.readouterr().err)
    assert not (folder / "out").exists()
