"""The swap search against its slow twin, and the score against its formula."""

from dataclasses import replace

import numpy as np
import pytest
from points import random_lonlat
from slow_score import random_stratum, slow_score, terms

from minortom.genetic import ball_tree, candidate_gains, kernels, score
from minortom.genetic import search_state as search_state_module
from minortom.genetic import swap_search as swap_search_module
from minortom.genetic.options import GeneticOptions, Stratum
from minortom.genetic.score import StratumScore
from minortom.genetic.search_state import arc_of, search_state
from minortom.genetic.swap_search import Weights, swap_search
from minortom.grid.sphere import km_of_chord, unit_vectors

WEIGHTS = {"coverage_weight": 1.5, "within_weight": 0.2}
OPTIONS = GeneticOptions(**WEIGHTS)


def slow_search(stratum, members, candidates):
    """Return the members after trying each candidate with full recomputations."""
    members, swaps = list(members), 0
    for candidate in candidates:
        if candidate in members:
            continue
        before, k = terms(stratum, np.array(members)), len(members)
        of_pairs = before.within * k * (k - 1) / 2 if k > 1 else 1
        rank = {}
        for leaves in range(stratum.num_fixed, k):
            swapped = np.array([*members[:leaves], candidate, *members[leaves + 1 :]])
            after = terms(stratum, swapped)
            others = np.delete(stratum.points[members], leaves, axis=0)
            gap = np.linalg.norm(others - stratum.points[members[leaves]], axis=1)
            rank[leaves] = (
                after.logs - before.logs
                - 2 * k * WEIGHTS["coverage_weight"] * (after.cover / before.cover - 1)
                - 2 * k * stratum.cover_weight * (after.other_cover / before.other_cover - 1)
                - 2 * k * WEIGHTS["within_weight"] * km_of_chord(gap).sum() / 6371.0088 / of_pairs
            )  # fmt: skip
        leaves = max(rank, key=rank.get)
        swapped = [*members[:leaves], candidate, *members[leaves + 1 :]]
        gain = slow_score(stratum, swapped, **WEIGHTS)
        gain -= before.score(**WEIGHTS, cover_weight=stratum.cover_weight)
        if gain > 1e-12:
            members, swaps = swapped, swaps + 1
    return members, swaps


def test_the_arc_is_the_haversine_distance_in_radians():
    chords = np.concatenate([[1e-8, 0.0999, 0.1, 0.1001], np.linspace(0.001, 2, 500)])

    found = [arc_of(chord**2) for chord in chords]
    np.testing.assert_allclose(found, 2 * np.arcsin(chords / 2), rtol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3, 20])
@pytest.mark.parametrize("foreign", [0, 12])
@pytest.mark.parametrize("cover_dimensions", [0, 3, 6])
def test_the_score_is_its_formula_written_out(size, foreign, cover_dimensions):
    stratum = random_stratum(
        60, size, foreign=foreign, seed=size, cover_dimensions=cover_dimensions
    )
    members = np.random.default_rng(size).choice(60, size, replace=False)

    expected = slow_score(stratum, members, **WEIGHTS)
    assert StratumScore(stratum, OPTIONS).score(members) == pytest.approx(expected, abs=1e-9)


def test_without_weights_and_others_the_score_is_the_entropy():
    points = unit_vectors(*random_lonlat(60, 3))
    stratum = Stratum.alone(points, size=20)
    score = StratumScore(stratum, GeneticOptions(coverage_weight=0, within_weight=0))

    assert score.score(np.arange(20)) == pytest.approx(kernels.entropy(points, np.arange(20)))


@pytest.mark.parametrize(
    ("count", "size", "foreign", "num_fixed"),
    [(60, 12, 0, 0), (60, 12, 15, 2), (40, 1, 5, 0), (40, 2, 5, 1), (90, 50, 10, 0)],
)
@pytest.mark.parametrize("cover_dimensions", [0, 5])
def test_swap_search_does_what_its_slow_twin_does(
    count, size, foreign, num_fixed, cover_dimensions
):
    stratum = random_stratum(
        count, size, foreign=foreign, num_fixed=num_fixed, seed=size,
        cover_dimensions=cover_dimensions,
    )  # fmt: skip
    rng = np.random.default_rng(size)
    members = np.concatenate(
        [np.arange(num_fixed), num_fixed + rng.choice(count - num_fixed, size - num_fixed, False)]
    )
    candidates = rng.integers(num_fixed, count, 120)

    expected, swaps = slow_search(stratum, members, candidates)
    found, before, score = StratumScore(stratum, OPTIONS).improved(members, candidates)

    assert swaps > (2 if size > 2 else 0)
    np.testing.assert_array_equal(found, expected)
    assert before == pytest.approx(slow_score(stratum, members, **WEIGHTS), abs=1e-9)
    assert score == pytest.approx(slow_score(stratum, found, **WEIGHTS), abs=1e-9)


