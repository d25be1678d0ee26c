from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from points import random_lonlat
from slow_score import random_stratum, slow_score

from minortom.errors import InputError
from minortom.genetic import kernels, subset_kernels
from minortom.genetic.algorithm import evolve
from minortom.genetic.options import GeneticOptions, Stratum
from minortom.grid.sphere import unit_vectors

UNWEIGHTED = {"coverage_weight": 0, "within_weight": 0}
PLAIN = GeneticOptions(generations=60, population=10, swap_rounds=0, **UNWEIGHTED)
MEMETIC = GeneticOptions(generations=8, population=4, swap_rounds=5)


def stratum_of(count, size, *, num_fixed=0, seed=0):
    points = unit_vectors(*random_lonlat(count, seed))
    return Stratum.alone(points, size=size, num_fixed=num_fixed)


def best_by_enumeration(stratum, score):
    fixed = tuple(range(stratum.num_fixed))
    free = range(stratum.num_fixed, len(stratum.points))
    subsets_of_free = combinations(free, stratum.size - stratum.num_fixed)
    return max(score(np.array(fixed + chosen)) for chosen in subsets_of_free)


@st.composite
def rows(draw, width=6, low=2, high=14):
    members = draw(st.sets(st.integers(low, high - 1), min_size=1, max_size=width))
    row = np.full(width, subset_kernels.EMPTY)
    row[width - len(members) :] = sorted(members)
    return row


def assert_is_subset(row, low=2, high=14):
    members = subset_kernels.members_of(row)
    assert (row[: len(row) - len(members)] == subset_kernels.EMPTY).all()
    assert (np.diff(members) > 0).all()
    assert not len(members) or (members[0] >= low and members[-1] < high)


@settings(deadline=None)
@given(rows(), rows(), st.integers(0, 99))
def test_children_share_what_parents_share_and_divide_the_rest(first, second, seed):
    uniforms = np.random.default_rng(seed).random(12)
    children = subset_kernels.recombine(first, second, uniforms)

    a, b, one, two = (set(subset_kernels.members_of(row)) for row in (first, second, *children))
    assert one & two == a & b
    assert one | two == a | b
    assert abs(len(one) - len(two)) <= 1
    for child in children:
        assert_is_subset(child)


@settings(deadline=None)
@given(rows(), st.floats(0, 1), st.booleans(), st.integers(0, 99))
def test_an_exact_mutation_returns_a_subset_of_the_same_size(row, rate, exact, seed):
    mutant = subset_kernels.mutate(
        row, rate, 2, 14, exact, np.random.default_rng(seed).random((3, 6))
    )

    assert_is_subset(mutant)
    if exact:
        assert len(subset_kernels.members_of(mutant)) == len(subset_kernels.members_of(row))


def test_a_mutation_of_rate_one_replaces_all_members_and_of_rate_zero_none():
    row, uniforms = np.array([-1, 3, 5, 9]), np.random.default_rng(0).random((3, 4))

    np.testing.assert_array_equal(subset_kernels.mutate(row, 0.0, 2, 14, True, uniforms), row)
    mutant = subset_kernels.members_of(subset_kernels.mutate(row, 1.0, 2, 14, True, uniforms))
    assert len(mutant) == 3
    assert not set(mutant) & {3, 5, 9}


@settings(deadline=None)
@given(rows(), st.integers(0, 99))
def test_a_row_with_a_size_out_of_range_gets_the_target_size(row, seed):
    fitted = subset_kernels.fit(row, 3, 4, 5, 2, 14, np.random.default_rng(seed).random(6))

    before, after = set(subset_kernels.members_of(row)), set(subset_kernels.members_of(fitted))
    assert_is_subset(fitted)
    if len(before) > 5:
        assert len(after) == 4
        assert after < before
    elif len(before) < 3:
        assert len(after) == 4
        assert after > before
    else:
        assert after == before


def test_each_subset_is_drawn_equally_often():
    rng = np.random.default_rng(0)
    drawn = [tuple(subset_kernels.draw(2, 2, 1, 6, rng.random(2)).tolist()) for _ in range(10_000)]
    pairs, counts = np.unique(drawn, axis=0, return_counts=True)

    assert len(pairs) == 10
    assert counts.min() > 880  # 1000 expected, standard deviation 30
    assert counts.max() < 1120


