"""Greedy selection among real members and planted ones."""

import numpy as np
import pytest
import torch

from csmoe_model.ensembles.ridge import HeldOutRidge, class_targets, group_folds
from csmoe_model.ensembles.selection import paired_standard_error, select_members
from csmoe_model.extractors.vector_statistics import VectorStatistics

NUM_GROUPS, NUM_CLASSES = 120, 6
DUPLICATES = {"exact duplicate": "last", "duplicate in other units": "first"}


@pytest.fixture(scope="module")
def pool():
    """Return members by name, labels and groups; each real member tells three classes apart."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(NUM_GROUPS), 4)
    labels = np.repeat(rng.integers(0, NUM_CLASSES, NUM_GROUPS), 4)
    one_hot = np.eye(NUM_CLASSES)[labels]
    first, last = (
        one_hot[:, seen] @ rng.normal(size=(3, width)) + 2 * rng.normal(size=(len(labels), width))
        for seen, width in ((slice(3), 20), (slice(3, 6), 30))
    )
    members = {
        "first": first,
        "last": last,
        "noise": rng.normal(size=(len(labels), 25)),
        "constant": np.full((len(labels), 5), 7.0),
        "scrambled": first[rng.permutation(len(labels))],
        "exact duplicate": last.copy(),
        "duplicate in other units": 1000 - 3 * first[:, ::-1],
    }
    return members, labels, groups


def standardised(vectors):
    return VectorStatistics.of(vectors).apply(torch.from_numpy(vectors)).numpy()


def selected(pool, *, seed=0, costs=None, budget=None):
    members, labels, groups = pool
    ridge = HeldOutRidge(
        [standardised(vectors.astype(np.float32)) for vectors in members.values()],
        class_targets(labels, "multiclass", NUM_CLASSES), group_folds(groups, seed=seed),
    )  # fmt: skip
    steps = select_members(ridge, groups, costs or [1] * len(members), budget=budget)
    names = list(members)
    return [names[step.candidate] for step in steps if step.chosen], steps


@pytest.mark.parametrize("seed", range(5))
def test_planted_members_and_duplicates_are_rejected(pool, seed):
    chosen, steps = selected(pool, seed=seed)
    assert sorted(DUPLICATES.get(name, name) for name in chosen) == ["first", "last"]
    assert [step.chosen for step in steps] == [True, True, False]
    assert steps[-1].gain < 1e-4


def test_a_pool_without_information_gives_nothing(pool):
    members, *rest = pool
    useless = {name: members[name] for name in ("noise", "constant", "scrambled")}
    assert selected((useless, *rest))[0] == []


def test_the_first_step_finds_the_best_single_member(pool):
    _, steps = selected(pool)
    singles = {m: selected(pool, costs=[int(m != k) for k in range(7)], budget=0) for m in range(7)}
    best = max(singles, key=lambda m: singles[m][1][0].explained)
    assert steps[0].candidate == best
    assert steps[0].gains[best] == steps[0].gain == max(steps[0].gains.values())


@pytest.mark.parametrize(
    ("budget", "wanted"), [(1, []), (2, ["first"]), (4, ["last"]), (6, ["first", "last"])]
)
def test_the_cost_never_exceeds_the_budget(pool, budget, wanted):
    members, *rest = pool
    real = {name: members[name] for name in ("first", "last")}
    chosen, steps = selected((real, *rest), costs=[2, 4], budget=budget)
    assert sorted(chosen) == wanted
    assert [step.multiply_adds for step in steps] == [4, 6] * (budget == 6) + [budget] * bool(
        wanted and budget < 6
    )


def test_the_standard_error_counts_groups_not_samples():
    rng = np.random.default_rng(0)
    of_group = rng.normal(3, 2, 50)
    repeated = paired_standard_error(np.repeat(of_group, 4), np.repeat(np.arange(50), 4))
    wanted = of_group.std(ddof=1) / 50**0.5
    np.testing.assert_allclose(repeated, wanted)
    np.testing.assert_allclose(paired_standard_error(of_group, np.arange(50)), wanted)
    assert paired_standard_error(of_group, np.zeros(50, int)) == np.inf
