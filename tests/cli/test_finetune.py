"""The commands `csmoe finetune` and `csmoe predict`: output, record of the options, errors."""

import json
import re
import signal
import time

import pyarrow.parquet as pq
import pytest
import torch
from error_lines import one_line
from killed_commands import Command
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write_model
from training_shards import label_table, learnable_shards

from minortom.shards.shard_set import ShardSet

QUICK = ("--epochs", 2, "--batch-size", 8, "--validations", 2, "--no-tensorboard")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli-finetune")
    learnable_shards(folder / "shards", train=16, val=8, test=8, apart_deg=5)
    write_model(folder / "model", ShardSet.open(folder / "shards"))
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("csmoe_model.finetuning.run.NUM_DRAWS", 20)
    monkeypatch.setattr("csmoe_model.probing.heads.STRENGTHS", (1e-2, 1.0))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    former = signal.getsignal(signal.SIGTERM)  # `run` takes it over for good
    yield
    signal.signal(signal.SIGTERM, former)
    torch.set_num_threads(threads)


def words_of(folder, out, *more):
    data = ("--data", "shards", "--root", folder / "shards")
    words = ["finetune", folder / "model", *data, "--out", out, *QUICK, *more]
    return [str(word) for word in words]


def test_a_run_shows_its_comparison_and_predicts(folder, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(app, words_of(folder, out, "--sensor", "s2")) == 0
    shown = capsys.readouterr().out
    for name in ("model", "frozen model", "untrained model", "model − frozen model"):
        assert name in shown
    assert (out / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "run.run.json").is_file()

    words = ["predict", out, folder / "shards", "--out", tmp_path / "p.parquet", "--json"]
    assert run(app, [str(word) for word in words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["images"]) == ("written", 32)
    table = pq.read_table(tmp_path / "p.parquet")
    assert set(table["class"].to_pylist()) <= set(found["classes"])


OPTIONS = {
    "--lr": 0.02, "--warmup": 0.2, "--weight-decay": 0.1, "--grad-clip": 2.0, "--patience": 3,
    "--log-every": 4, "--seed": 5, "--pooling": "mean", "--shots": 3, "--freeze": 1,
    "--layer-decay": 0.5, "--drop-path": 0.2, "--class-weights": "balanced",
}  # fmt: skip
FLAGS = ("--no-flips", "--no-rotations", "--no-warm-start", "--no-average", "--no-compare")


def test_every_option_is_in_the_record(folder, tmp_path, capsys):
    pq.write_table(label_table(folder / "shards"), tmp_path / "labels.parquet")
    words = [word for pair in OPTIONS.items() for word in pair]
    words += ["--labels", tmp_path / "labels.parquet"]
    assert run(app, words_of(folder, tmp_path / "run", *words, *FLAGS, "--json")) == 0
    found = json.loads(capsys.readouterr().out)

    options = found["minortom"]["options"]
    train = options["train"]
    for name, value in OPTIONS.items():
        assert train[name.removeprefix("--").replace("-", "_")] == value, name
    switched_off = ("flips", "rotations", "warm_start", "average")
    assert [train[name] for name in switched_off] == [False] * 4
    assert (train["epochs"], train["batch_size"], train["validations"]) == (2, 8, 2)
    assert options["compare"] is False
    assert [row["features"] for row in found["rows"]] == ["model"]
    assert found["settings"]["shots"]["a_class"] == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--freeze", 3), "--freeze must be at most the 2 layers"),
        (("--resume",), "--resume needs a run, found none"),
        (("--layer-decay", 2), "layer_decay must be above 0 and at most 1"),
        (("--label", "stratum"), "fine-tuning needs at least two classes"),
    ],
)
def test_bad_input_is_one_line(folder, tmp_path, capsys, words, message):
    assert run(app, words_of(folder, tmp_path / "run", *words)) == 1
    assert re.search(message, one_line(capsys.readouterr().err))


def test_a_rate_that_is_too_high_is_named(folder, tmp_path, capsys):
    words = ("--lr", 1e30, "--warmup", 0, "--grad-clip", 0, "--no-compare")
    assert run(app, words_of(folder, tmp_path / "run", *words)) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.search(r"^error: training stopped at step \d: .* --lr below 1e\+30$", last)
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.soak
def test_a_run_stopped_by_sigkill_resumes_to_the_weights_of_an_unbroken_one(folder, tmp_path):
    log = tmp_path / "log"
    more = ("--epochs", 40, "--validations", 10, "--save-every", 3, "--no-warm-start")

    def start(out, *words):
        return Command(["csmoe", *words_of(folder, tmp_path / out, *more, *words)], log)

    started_s = time.monotonic()
    assert start("whole").finish()[0] == 0, log.read_text()
    whole_s = time.monotonic() - started_s
    for number, part in enumerate((0.5, 0.65, 0.8)):
        out, kills = f"killed-{number}", 0
        command = start(out)
        while command.kill_after((part + 0.2 * kills) * whole_s):
            kills += 1
            begun = (tmp_path / out / "config.yaml").exists()
            command = start(out, *(["--resume"] if begun else []))
        assert kills
        assert command.process.exitcode == 0, log.read_text()
        for name in ("model.safetensors", "head.safetensors"):
            found, wanted = (tmp_path / run / "model" / name for run in (out, "whole"))
            assert found.read_bytes() == wanted.read_bytes(), name