@pytest.mark.parametrize("cover_dimensions", [0, 5])
def test_the_state_after_swaps_is_that_of_a_fresh_start(cover_dimensions):
    # So many members that the tree finds the nearest.
    stratum = random_stratum(300, 280, foreign=20, cover_dimensions=cover_dimensions)
    score = StratumScore(stratum, OPTIONS)
    rng = np.random.default_rng(0)
    states = score.states(rng.choice(300, 270, replace=False))
    tiles = np.flatnonzero(~score.space.is_foreign)

    weights = Weights(1.5, stratum.cover_weight, 0.2)
    assert swap_search(states, 3, weights, rng.permutation(tiles)) > 5
    assert (states.cover is states.ground) == (cover_dimensions == 0)
    for state in (states.ground, states.cover):
        space, fresh = state.space, search_state(state.space, state.members)
        for name in ("removal_log", "removal_arc", "pair_arcs", "totals"):
            np.testing.assert_allclose(getattr(state, name), getattr(fresh, name), atol=1e-9)
        is_tile = ~space.is_foreign
        np.testing.assert_array_equal(state.near[:, is_tile], fresh.near[:, is_tile])
        limited = np.minimum(state.near, space.outside)  # of foreign tiles only nearer ones matter
        np.testing.assert_array_equal(limited, np.minimum(fresh.near, space.outside))


@pytest.mark.parametrize("cover_points", [None, np.zeros((30, 4))])
def test_swap_search_handles_duplicates_only(cover_points):
    stratum = Stratum.alone(unit_vectors(np.full(30, 12.0), np.full(30, 90.0)), size=10)
    stratum = replace(
        stratum, cover_points=cover_points, cover_weight=float(cover_points is not None)
    )

    found, *_ = StratumScore(stratum, OPTIONS).improved(np.arange(10), np.arange(30))
    assert len(set(found.tolist())) == 10


def test_compiled_and_interpreted_swap_searches_choose_the_same(monkeypatch):
    stratum = random_stratum(70, 12, foreign=8, cover_dimensions=5)
    members, candidates = np.arange(12), np.arange(70)
    compiled = StratumScore(stratum, OPTIONS).improved(members, candidates)
    for module in (ball_tree, candidate_gains, score, search_state_module, swap_search_module):
        for name, kernel in vars(module).items():
            if hasattr(kernel, "py_func"):
                monkeypatch.setattr(module, name, kernel.py_func)
    interpreted = StratumScore(stratum, OPTIONS).improved(members, candidates)

    np.testing.assert_array_equal(compiled[0], interpreted[0])
    assert compiled[1:] == interpreted[1:]


def test_the_unit_of_the_other_space_changes_no_choice():
    stratum = random_stratum(80, 12, foreign=8, cover_dimensions=4)
    larger = replace(stratum, cover_points=1000 * stratum.cover_points)
    members, candidates = np.arange(12), np.arange(80)
    here, there = (
        StratumScore(s, OPTIONS).improved(members, candidates) for s in (stratum, larger)
    )

    np.testing.assert_array_equal(here[0], there[0])
    assert here[2] - there[2] == pytest.approx(2 * stratum.cover_weight * np.log(1000))


def test_swap_search_leaves_a_set_of_fixed_members_alone():
    stratum = random_stratum(60, 5, num_fixed=5)

    found, *_ = StratumScore(stratum, OPTIONS).improved(np.arange(5), np.arange(60))
    np.testing.assert_array_equal(found, np.arange(5))


def test_a_rotation_of_the_sphere_changes_no_score():
    stratum = random_stratum(200, 20)
    turned = Stratum(**{**vars(stratum), "points": stratum.points[:, [2, 0, 1]]})
    members = np.arange(0, 200, 10)

    here, there = (StratumScore(s, OPTIONS).score(members) for s in (stratum, turned))
    assert there == pytest.approx(here, rel=1e-12)
