"""The benchmark of selections: cells, runs and paired differences, with small numbers."""

import importlib
from itertools import combinations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from minortom.errors import InputError
from minortom.grid.cells import cells_from_names
from minortom.grid.sphere import chord_of_km, unit_vectors


@pytest.fixture(scope="module")
def benchmark(small_arms):
    """The benchmark with few cells and tiny models."""
    import field_strength
    import selection_arms

    few = field_strength.land_cells
    small_arms.setattr(field_strength, "land_cells", lambda planet: few(planet, count=3000))
    small_arms.setattr("csmoe_model.probing.heads.STRENGTHS", (1e-2, 1.0))
    for name, value in {
        "CELLS": 40, "PATCHES": 1, "STEPS": 2, "BATCH_SIZE": 8, "DRAWS": {"smooth": 1, "hashed": 1},
        "EVALUATED": {"train": 30, "val": 10, "test": 20},
        "PLANETS": {"smooth": ("strata", "default", "band-statistics"), "hashed": ("strata",)},
    }.items():  # fmt: skip
        small_arms.setattr(selection_arms, name, value)
    return selection_arms


@pytest.fixture(scope="module")
def finished(benchmark, tmp_path_factory):
    """The folder of all runs."""
    out = tmp_path_factory.mktemp("arms")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["selection_arms.py", str(out)])
        benchmark.main()
    return out


def test_cells_to_evaluate_on_are_far_from_the_cells_of_every_arm(benchmark, tmp_path):
    annotated = importlib.import_module("field_strength").annotated(0, tmp_path)
    draw = benchmark.Draw(tmp_path, annotated, "smooth", 0)
    chosen = {arm: set(cells.tolist()) for arm, cells in draw.selected.items()}

    assert {arm: len(cells) for arm, cells in chosen.items()} == dict.fromkeys(
        ("random", "strata", "k-means", "default"), 40
    )
    assert len(set.union(*chosen.values())) > 80  # the arms differ
    points = {
        split: unit_vectors(*np.array([draw.lonlat[row] for row in draw.rows]).T)[
            np.array(draw.splits) == split
        ]
        for split in benchmark.EVALUATED
    }
    points["selected"] = unit_vectors(
        *cells_from_names(np.array(sorted(set.union(*chosen.values())))).centres()
    )
    for one, other in combinations(points.values(), 2):
        distance, _ = cKDTree(one).query(other)
        assert distance.min() > chord_of_km(100)
    fields = {len(benchmark.targets(scene)) for scene in draw.scenes[:5]}
    assert fields == {4}


def test_finished_runs_are_kept_and_compared_in_pairs(
    benchmark, finished, run_benchmark, monkeypatch
):
    outputs = sorted(path.stem for path in (finished / "outputs").glob("*.npz"))
    assert outputs == [
        "hashed-0-strata", "smooth-0-band-statistics", "smooth-0-default", "smooth-0-strata"
    ]  # fmt: skip
    found = run_benchmark(benchmark, finished, "--write")["selection_arms"]
    strata, default, statistics, hashed = found["rows"]
    assert (statistics["arm"], len(found["rows"])) == ("band-statistics", 4)
    assert (hashed["planet"], hashed["arm"], hashed["draws"]) == ("hashed", "strata", [0])
    for measure in benchmark.MEASURES:
        gap = default["scores"][measure]["minus strata"]
        values = [row["scores"][measure]["value"][0] for row in (default, strata)]
        assert gap[:2] == [1, pytest.approx(values[0] - values[1])]
    shown = importlib.import_module("_evidence_tables")
    monkeypatch.setattr(shown, "stored", lambda _: found)
    assert "**default** minus random cells of each stratum | 1 |" in shown.selection()
    shards = sorted(path.name for path in (finished / "shards").glob("*-evaluation"))
    assert shards == ["hashed-0-evaluation", "smooth-0-evaluation"]
    assert not list((finished / "shards").glob("*-default"))  # large, and made again when needed


def test_runs_of_another_length_are_refused(benchmark, finished, run_benchmark):
    path = finished / "outputs" / "smooth-0-default.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    before = path.read_bytes()
    np.savez(path, **(arrays | {"budget": np.array([40, 1, 3, 8])}))

    with pytest.raises(InputError, match=r"equal budgets, found 2 steps in smooth-0-strata and 3"):
        run_benchmark(benchmark, finished, "--write")
    path.write_bytes(before)
