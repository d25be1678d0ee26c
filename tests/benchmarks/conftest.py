"""Small shards and numbers for the benchmarks that train arms."""

import sys
from pathlib import Path

import pytest
from minortom_cli.console import run as run_program
from repository import BENCHMARKS
from training_shards import learnable_shards

from website.commands import PROGRAMS

sys.path.insert(0, str(BENCHMARKS))


@pytest.fixture(scope="module")
def small_arms(tmp_path_factory):
    """A monkeypatch under which benchmarks have a cache of their own, and small numbers."""
    cache = tmp_path_factory.mktemp("cache")
    learnable_shards(cache / "planet" / "pretraining", train=24)
    learnable_shards(cache / "planet" / "probing", train=24, val=12, test=12, apart_deg=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINORTOM_BENCHMARK_CACHE", str(cache))
        import _arms
        import _planet_models
        import _pruning_quality
        import _step_times

        patch.setattr(_planet_models, "run", run_here)
        patch.setattr(_arms, "NUM_DRAWS", 20)
        patch.setattr(_arms, "RECIPE", "tiny")
        patch.setattr(_arms, "COMPILED", ())  # which takes longer than these trainings
        patch.setattr(_arms, "FIELDS", {"image_size": 16, "width": 24, "num_heads": 3})
        for module in (_arms, _step_times):
            patch.setattr(module, "BATCH_SIZE", 8)
        patch.setattr(_step_times, "TIMED_STEPS", 1)
        patch.setattr(_step_times, "WARM_STEPS", 0)
        patch.setattr(_pruning_quality, "PER_CELL", 4)  # of different land covers, here
        patch.setattr("csmoe_model.probing.heads.STRENGTHS", (1e-2, 1.0))
        yield patch


def run_here(program, *words):
    """Run a program in this process, which has imported torch already."""
    assert run_program(PROGRAMS[Path(program).name], [str(word) for word in words]) == 0


@pytest.fixture
def run_benchmark(monkeypatch):
    """A function that runs the main of a benchmark with some words, and returns its results."""

    def run(benchmark, *words):
        found = {}
        monkeypatch.setattr(benchmark, "store", lambda name, rows: found.update({name: rows}))
        monkeypatch.setattr(sys, "argv", [f"{benchmark.__name__}.py", *map(str, words)])
        benchmark.main()
        return found

    return run
