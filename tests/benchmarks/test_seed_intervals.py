"""The simulated coverage of intervals over few seeds."""

import importlib

import pytest


@pytest.fixture
def benchmark(monkeypatch, repository):
    monkeypatch.syspath_prepend(repository / "benchmarks")
    return importlib.import_module("seed_intervals")


def test_where_seeds_are_alike_both_ways_cover_and_where_they_dominate_one_does(benchmark):
    alike = benchmark.coverage(3, 0.0, blocks=40, trials=200)
    differing = benchmark.coverage(3, 20.0, blocks=40, trials=200)

    assert min(*alike.values(), differing["student"]) > 0.9
    # Of three values, all on one side of the mean one time in four.
    assert 0.7 < differing["resampled"] < 0.9