@pytest.mark.parametrize(
    ("count", "size", "num_fixed"), [(9, 4, 0), (10, 3, 1), (12, 2, 0), (7, 6, 2), (8, 1, 0)]
)
def test_a_tiny_stratum_gets_the_best_of_all_subsets(count, size, num_fixed):
    stratum = random_stratum(count, size, foreign=4, num_fixed=num_fixed, seed=count)

    found = evolve(stratum, MEMETIC, seed=np.random.SeedSequence(0))

    assert set(range(num_fixed)) <= set(found.members)
    assert len(found.members) == size
    best = best_by_enumeration(
        stratum,
        lambda members: slow_score(
            stratum, members, coverage_weight=MEMETIC.coverage_weight,
            within_weight=MEMETIC.within_weight,
        ),
    )  # fmt: skip
    assert found.best_by_generation[-1] == pytest.approx(best, abs=1e-9)


def test_the_plain_algorithm_finds_the_best_subset_too():
    stratum = stratum_of(9, 4, seed=9)

    found = evolve(stratum, PLAIN, seed=np.random.SeedSequence(0))

    best = best_by_enumeration(stratum, lambda members: kernels.entropy(stratum.points, members))
    assert found.best_by_generation[-1] == pytest.approx(best, abs=1e-9)


def test_the_best_score_never_falls_and_is_the_score_of_the_members():
    stratum = stratum_of(300, 20)

    found = evolve(stratum, PLAIN, seed=np.random.SeedSequence(0))

    assert (np.diff(found.best_by_generation) >= 0).all()
    assert found.best_by_generation[-1] > found.best_by_generation[0] + 0.3
    assert found.best_by_generation[-1] == pytest.approx(
        kernels.entropy(stratum.points, found.members)
    )


def test_swaps_within_generations_beat_generations_alone():
    stratum = stratum_of(2000, 50)

    plain = evolve(stratum, PLAIN, seed=np.random.SeedSequence(0))
    memetic = evolve(stratum, GeneticOptions(**UNWEIGHTED), seed=np.random.SeedSequence(0))

    assert memetic.best_by_generation[-1] > plain.best_by_generation[-1] + 0.3


def test_the_same_seed_finds_the_same_members_and_another_seed_others():
    stratum = stratum_of(400, 20)
    runs = [evolve(stratum, PLAIN, seed=np.random.SeedSequence(seed)).members for seed in (0, 0, 1)]

    np.testing.assert_array_equal(runs[0], runs[1])
    assert set(runs[0]) != set(runs[2])


def test_the_result_is_never_worse_than_the_start():
    stratum = stratum_of(500, 20)
    good = evolve(stratum, GeneticOptions(), seed=np.random.SeedSequence(0))
    short = GeneticOptions(population=2, swap_rounds=0)

    found = evolve(stratum, short, seed=np.random.SeedSequence(1), seeds=[good.members])

    np.testing.assert_array_equal(found.members, good.members)


@pytest.mark.parametrize("num_fixed", [0, 5])
def test_a_tolerance_lets_the_number_vary_within_its_range(num_fixed):
    stratum = stratum_of(300, 20, num_fixed=num_fixed)
    options = GeneticOptions(generations=40, population=10, swap_rounds=0, tolerance=0.1)

    sizes = {
        len(evolve(stratum, options, seed=np.random.SeedSequence(seed)).members)
        for seed in range(5)
    }

    assert sizes <= {18, 19, 20, 21, 22}
    assert sizes != {20}


@pytest.mark.parametrize(
    "wrong",
    [
        {"generations": 0}, {"population": 0}, {"crossover_rate": 1.1},
        {"mutation_rate": -0.1}, {"tolerance": 1.0}, {"swap_rounds": -1}, {"objective": "best"},
        {"objective": "mean-distance", "swap_rounds": 1, **UNWEIGHTED},
        {"objective": "mean-distance", "swap_rounds": 0},
        {"coverage_weight": -1}, {"coverage_weight": np.inf}, {"within_weight": np.nan},
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_refused(wrong):
    with pytest.raises(InputError, match="must"):
        GeneticOptions(**wrong)
