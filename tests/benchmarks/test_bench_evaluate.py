"""The benchmark of probes: its results are those of `csmoe compare`, whatever is finished."""

import importlib
import json

import pytest
from model_folders import write_model

from minortom.shards.shard_set import ShardSet

pytestmark = pytest.mark.usefixtures("small_arms")


@pytest.fixture
def benchmark(monkeypatch, tmp_path):
    """The module, with two models of random weights in place of pretrained ones."""
    module = importlib.import_module("evaluate")
    data = ShardSet.open(module.shards("probing"))
    for seed in range(2):
        write_model(tmp_path / f"seed-{seed}", data, seed=seed)
    monkeypatch.setattr(module, "pretrained", lambda name: tmp_path / name)
    return module


def test_a_table_has_scores_in_percent_and_differences_with_their_intervals(monkeypatch):
    tables = importlib.import_module("_evaluate_tables")
    probes = ("logistic", "logistic, cross-validated", "20-NN")
    of_shots = {
        "seeds": 3,
        "model": dict.fromkeys(probes, (0.75, 0.6, 0.8)),
        "model − untrained model": dict.fromkeys(probes, (0.25, -0.01, 0.5)),
    }
    record = {
        "splits": {"train": 4400, "val": 880, "test": 2640},
        "sensors": {"s1": dict.fromkeys(("10", "100", "all"), of_shots)},
    }
    monkeypatch.setattr(tables, "stored", lambda _: record)
    lines = tables.evaluated("s1").splitlines()
    assert lines[0].startswith("| features | 10 labels a class | 10, cross-validated | 100 |")
    assert lines[2] == "| model |" + " 75.0 |" * 6
    assert lines[3] == "| model minus untrained model |" + " +25.0 [-1.0, +50.0] |" * 6
    assert lines[5] == "Patches: 4,400 train, 880 val, 2,640 test. 3 seeds."


def test_results_are_those_of_the_finished_comparisons(benchmark, run_benchmark, tmp_path):
    out = tmp_path / "out"
    run_benchmark(benchmark, out, "--seeds", "0,1", "--sensors", "s2", "--shots", "all")
    found = run_benchmark(benchmark, out, "--write")["evaluate"]

    assert list(found["sensors"]) == ["s2"]
    assert list(found["sensors"]["s2"]) == ["all"]
    assert found["splits"] == {"train": 24, "val": 12, "test": 12}
    record = json.loads((out / "compared-s2-all" / "result.json").read_text())
    of_shots = found["sensors"]["s2"]["all"]
    assert of_shots["seeds"] == 2
    for row in record["rows"] + record["differences"]:
        value, low, high = of_shots[row["features"]][row["probe"]]
        assert (value, low, high) == tuple(row["wider"].values())
        assert value == pytest.approx(sum(row["each"]) / len(row["each"]))


def test_comparisons_of_other_patches_are_refused(benchmark, tmp_path):
    for shots, test in (("all", 12), ("2", 13)):
        folder = tmp_path / f"compared-s2-{shots}"
        folder.mkdir()
        record = {"data": "shards", "headline": "average_accuracy", "splits": {"test": test},
                  "checkpoints": [], "rows": [], "differences": []}  # fmt: skip
        (folder / "result.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="compared-s2-all is of other patches"):
        benchmark.summary(tmp_path)


def test_nothing_is_written_of_a_folder_without_comparisons(
    benchmark, run_benchmark, tmp_path, capsys
):
    with pytest.raises(SystemExit):
        run_benchmark(benchmark, tmp_path / "none", "--write")
    assert "has no finished comparison; run without --write" in capsys.readouterr().err
