"""The benchmark of pruning runs in all its parts, on made-up shards and random models."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from model_folders import write
from pruning_models import WIDE, random_model
from repository import BENCHMARKS
from training_shards import learnable_shards

from minortom.shards.shard_set import ShardSet

sys.path.insert(0, str(BENCHMARKS))

EIGHT = replace(WIDE, num_experts=8)
# With sharp routing, other experts that no token reads are as free to remove as planted ones.
SOFT = replace(EIGHT, logit_scale=0.3)


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    """The benchmark with a cache of its own, and small numbers."""
    cache = tmp_path_factory.mktemp("cache")
    planet = cache / "planet"
    learnable_shards(planet / "pretraining", train=24)
    learnable_shards(planet / "probing", train=24, val=8, test=12, apart_deg=3)
    statistics = ShardSet.open(planet / "pretraining").statistics
    for seed in range(3):
        write(planet / f"seed-{seed}" / "model", random_model(seed=seed), statistics)
    write(planet / "experts-8-seed-0" / "model", random_model(SOFT), statistics)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINORTOM_BENCHMARK_CACHE", str(cache))
        import _pruning_finetune
        import _pruning_quality
        import _pruning_tables
        import _pruning_ways
        import pruning

        patch.setattr(pruning, "CALIBRATE", 8)
        patch.setattr(pruning, "PLANTINGS", 2)
        patch.setattr(pruning, "RANDOM_DRAWS", 2)
        patch.setattr(_pruning_ways, "CALIBRATE", 8)
        patch.setattr(_pruning_quality, "RANDOM_DRAWS", 2)
        patch.setattr(_pruning_quality, "KEEPS", (2,))
        patch.setattr(_pruning_quality, "PER_CELL", 4)  # of different land covers, here
        patch.setattr(_pruning_quality, "SEEDS", (0, 1))
        patch.setattr(_pruning_ways, "RECOVER", {"recover": 2, "batch_size": 4})
        patch.setattr(_pruning_finetune, "SEEDS", (0,))
        patch.setattr(_pruning_finetune, "SHOTS", (4,))
        patch.setattr(_pruning_finetune, "KEEP", 1)
        patch.setattr(_pruning_finetune, "TURNS", 2)
        patch.setattr(_pruning_finetune, "EPOCHS", {4: 1})
        patch.setattr("finetune.EPOCHS", {4: 1})
        patch.setattr("csmoe_model.probing.heads.STRENGTHS", (1e-2, 1.0))
        patch.setattr(_pruning_quality, "NUM_DRAWS", 20)
        yield pruning, _pruning_quality, _pruning_tables


def test_sliced_models_are_exact_and_dead_experts_are_found(benchmark, monkeypatch):
    pruning, _, tables = benchmark
    found = {"exactness": pruning.exactness(), "planted": pruning.dead_experts()}

    assert max(row["largest_difference"] for row in found["exactness"]["rows"]) < 2e-5
    dead = {(r["by"], r["unread"]): (r["found"], r["planted"]) for r in found["planted"]["rows"]}
    assert dead["reap", True] == dead["norm", False] == dead["ablation", True] == (6, 6)
    monkeypatch.setattr(tables, "stored", lambda _: found)
    assert "no reader that have the lowest score: `reap` 6 of 6" in tables.checks()


def test_the_drift_of_every_way_is_measured(benchmark, monkeypatch):
    pruning, _, tables = benchmark
    found = pruning.fidelity()

    assert [(row["sensor"], row["keep"]) for row in found["rows"]] == [
        (sensor, keep) for sensor in ("s2", "s1") for keep in (6, 4, 2)
    ]
    for row in found["rows"]:
        assert row["macs"] < 1
        assert all(0 < row["drift"][by] < 2 for by in (*pruning.CRITERIA, "merging"))
        assert len(row["drift"]["random"]) == 2
    monkeypatch.setattr(tables, "stored", lambda _: {"fidelity": found})
    assert len(tables.fidelity().splitlines()) == 2 + 6


def test_the_quality_has_a_row_for_each_way_and_resumes(benchmark, tmp_path, monkeypatch, capsys):
    _, quality, tables = benchmark
    found = quality.quality(tmp_path)

    ways = [r["way"] for r in found["rows"] if (r["sensor"], r["probe"]) == ("s1", "20-NN")]
    assert ways == ["whole", *quality.WAYS]
    assert all(row["seeds"] == 2 for row in found["rows"])
    assert found["patches"]["test"] == 12
    capsys.readouterr()
    assert quality.quality(tmp_path) == found
    assert capsys.readouterr().out == ""  # everything was stored
    monkeypatch.setattr(tables, "stored", lambda _: {"quality": found})
    assert len(tables.quality().splitlines()) == 2 + 2 * 2 * (1 + len(quality.WAYS))


def test_all_patches_of_a_cell_are_compared(benchmark, tmp_path, monkeypatch, capsys):
    _, quality, tables = benchmark
    monkeypatch.setattr(quality, "MANY_KEEP", 1)
    found = quality.all_patches(tmp_path)

    assert [(r["sensor"], r["probe"]) for r in found["rows"]] == [
        (sensor, probe) for sensor in ("s2", "s1") for probe in ("probe", "20-NN")
    ]
    for row in found["rows"]:
        value, low, high = row["difference"]
        assert low <= value <= high
        whole = row["score"] - value
        assert 0 <= whole <= 1
    capsys.readouterr()
    assert quality.all_patches(tmp_path) == found
    assert capsys.readouterr().out == ""  # everything was stored
    monkeypatch.setattr(tables, "stored", lambda _: {"all-patches": found})
    assert len(tables.all_patches().splitlines()) == 4


def test_intervals_draw_blocks_and_all_patches_of_a_cell_lie_in_one(benchmark, monkeypatch):
    _, quality, _ = benchmark
    monkeypatch.setattr(quality, "block_ids", lambda points, _: np.arange(len(points)) // 2)
    patches = quality.Patches(per_cell=4)

    cells = np.unique(patches.cells)
    expected = np.searchsorted(cells, patches.cells) // 2  # two cells a block, here
    assert patches.blocks.tolist() == expected.tolist()
    tested = expected[patches.split == "test"]
    drawn = np.unique(tested, return_inverse=True)[1]
    assert quality._bootstrap(patches).groups.tolist() == drawn.tolist()


@pytest.mark.soak
def test_pruned_models_are_tuned_beside_whole_ones(benchmark, tmp_path, capfd, monkeypatch):
    pruning, _, tables = benchmark
    found = pruning.finetune(tmp_path)

    (row,) = found["rows"]
    gap = row["score"]["half"] - row["score"]["whole"]
    assert row["difference"]["value"] == pytest.approx(gap)
    assert row["difference"]["low"] <= gap <= row["difference"]["high"]
    speed = found["speed"]
    assert speed["ratio"] == pytest.approx(speed["half"] / speed["whole"])
    monkeypatch.setattr(tables, "stored", lambda _: {"finetune": found})
    assert "Fine-tuned on 4 labels a class (1 seeds)" in tables.tuned()
    capfd.readouterr()
    assert pruning.finetune(tmp_path)["rows"] == found["rows"]
    assert "csmoe finetune" not in capfd.readouterr().out  # finished runs are kept
