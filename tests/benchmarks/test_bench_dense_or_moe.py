"""The benchmark of dense layers trains its arms and reads them at equal cost."""

import importlib
from types import SimpleNamespace

import numpy as np
import pytest


@pytest.fixture(scope="module")
def benchmark(small_arms):
    """The benchmark with small numbers."""
    import dense_or_moe

    small_arms.setattr(dense_or_moe, "STEPS", 12)
    small_arms.setattr(dense_or_moe, "BATCH_SIZE", 8)
    return dense_or_moe


def test_arms_are_read_when_they_have_spent_as_much_as_the_cheapest(benchmark, monkeypatch):
    cost = {"moe": 3.0, "dense": 2.0, "dense-deeper": 3.0, "fixed": 2.0, "csmae-head": 3.0}
    monkeypatch.setattr(benchmark, "ARMS", {arm: arm for arm in cost})
    monkeypatch.setattr(benchmark, "config_of", lambda arm: arm)
    monkeypatch.setattr(
        benchmark, "pretraining_cost", lambda arm: SimpleNamespace(macs_full=cost[arm])
    )

    assert benchmark.steps_at("multiply-adds", {}) == {
        "moe": 8, "dense": 12, "dense-deeper": 8, "fixed": 12, "csmae-head": 8
    }  # fmt: skip
    assert set(benchmark.steps_at("steps", cost).values()) == {12}
    assert benchmark.steps_at("seconds", {**cost, "dense": 1.0})["moe"] == 4


def test_two_arms_are_trained_once_and_compared_at_each_point(
    benchmark, tmp_path, run_benchmark, monkeypatch
):
    words = [tmp_path, "--seeds", "1", "--arms", "moe,dense"]
    assert run_benchmark(benchmark, *words) == {}
    with np.load(tmp_path / "outputs" / "moe-1.npz") as stored:
        final = stored["steps/umr"]
        assert set(stored["budget"].tolist()) == {12, 8}
    found = run_benchmark(benchmark, *words, "--write")["dense_or_moe"]

    moe, dense = found["rows"]
    assert (moe["arm"], dense["arm"], found["budget"]["steps"]) == ("moe", "dense", 12)
    assert dense["params"] < moe["params"]
    assert [row["points"]["steps"]["steps"] for row in (moe, dense)] == [[12], [12]]
    assert moe["points"]["multiply-adds"]["steps"][0] <= 12
    value = moe["points"]["steps"]["scores"]["umr"]["value"]
    assert value[0] == pytest.approx(final.mean())
    assert value[1] <= value[0] <= value[2]
    runs, gap, low, high = dense["points"]["steps"]["scores"]["umr"]["difference"]
    assert (runs, low <= gap <= high) == (1, True)
    assert "difference" not in moe["points"]["steps"]["scores"]["umr"]
    shown = importlib.import_module("_evidence_tables")
    monkeypatch.setattr(shown, "stored", lambda _: found)
    assert f"| equal steps | mixture of experts, 2 + 1 | 1 | 12 | {value[0]:.3f} |" in (
        shown.dense_or_moe()
    )


def test_the_errors_of_pairs_have_the_mean_of_the_objective(benchmark):
    from _pair_errors import pair_errors
    from _pruning_quality import Patches

    from csmoe_model.csmoe import CSMoE
    from csmoe_model.data.normalise import Normalise
    from csmoe_model.nn.masking import masks_of

    patches, model = Patches(), CSMoE(benchmark.config_of({})).eval()
    numbers = np.arange(6)
    (errors,) = pair_errors([model], patches.data, numbers, patches.data.statistics)
    images = Normalise(patches.data.statistics, image_size=16)(
        stored_tensors(patches.data, numbers)
    )
    masks = masks_of(model.config, numbers, seed=0, epoch=0)
    whole = model(images["s2"], images["s1"], masks)

    assert errors["umr"].mean() == pytest.approx(float(whole.umr.detach()), rel=1e-5)
    assert errors["cmr"].mean() == pytest.approx(float(whole.cmr.detach()), rel=1e-5)


def stored_tensors(data, numbers):
    """Return the stored values of some patches."""
    import torch

    buffers = data.buffers(len(numbers))
    for row, number in enumerate(numbers.tolist()):
        data.read_into(number, buffers, row)
    return {column: torch.from_numpy(array) for column, array in buffers.items()}
