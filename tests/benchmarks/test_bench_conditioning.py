"""The benchmark of conditioned routing trains, resumes, evaluates and compares its arms."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def benchmark(small_arms):
    """The benchmark with small numbers, and the tables."""
    import _training_tables
    import conditioning

    small_arms.setattr(conditioning, "BATCH_SIZE", 8)
    return conditioning, _training_tables


def test_finished_arms_are_compared_with_the_plain_one(
    benchmark, tmp_path, monkeypatch, run_benchmark
):
    conditioning, tables = benchmark
    words = [tmp_path, "--steps", "2", "--seeds", "3", "--arms", "none,all"]
    run_benchmark(conditioning, *words)
    weights = tmp_path / "runs" / "all-3" / "model" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    found = run_benchmark(conditioning, *words, "--write")

    none, everything = found["conditioning"]["rows"]
    assert weights.stat().st_mtime_ns == before  # nothing was trained again
    assert (none["arm"], everything["arm"], none["steps"]) == ("none", "all", 2)
    assert everything["macs_a_pair"] > none["macs_a_pair"]
    assert min(row["seconds_a_step"] for row in (none, everything)) > 0
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
