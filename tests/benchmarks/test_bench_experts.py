"""The benchmark of experts: exchanged and dropped experts, and what classes explain of them."""

import importlib
from copy import deepcopy

import numpy as np
import pytest
import torch
from model_folders import write_model
from training_shards import MODEL

from csmoe_model.csmoe import CSMoE
from csmoe_model.nn.soft_moe import ExpertMLPs
from minortom.shards.shard_set import ShardSet


@pytest.fixture
def benchmark():
    """The module."""
    return importlib.import_module("experts")


@pytest.fixture
def mlps():
    """Three experts, and slots [2, 4, 3, 8] for them."""
    torch.manual_seed(0)
    return ExpertMLPs(num_experts=3, width=8, hidden_width=16), torch.randn(2, 4, 3, 8)


def test_rolled_experts_are_those_with_rolled_weights(benchmark, mlps):
    experts, slots_BSED = mlps
    rolled = deepcopy(experts)
    for weight in rolled.parameters():
        weight.data = weight.data.roll(-1, 0)

    torch.testing.assert_close(benchmark.Shifted(experts, (1,))(slots_BSED), rolled(slots_BSED))
    torch.testing.assert_close(benchmark.Shifted(experts, (0,))(slots_BSED), experts(slots_BSED))


def test_averaged_experts_are_the_mean_of_each_one_alone(benchmark, mlps):
    experts, slots_BSED = mlps
    alone = []
    for number in range(3):
        same = deepcopy(experts)
        for weight in same.parameters():
            weight.data = weight.data[[number] * 3]
        alone.append(same(slots_BSED))

    averaged = benchmark.Shifted(experts, (0, 1, 2))(slots_BSED)
    torch.testing.assert_close(averaged, torch.stack(alone).mean(0))


def test_classes_explain_all_where_each_has_an_expert_and_nothing_by_chance(benchmark):
    class_n, weight_n = np.repeat([0, 1, 2], 50), np.ones(150)
    of_class = np.eye(3)[class_n]
    score = benchmark.explained_by_class(of_class, class_n)
    assert score(weight_n)["average_accuracy"] == pytest.approx(1)
    rng = np.random.default_rng(0)
    difficulty = of_class @ np.arange(3)[:, None] + np.zeros((150, 3))  # of all experts alike
    found = [
        benchmark.explained_by_class(difficulty + rng.normal(size=(150, 3)), class_n)(weight_n)
        for _ in range(40)
    ]
    assert np.mean([one["average_accuracy"] for one in found]) == pytest.approx(0, abs=0.01)


def test_each_variant_changes_the_model_and_not_the_one_that_it_was_made_from(benchmark):
    torch.manual_seed(0)
    model = CSMoE(MODEL).eval()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    found = benchmark.variants(model)

    layers = ("s2.0", "s1.0", "shared.0")
    dropped = [f"{layer}/{expert}" for layer in layers for expert in (0, 1)]
    assert list(found) == ["whole", "rolled", "averaged", *dropped]
    assert found["s1.0/1"].config.experts_of("s1.0") == (0,)
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())


def test_trained_models_are_measured_beside_random_weights(
    benchmark, small_arms, tmp_path, run_benchmark
):
    planet = importlib.import_module("_planet_models")
    small_arms.setattr(benchmark, "SEEDS", (0, 1))
    for seed in (0, 1):
        folder = planet.cache_folder() / f"seed-{seed}" / "model"
        write_model(folder, ShardSet.open(planet.shards("probing")), seed=seed)
    found = run_benchmark(benchmark, tmp_path, "--write")["experts"]

    with np.load(tmp_path / "outputs" / "trained-1.npz") as stored:
        whole, rolled = stored["loss whole"], stored["loss rolled"]
    assert (found["cells"], found["seeds"], whole.shape) == (12, (0, 1), (12,))
    assert found["trained"]["loss"][1] == pytest.approx(whole.mean())
    assert not np.allclose(whole, rolled)
    shown = importlib.import_module("_evidence_tables")
    small_arms.setattr(shown, "stored", lambda _: found)
    assert "| `shared.0` |" in shown.experts()
    assert list(found["trained"]["bits"]) == [
        "s2.0 s2", "shared.0 s2", "s1.0 s1", "shared.0 s1"
    ]  # fmt: skip
