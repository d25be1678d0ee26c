"""`csmoe plot epochs`: kept weights of runs, probed and drawn over the epochs."""

import json
import signal
from dataclasses import replace

import numpy as np
import pytest
from error_lines import one_line
from labelled_sets import set_of, split_of
from minortom_cli.console import run as run_command
from minortom_cli.model.app import app
from PIL import Image
from training_runs import SHORT, run
from training_shards import learnable_shards

from csmoe_model.analysis import plot as plots
from csmoe_model.analysis.epochs import draw_epochs
from csmoe_model.datasets.base import SPLITS
from csmoe_model.datasets.shards import ShardLabels, open_shards
from csmoe_model.probing.options import ProbeOptions
from csmoe_model.probing.probe import probe_set
from minortom.errors import InputError, OutputExistsError

pytest_plugins = ("training_fixtures",)
pytestmark = pytest.mark.usefixtures("small_steps")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs of 3 epochs, 3 steps each, with weights kept after the second."""
    folder = tmp_path_factory.mktemp("epochs")
    shards = learnable_shards(folder / "shards", train=20, val=8, test=8, apart_deg=5)
    config = replace(SHORT, steps=9, keep_every=2, ema_decay=0.9)
    for seed in (0, 1):
        run(shards, folder / f"run-{seed}", replace(config, seed=seed))
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("csmoe_model.probing.probe.NUM_DRAWS", 20)
    monkeypatch.setattr("csmoe_model.analysis.epoch_points.NUM_DRAWS", 20)
    monkeypatch.setattr("csmoe_model.probing.heads.STRENGTHS", (1e-2, 1.0))
    monkeypatch.setattr("csmoe_model.probing.heads.EPOCHS", 2)
    former = signal.getsignal(signal.SIGTERM)  # `run_command` takes it over for good
    yield
    signal.signal(signal.SIGTERM, former)


def plot(folder, out, *more, runs=("run-0",)):
    words = ["plot", "epochs", *(folder / name for name in runs), "--data", "shards",
             "--root", folder / "shards", "--out", out, "--seeds", 1, *more]  # fmt: skip
    return run_command(app, [str(word) for word in words])


def points_of(out):
    return json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))["points"]


def score_of(row):
    return [100 * row["scores"]["average_accuracy"][name] for name in ("value", "low", "high")]


def test_each_point_equals_a_probe_of_the_same_weights(folder, tmp_path):
    assert plot(folder, tmp_path / "epochs.png", "--sensor", "s2") == 0

    points = points_of(tmp_path / "epochs.json")
    model = [point for point in points if point["features"] == "model"]
    assert [(point["epochs"], point["steps"]) for point in model] == [(2, 6), (3, 9)]
    data = open_shards(folder / "shards", ShardLabels())
    probed = probe_set(
        folder / "run-0" / "epochs" / "0002", data, tmp_path / "probe",
        options=ProbeOptions(sensor="s2", seeds=1),
    )  # fmt: skip
    wanted = {row["features"]: row for row in probed.rows if row["probe"] == "logistic"}
    found = {point["features"]: point for point in reversed(points)}
    assert found.keys() == wanted.keys()
    for name, row in wanted.items():
        assert [found[name][key] for key in ("percent", "low", "high")] == score_of(row), name
    gaps = {gap["minus"]: gap for gap in probed.differences if gap["probe"] == "logistic"}
    assert found["model"]["minus"]["untrained model"]["low"] == (
        100 * gaps["untrained model"]["low"]
    )
    with Image.open(tmp_path / "epochs.png") as picture:
        assert picture.width > 300


def test_runs_share_their_common_baselines(folder, tmp_path):
    out = tmp_path / "epochs.png"
    assert plot(folder, out, "--sensor", "s1", runs=("run-0", "run-1")) == 0

    found = [(point["features"], point["from"], point["epochs"]) for point in points_of(out)]
    assert found == [
        ("band statistics", None, None), ("random convolutions", None, None),
        ("untrained model", "run-0", None), ("model", "run-0", 2), ("model", "run-0", 3),
        ("model", "run-1", 2), ("model", "run-1", 3),
    ]  # fmt: skip


def test_every_option_reaches_the_probes(folder, tmp_path, capsys):
    words = ("--sensor", "s1", "--protocol", "paper", "--lr", 0.1, "--pooling", "mean", "--json",
             "--ema", "--seed", 2, "--cache", tmp_path / "cache")  # fmt: skip
    assert plot(folder, tmp_path / "epochs.png", *words) == 0

    printed = json.loads(capsys.readouterr().out)
    assert (printed["status"], printed["points"]) == ("written", 5)
    points = points_of(tmp_path / "epochs.png")
    assert {(point["probe"], *point["sensors"]) for point in points} == {("linear", "s1")}
    record = json.loads((tmp_path / "epochs.json").read_text(encoding="utf-8"))["minortom"]
    assert (record["options"]["pooling"], record["options"]["lr"], record["seed"]) == (
        "mean", 0.1, 2,
    )  # fmt: skip
    # Three splits of two weights, statistics, filters and an untrained model; the size of images.
    assert len(list((tmp_path / "cache").iterdir())) == 16
    averaged = folder / "run-0" / "epochs" / "0002" / "model-ema"
    data = open_shards(folder / "shards", ShardLabels(seed=2))
    options = ProbeOptions(
        protocol="paper", lr=0.1, pooling="mean", sensor="s1", seeds=1, seed=2
    )  # fmt: skip
    probed = probe_set(
        averaged, data, tmp_path / "probe", options=options, cache=tmp_path / "cache"
    )
    wanted = next(row for row in probed.rows if row["features"] == "model")
    found = next(point for point in points if point["features"] == "model")
    assert [found[key] for key in ("percent", "low", "high")] == score_of(wanted)


def test_it_is_up_to_date_until_options_change_and_replaces_nothing_else(folder, tmp_path, capsys):
    out = tmp_path / "epochs.png"
    words = ("--sensor", "s1", "--cache", tmp_path / "cache")
    assert plot(folder, out, *words) == 0
    before = out.read_bytes()
    capsys.readouterr()
    assert plot(folder, out, *words) == 0
    assert "up to date" in capsys.readouterr().out

    out.unlink()
    assert plot(folder, out, *words) == 0
    assert out.read_bytes() == before
    assert plot(folder, out, *words, "--pooling", "mean") == 1
    assert "--overwrite" in one_line(capsys.readouterr().err)
    assert out.read_bytes() == before
    assert plot(folder, out, *words, "--pooling", "mean", "--overwrite") == 0
    assert out.read_bytes() != before


def test_a_picture_of_a_run_is_never_replaced(folder, tmp_path, capsys):
    curve = folder / "run-0" / "curve.png"
    curve.write_text("the curve", encoding="utf-8")
    for words in ((), ("--overwrite",)):
        assert plot(folder, curve, "--cache", tmp_path / "cache", *words) == 1
        assert "curve.png is a file of the input" in one_line(capsys.readouterr().err)
    assert curve.read_text(encoding="utf-8") == "the curve"


def test_other_names_of_the_bands_are_another_picture(folder, tmp_path):
    images = {"s1": np.random.default_rng(0).normal(-12, 3, (8, 2, 16, 16)).astype(np.float32)}
    splits = dict.fromkeys(SPLITS, split_of(images, np.arange(8) % 2))
    data = set_of(splits, classes=("a", "b"), bands={"s1": ("vv", "vh")})
    options = ProbeOptions(seeds=1)
    out = tmp_path / "epochs.png"
    assert draw_epochs([folder / "run-0"], data, out, options=options).status == "written"
    assert draw_epochs([folder / "run-0"], data, out, options=options).status == "up to date"
    other = replace(data, bands={"s1": ("vh", "vv")})
    with pytest.raises(OutputExistsError):
        draw_epochs([folder / "run-0"], other, out, options=options)


def test_numpy_numbers_count_as_python_s(folder, tmp_path):
    words = {
        "data": "shards", "root": folder / "shards", "out": tmp_path / "epochs.png", "sensor": "s1",
        "split_by": "blocks", "protocol": "paper",
    }  # fmt: skip
    found = plots.epochs(folder / "run-0", seeds=np.int64(1), seed=np.int64(1), **words)
    assert found.status == "written"
    assert plots.epochs(folder / "run-0", seeds=1, seed=1, **words).status == "up to date"


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([], "expected folders of runs of `csmoe train`, found none; give at least one"),
        (5, "runs must be .*, or a sequence of these, found 5"),
    ],
)
def test_runs_that_are_none_or_no_paths_are_one_line(folder, tmp_path, runs, message):
    with pytest.raises(InputError, match=message):
        plots.epochs(runs, data="shards", root=folder / "shards", out=tmp_path / "a.png")


def test_an_error_is_one_line(folder, tmp_path, capsys):
    assert plot(folder, tmp_path / "x.png", runs=("shards",)) == 1
    assert "has no weights of earlier epochs" in one_line(capsys.readouterr().err)
    assert plot(folder, tmp_path / "x.png", runs=("run-0", "run-0")) == 1
    assert "same name" in one_line(capsys.readouterr().err)
    assert plot(folder, tmp_path / "x.json") == 1
    assert "ends in .png" in one_line(capsys.readouterr().err)
    (tmp_path / "x.png").write_text("mine", encoding="utf-8")
    assert plot(folder, tmp_path / "x.png") == 1
    assert "exists; give --overwrite" in one_line(capsys.readouterr().err)
    assert plot(folder, folder / "shards" / "x.png", "--sensor", "s3") == 2


def test_few_labels_of_a_multilabel_set_are_refused(folder, tmp_path):
    images = {"s1": np.ones((8, 2, 16, 16), np.float32)}
    splits = dict.fromkeys(SPLITS, split_of(images, np.eye(2, dtype=bool)[np.arange(8) % 2]))
    data = set_of(splits, classes=("a", "b"), task="multilabel", bands={"s1": ("vv", "vh")})
    with pytest.raises(
        InputError, match="--shots needs a multiclass set, found the multilabel set own"
    ):
        draw_epochs([folder / "run-0"], data, tmp_path / "a.png", options=ProbeOptions(shots=3))
