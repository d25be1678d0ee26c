"""Arms of a comparison: locks, budgets, and the scores of whole and weighted test sets."""

import importlib
import multiprocessing
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import r2_score

from minortom.errors import InputError


@pytest.fixture
def arms():
    """The module."""
    return importlib.import_module("_arms")


def hold(module, path, held, release):
    """Hold a lock in another process until it is released."""
    with module.claimed(path) as mine:
        held.put(mine)
        release.get()


def test_a_run_of_another_process_is_left_to_it(arms, tmp_path, capsys):
    context = multiprocessing.get_context("fork")
    held, release = context.Queue(), context.Queue()
    other = context.Process(
        target=hold, args=(arms, tmp_path / "locks" / "b", held, release), daemon=True
    )
    other.start()
    assert held.get(timeout=60)
    made = []

    def make(name):
        made.append(name)
        return {"value": np.array(len(made))}

    arms.outputs_of_missing(tmp_path, ["a", "b", "c"], make)
    assert made == ["a", "c"]
    assert "left to other processes: b" in capsys.readouterr().out
    release.put(None)
    other.join()
    stored = arms.outputs_of_missing(tmp_path, ["a", "b", "c"], make)
    assert made == ["a", "c", "b"]  # nothing twice
    assert [int(stored.read(name)["value"]) for name in "abc"] == [1, 3, 2]


def test_options_name_known_arms(arms, capsys):
    parser = arms.arms_parser("Compare arms.", ("moe", "dense"))
    assert vars(parser.parse_args(["out", "--seeds", "3,1"])) == {
        "out": Path("out"), "seeds": [3, 1], "arms": ["moe", "dense"], "write": False
    }  # fmt: skip
    with pytest.raises(SystemExit):
        parser.parse_args(["out", "--arms", "moe,sparse"])
    assert "expected names of moe, dense, found sparse" in capsys.readouterr().err


def test_arms_with_different_budgets_are_refused(arms):
    equal = {"default": {"cells": 9, "steps": 5}, "random": {"cells": 9, "steps": 5}}
    arms.check_budgets(equal)
    wanted = (
        r"^arms must have equal budgets, found 9 cells, 5 steps in default and 8 cells, 6 steps in "
        r"k-means; delete the runs of one of them, to train it again with the other's$"
    )
    with pytest.raises(InputError, match=wanted):
        arms.check_budgets({**equal, "k-means": {"cells": 8, "steps": 6}})


def test_the_explained_variance_equals_that_of_scikit_learn(arms):
    rng = np.random.default_rng(0)
    target, noise = rng.normal(size=(2, 50, 3))
    weight = rng.integers(0, 4, 50).astype(float)
    score = arms.explained_scorer(target, target + 0.4 * noise)

    assert score(weight)["average_accuracy"] == pytest.approx(
        r2_score(target, target + 0.4 * noise, sample_weight=weight)
    )


def test_a_difference_without_noise_has_an_interval_of_no_width():
    draws = np.random.default_rng(0).normal(size=(3, 20))
    found = importlib.import_module("_paired").difference(
        (np.array([3.0, 4, 5]), draws + 2), (np.array([1.0, 2, 3]), draws)
    )

    assert found == pytest.approx([2, 2, 2])
