"""The smoke test on real scenes: patches where their labels are, and no scene that tests itself."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from model_folders import write_model
from rasterio.io import MemoryFile
from training_shards import learnable_shards

from minortom.shards.shard_set import ShardSet

CELLS = ["282D_485L", "38D_378R", "433D_629L", "637U_59R"]
"""With trees, crops or rangeland; the fifth scene is all snow."""


@pytest.fixture(scope="module")
def script(repository):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(repository / "benchmarks")
        import real_scenes

        patch.setattr("csmoe_model.probing.heads.STRENGTHS", (1e-2, 1.0))
        yield real_scenes
    sys.modules.pop("real_scenes")


@pytest.fixture(scope="module")
def patches(script, real_data):
    return script.read_patches(real_data, 16)


def in_blocks(pixels):
    """Cut [224, 224] into [14, 14] patches of 16 × 16."""
    return pixels.reshape(14, 16, 14, 16).swapaxes(1, 2)


@pytest.mark.parametrize("cell", CELLS)
def test_patches_are_those_that_are_half_of_one_class(patches, real_data, cell):
    (path,) = (real_data / "landcover-labels").glob(f"{cell}_*.tif")
    with rasterio.open(path) as source:
        blocks = in_blocks(source.read(1))
    wanted = [int(((blocks == code).mean((2, 3)) >= 0.5).sum()) for code in (2, 4, 9)]
    found = np.bincount(patches.labels[patches.scenes == cell], minlength=3)
    assert found.tolist() == wanted


def test_a_patch_has_the_pixels_that_its_labels_lie_on(patches, real_data):
    # All 196 patches of this scene are crops or rangeland, so that none is missing.
    folder = real_data / "majortom-sample" / "Core-S2L2A"
    rows = pq.read_table(folder / "metadata.parquet").to_pylist()
    (row,) = (row for row in rows if row["grid_cell"] == "38D_378R")
    part = folder / "images" / Path(row["parquet_url"]).name
    [tile] = pq.ParquetFile(part).read_row_group(row["parquet_row"]).to_pylist()
    with MemoryFile(tile["B02"]) as file, file.open() as dataset:
        b02 = in_blocks(dataset.read(1).astype(np.float32))
    found = patches.images["s2"][patches.scenes == "38D_378R", 0]
    np.testing.assert_array_equal(found, b02.reshape(196, 16, 16))
    assert -60 < patches.images["s1"].min() < patches.images["s1"].max() < 30  # dB


def test_a_scene_that_is_tested_on_has_trained_nothing(script, patches):
    found = dict(script.folds(patches))
    assert list(found) == CELLS
    for scene, fold in found.items():
        assert set(patches.scenes[fold["test"]]) == {scene}
        for name in ("train", "val"):
            assert set(patches.scenes[fold[name]]) == set(CELLS) - {scene}
        assert sorted(np.concatenate(list(fold.values()))) == list(range(len(patches)))


def test_features_that_tell_the_class_score_everything_and_others_a_class(script, patches):
    told = np.eye(3, dtype=np.float32)[patches.labels]
    for scene, fold in script.folds(patches):
        there = len(np.unique(patches.labels[fold["test"]]))
        assert script.score_fold(patches, fold, told)["logistic"] == 1
        nothing = script.score_fold(patches, fold, np.ones((len(patches), 1), np.float32))
        assert nothing["logistic"] in (0, pytest.approx(1 / there)), scene


def test_the_results_have_each_run_at_each_size_and_their_means(
    script, real_data, run_benchmark, monkeypatch, tmp_path
):
    data = ShardSet.open(learnable_shards(tmp_path / "shards", train=4, val=2))
    runs = [tmp_path / f"seed-{seed}" for seed in range(2)]
    for seed, run in enumerate(runs):
        write_model(run, data, seed=seed)
    words = "--patch-px", "56", "--seeds", "1", "--image-sizes", "16,24", "--write"
    found = run_benchmark(script, *runs, "--data", real_data, *words)["real_scenes"]

    sizes = [f"{kind}, {size} px" for size in (16, 24) for kind in ("untrained", "pretrained")]
    assert list(found["scores"]) == ["band statistics", *sizes, "random convolutions"]
    of_scene = found["scores"]["pretrained, 24 px"]["5-NN"]
    assert list(of_scene) == list(found["patches"])
    first, second = (100 * np.mean(values) for values in zip(*of_scene.values(), strict=True))
    tables = importlib.import_module("_evaluate_tables")
    monkeypatch.setattr(tables, "stored", lambda _: found)
    (row,) = (line for line in tables.real_scenes().splitlines() if "pretrained, 24" in line)
    assert row.endswith(f"| {(first + second) / 2:.0f} ({first:.0f}, {second:.0f}) |")
    assert found["scores"]["pretrained, 16 px"] != found["scores"]["pretrained, 24 px"]


def test_without_the_real_files_it_says_so(script, monkeypatch, capsys):
    monkeypatch.delenv("MINORTOM_DATA", raising=False)
    monkeypatch.setattr(sys, "argv", ["real_scenes.py"])
    script.main()
    assert "skipped: set MINORTOM_DATA" in capsys.readouterr().out
