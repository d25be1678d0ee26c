"""The command `csmoe embed` for shards: output and exit codes."""

import json
import signal

import pytest
import torch
from error_lines import one_line
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write_model
from training_shards import learnable_shards

from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli-embed")
    learnable_shards(folder / "shards", train=6, val=2)
    write_model(folder / "model", ShardSet.open(folder / "shards"))
    return folder


@pytest.fixture(autouse=True)
def terminate():
    """Restore the handler of SIGTERM, which `run` replaces."""
    former = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, former)


def embed(*arguments):
    return run(app, ["embed", *(str(argument) for argument in arguments)])


def test_it_writes_vectors_and_a_picture_and_prints_json(folder, tmp_path, capsys):
    out, picture = tmp_path / "e.parquet", tmp_path / "n.png"
    words = (folder / "model", folder / "shards", "--out", out, "--neighbours", picture, "--json")
    assert embed(*words) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {
        "status": "written", "out": str(out), "patches": 8, "width": 32,
        "neighbours": str(picture),
    }  # fmt: skip
    assert out.is_file()
    assert picture.is_file()

    picture.unlink()
    assert embed(*words) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "up to date"
    assert picture.is_file()


def test_another_file_is_replaced_only_when_allowed(folder, tmp_path, capsys):
    out = tmp_path / "e.parquet"
    out.write_text("something else")
    words = (folder / "model", folder / "shards", "--out", out, "--workers", "1")
    assert embed(*words) == 1
    assert "--overwrite" in one_line(capsys.readouterr().err)
    assert out.read_text() == "something else"
    assert embed(*words, "--overwrite") == 0
    assert "written" in capsys.readouterr().out


def test_a_pickled_checkpoint_is_one_line(folder, tmp_path, capsys):
    torch.save({}, tmp_path / "last.ckpt")
    out = tmp_path / "e.parquet"
    assert embed(tmp_path / "last.ckpt", folder / "shards", "--out", out) == 1
    assert "never unpickled" in one_line(capsys.readouterr().err)
    assert not out.exists()


def test_a_folder_without_shards_is_one_line(folder, tmp_path, capsys):
    assert embed(folder / "model", tmp_path, "--out", tmp_path / "e.parquet") == 1
    assert "expected a folder of shards, but " in one_line(capsys.readouterr().err)


def test_wrong_usage_is_exit_2(folder, capsys):
    assert embed(folder / "model", folder / "shards") == 2
    assert "Error" in capsys.readouterr().err
