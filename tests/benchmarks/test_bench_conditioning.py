"""The benchmark of conditioned routing trains, resumes, evaluates and compares its arms."""

import sys

import numpy as np
import pytest
from repository import BENCHMARKS
from training_shards import learnable_shards

sys.path.insert(0, str(BENCHMARKS))

TINY = [
    "--recipe", "tiny", "--image-size", "16", "--width", "24", "--num-heads", "3",
    "--batch-size", "8", "--lr", "1e-3", "--val-every", "9",
]  # fmt: skip


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """The benchmark with a cache of its own, and small numbers."""
    cache = tmp_path_factory.mktemp("cache")
    learnable_shards(cache / "planet" / "pretraining", train=24)
    learnable_shards(cache / "planet" / "probing", train=24, val=12, test=12, apart_deg=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINORTOM_BENCHMARK_CACHE", str(cache))
        import _pruning_quality
        import _training_tables
        import conditioning

        patch.setattr(conditioning, "RECIPE", TINY)
        patch.setattr(conditioning, "NUM_DRAWS", 20)
        patch.setattr(_pruning_quality, "PER_CELL", 4)  # of different land covers, here
        patch.setattr("csmoe_model.probing.heads.STRENGTHS", (1e-2, 1.0))
        yield conditioning, _training_tables


def test_finished_arms_are_compared_with_the_plain_one(benchmark, tmp_path, monkeypatch):
    conditioning, tables = benchmark
    found = {}
    monkeypatch.setattr(conditioning, "store", lambda name, rows: found.update({name: rows}))
    words = ["conditioning.py", str(tmp_path), "--steps", "2", "--seeds", "3", "--arms"]
    monkeypatch.setattr(sys, "argv", [*words, "none,all"])
    conditioning.main()
    weights = tmp_path / "runs" / "all-3" / "model" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    monkeypatch.setattr(sys, "argv", [*words, "none,all", "--write"])
    conditioning.main()

    none, everything = found["conditioning"]["rows"]
    assert weights.stat().st_mtime_ns == before  # nothing was trained again
    assert (none["arm"], everything["arm"], none["steps"]) == ("none", "all", 2)
    assert everything["macs_a_pair"] > none["macs_a_pair"]
    assert np.shape(everything["specificity"]) == (1, 4)
    for name, score in everything["scores"].items():
        gap = score["mean"] - none["scores"][name]["mean"]
        value, low, high = score["difference"]
        assert value == pytest.approx(gap)
        assert low <= high
    with np.load(tmp_path / "outputs" / "none-3.npz") as stored:
        assert none["scores"]["s2-s1"]["mean"] == pytest.approx(stored["s2-s1"].mean())
    monkeypatch.setattr(tables, "stored", lambda _: found["conditioning"])
    assert "| `--condition both --local-global 0.5` | 1 |" in tables.conditioning_table()
