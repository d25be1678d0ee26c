"""`csmoe_model.probe`: rows, record and differences."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from labelled_sets import bright_and_dark, set_of, split_of
from model_folders import write_model
from sklearn.metrics import balanced_accuracy_score
from training_shards import learnable_shards

import csmoe_model
from csmoe_model.datasets.base import SPLITS, LabelledSplit
from csmoe_model.evaluation.bootstrap import Bootstrap
from csmoe_model.evaluation.metrics import Predictions, score
from csmoe_model.evaluation.published_results import published_rows
from csmoe_model.evaluation.tables import latex_table, markdown_table, shown_rows
from csmoe_model.extractors.checkpoint import load_model
from csmoe_model.extractors.cost import NO_COST
from csmoe_model.extractors.map_images import encode_set
from csmoe_model.probing.heads import Table, TrainedProbe, logistic_probe, paper_probe
from csmoe_model.probing.options import ProbeOptions
from csmoe_model.probing.predictions import read_predictions
from csmoe_model.probing.probe import probe_set
from csmoe_model.probing.rows import differences, scored_row
from minortom.errors import OutputExistsError
from minortom.io.up_to_date import stored_provenance
from minortom.shards.shard_set import ShardSet

SIZES = {"train": 24, "val": 8, "test": 12}


@pytest.fixture(scope="module", autouse=True)
def quick():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # fastest for these sizes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("csmoe_model.probing.probe.NUM_DRAWS", 20)
        patch.setattr("csmoe_model.probing.heads.STRENGTHS", (1e-2, 1.0))
        patch.setattr("csmoe_model.probing.heads.EPOCHS", 3)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    write_model(folder / "model", ShardSet.open(learnable_shards(folder / "shards")), seed=7)
    return folder / "model"


@pytest.fixture(scope="module")
def result(checkpoint, tmp_path_factory):
    out = tmp_path_factory.mktemp("result") / "out"
    probe_set(checkpoint, bright_and_dark(SIZES), out, options=ProbeOptions(seeds=2))
    return json.loads((out / "result.json").read_text())


def test_the_result_is_the_content_of_the_file_with_status_and_folder(checkpoint, tmp_path):
    options = ProbeOptions(seeds=1, sensor="s1", protocol="paper")
    found = probe_set(checkpoint, bright_and_dark(SIZES), tmp_path / "out", options=options)
    stored = json.loads((tmp_path / "out" / "result.json").read_text())
    wanted = {"status": "written", "out": str(tmp_path / "out"), **stored}
    assert list(found.as_dict().items()) == list(wanted.items())
    assert found.shown() == shown_rows(stored)


def test_the_public_function_takes_a_labelled_set_and_numpy_numbers(checkpoint, tmp_path):
    options = ProbeOptions(seeds=1, sensor="s1", protocol="paper", lr=0.5)
    data = bright_and_dark(SIZES)
    wanted = probe_set(checkpoint, data, tmp_path / "wanted", options=options)
    found = csmoe_model.probe(
        str(checkpoint), data=data, root=None, out=str(tmp_path / "found"), protocol="paper",
        sensor="s1", seeds=np.int64(1), lr=np.float64(0.5),
    )  # fmt: skip
    assert replace(found, out=wanted.out) == wanted


def test_every_table_has_the_model_and_all_baselines(result):
    names = ["model", "band statistics", "random convolutions", "untrained model"]
    assert [row["features"] for row in result["rows"]] == [n for n in names for _ in range(3)]
    assert [row["probe"] for row in result["rows"][:3]] == ["logistic", "5-NN", "20-NN"]
    assert [len(row["per_seed"]["macro_f1"]) for row in result["rows"]] == [1] * 6 + [2] * 6
    gaps = [(gap["probe"], gap["minus"]) for gap in result["differences"]]
    assert sorted(gaps) == sorted((p, n) for p in ("logistic", "5-NN", "20-NN") for n in names[1:])


def test_the_score_of_the_model_is_that_of_its_features_probed_by_hand(checkpoint, result):
    data = bright_and_dark(SIZES)
    model = load_model(checkpoint, device=torch.device("cpu"))
    features = {n: encode_set(model, data.split(n), sensors=["s2", "s1"]) for n in SPLITS}
    labels = {n: data.split(n).labels for n in SPLITS}
    found = logistic_probe(
        Table(task="multiclass", num_classes=2, features=features, labels=labels)
    ).test
    wanted = balanced_accuracy_score(labels["test"], found.output.argmax(1))
    row = result["rows"][0]
    assert row["scores"]["average_accuracy"]["value"] == pytest.approx(wanted)
    assert row["width"] == 64


def test_a_trivial_set_is_solved_by_band_statistics(result):
    row = next(r for r in result["rows"] if r["features"] == "band statistics")
    assert row["scores"]["average_accuracy"] == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_stored_predictions_have_the_same_scores(checkpoint, tmp_path):
    options = ProbeOptions(seeds=2, sensor="s2")
    found = probe_set(checkpoint, bright_and_dark(SIZES), tmp_path / "out", options=options)
    kept = read_predictions(tmp_path / "out" / "predictions.parquet").of
    scores = {named: [score(run)["macro_f1"] for run in runs] for named, runs in kept.items()}
    assert scores == {
        (row["features"], row["probe"]): row["per_seed"]["macro_f1"] for row in found.rows
    }
    assert stored_provenance(tmp_path / "out" / "predictions.parquet") == found.minortom


def test_the_record_has_all_settings_to_repeat_the_probe(result):
    settings = result["settings"]
    assert settings["resize"]["model"].startswith("bilinear to 16 × 16")
    assert set(settings["normalisation"]["statistics"]) == {"s2_10m", "s2_20m", "s1"}
    assert settings["seeds"] == [0, 1]
    assert settings["C"] == [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3]
    assert result["splits"] == SIZES
    record = result["minortom"]
    assert record["command"] == "probe"
    assert record["inputs"]["weights"] == settings["weights_sha256"]
    assert record["licences"] == ["of the training data", "of these labels"]
    assert (record["seed"], record["options"]["sensor"]) == (0, "s2+s1")


def test_a_second_run_is_up_to_date_and_other_options_are_refused(checkpoint, tmp_path):
    data, out = bright_and_dark(SIZES), tmp_path / "out"
    words = {"options": ProbeOptions(seeds=1, sensor="s1")}
    first = probe_set(checkpoint, data, out, **words)
    files = {path.name: path.read_bytes() for path in out.iterdir()}
    assert sorted(files) == ["predictions.parquet", "result.json", "table.md", "table.tex"]
    again = probe_set(checkpoint, data, out, **words)
    assert (first.status, again.status) == ("written", "up to date")
    assert again.rows == first.rows
    (out / "predictions.parquet").unlink()
    assert probe_set(checkpoint, data, out, **words).status == "written"
    assert {path.name: path.read_bytes() for path in out.iterdir()} == files
    other = ProbeOptions(seeds=1, sensor="s1", pooling="mean")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        probe_set(checkpoint, data, out, options=other)
    assert probe_set(checkpoint, data, out, options=other, overwrite=True).status == "written"
    probe_set(checkpoint, data, out, **words, overwrite=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == files


def test_cached_features_give_the_same_result_without_reading_images(checkpoint, tmp_path):
    data, options = bright_and_dark(SIZES), ProbeOptions(seeds=1, sensor="s1")
    words = {"options": options, "cache": tmp_path / "cache"}
    probe_set(checkpoint, data, tmp_path / "first", **words)
    kept = {path: path.read_bytes() for path in (tmp_path / "cache").iterdir()}
    assert len(kept) == 4 * 3 + 1  # features by split, and the size of the images

    def nothing(_):
        raise AssertionError

    blind = {
        n: LabelledSplit(images=nothing, labels=s.labels) for n, s in data.splits.items()
    }  # fmt: skip
    probe_set(checkpoint, set_of(blind, bands=data.bands), tmp_path / "again", **words)
    first, again = ((tmp_path / name / "result.json").read_bytes() for name in ("first", "again"))
    assert first == again
    next(iter(kept)).write_bytes(b"damaged")
    probe_set(checkpoint, data, tmp_path / "third", **words)
    assert {path: path.read_bytes() for path in kept} == kept


def test_other_pooling_seeds_or_weights_are_other_features(checkpoint, tmp_path):
    data, cache = bright_and_dark(SIZES), tmp_path / "cache"
    one = ProbeOptions(seeds=1, sensor="s1")
    counts = []
    for number, options in enumerate(
        (one, replace(one, pooling="mean"), replace(one, seed=1), replace(one, protocol="paper"))
    ):
        probe_set(checkpoint, data, tmp_path / str(number), options=options, cache=cache)
        counts.append(len(list(cache.iterdir())) // 3)
    assert counts == [4, 6, 8, 8]


def test_the_papers_protocol_trains_a_layer_for_each_seed_and_row(checkpoint, tmp_path):
    options = ProbeOptions(protocol="paper", seeds=2, sensor="s2", lr=0.02)
    found = probe_set(checkpoint, bright_and_dark(SIZES), tmp_path / "out", options=options)
    assert [row["probe"] for row in found.rows] == ["linear"] * 4
    assert [len(row["chosen"]) for row in found.rows] == [2] * 4
    assert found.settings["lr"] == 0.02
    assert not found.settings["standardised"]


def test_each_layer_of_the_papers_protocol_has_its_own_seed(checkpoint, tmp_path, monkeypatch):
    seeds = []

    def recorded(table, *, rate, seed):
        seeds.append(seed)
        return paper_probe(table, rate=rate, seed=seed)

    monkeypatch.setattr("csmoe_model.probing.protocols.paper_probe", recorded)
    options = ProbeOptions(protocol="paper", seeds=2, seed=5, sensor="s1")
    probe_set(checkpoint, bright_and_dark(SIZES), tmp_path / "out", options=options)
    assert seeds == [5, 6] * 4


def test_the_learning_rates_of_the_paper_apply_to_its_sets(checkpoint, tmp_path):
    data = bright_and_dark(SIZES)
    for name, rate in (("m-eurosat", 5e-2), ("own", 1e-2)):
        named = set_of(data.splits, name=name)
        options = ProbeOptions(protocol="paper", seeds=1, sensor="s1")
        found = probe_set(checkpoint, named, tmp_path / name, options=options)
        assert found.settings["lr"] == rate
        assert bool(found.published) == (name == "m-eurosat")


def test_several_labels_are_scored_by_micro_map(checkpoint, tmp_path):
    rng = np.random.default_rng(0)
    splits = {}
    for name, count in SIZES.items():
        labels = rng.random((count, 3)) < 0.5
        images = rng.normal(-12, 1, (count, 2, 8, 8)) + 5 * labels[:, :1, None, None]
        splits[name] = split_of({"s1": images.astype(np.float32)}, labels)
    data = set_of(
        splits, classes=("a", "b", "c"), task="multilabel", bands={"s1": ("vv", "vh")}
    )  # fmt: skip
    found = probe_set(checkpoint, data, tmp_path / "out", options=ProbeOptions(seeds=1))
    assert found.headline == "micro_map"
    assert list(found.rows[0]["scores"]) == ["micro_map", "micro_f1", "macro_f1"]


def test_differences_are_paired():
    """Two rows that miss the same samples differ by nothing, in any draw."""
    truth = np.arange(40) % 2
    output = np.eye(2)[np.where(np.arange(40) < 10, 1 - truth, truth)]
    case = TrainedProbe(
        test=Predictions(task="multiclass", truth=truth, output=output), settings={}
    )
    bootstrap = Bootstrap.over(40, None, seed=0, num_draws=50)
    rows = [
        scored_row(name, "p", [case], bootstrap, width=1, cost=NO_COST)
        for name in ("model", "other")
    ]
    (gap,) = differences(rows, "average_accuracy")
    assert (gap["value"], gap["low"], gap["high"]) == (0, 0, 0)
    assert rows[0].scores["average_accuracy"].low < 0.75


def test_tables_show_percent_with_intervals_and_published_results(result):
    published = {**result, "data": "m-eurosat", "published": published_rows("m-eurosat")}
    text = markdown_table(published)
    assert "| band statistics | logistic | 100.0 [100.0, 100.0] |" in text
    assert "train 24, val 8, test 12" in text
    assert "| CSMoE, patch 16 | 86.2 | paper, Table IV; another protocol |" in text
    assert "| random convolutions | 91.0 | torchgeo-bench v0.4.0; another protocol |" in text


def test_a_terminal_shows_rows_differences_and_published_results(result):
    published = {**result, "published": published_rows("m-so2sat")}
    lines = [tuple(row.values()) for row in shown_rows(published)]
    assert lines[3] == ("band statistics", "logistic", *["100.0 [100.0, 100.0]"] * 3)
    gap = lines[12]
    assert gap[:2] == ("model − band statistics", "logistic")
    assert gap[2].startswith("−") or gap[2].startswith("0.0")
    assert gap[3:] == ("", "")
    wanted = ("CSMoE, patch 16", "paper, Table IV; another protocol", "48.0", "", "")
    assert wanted in lines


def test_the_latex_table_escapes_special_characters(result):
    odd = {**result, "data": "50%_of & more~^"}
    text = latex_table(odd)
    assert r"50\%\_of \& more\textasciitilde{}\textasciicircum{}" in text
    names_and_costs = 4
    columns = names_and_costs + len(result["rows"][0]["scores"])
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in body} == {columns - 1}
    assert text.count("{") == text.count("}")
