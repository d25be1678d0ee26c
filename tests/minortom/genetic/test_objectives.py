import numpy as np
import pytest
from points import distances_km, random_lonlat

from minortom.genetic import objectives, subset_kernels
from minortom.genetic.algorithm import evolve
from minortom.genetic.objectives import CODES, NUM_BINS, objective, scores
from minortom.genetic.options import GeneticOptions, Stratum
from minortom.grid.sphere import unit_vectors


@pytest.fixture(scope="module")
def lonlat():
    return random_lonlat(40, seed=2)


@pytest.fixture(scope="module")
def pairs_km(lonlat):
    return distances_km(*lonlat)[np.triu_indices(40, 1)]


def value_of(name, lonlat):
    return objective(unit_vectors(*lonlat), np.arange(len(lonlat[0])), CODES[name])


def shannon(shares):
    shares = shares[shares > 0]
    return -(shares * np.log(shares)).sum()


def test_histogram_entropy_is_shannons_of_the_histogram(lonlat, pairs_km):
    counts, _ = np.histogram(pairs_km, NUM_BINS, range=(0, objectives.HALF_CIRCUMFERENCE_KM))

    assert value_of("histogram-entropy", lonlat) == pytest.approx(shannon(counts / counts.sum()))


def test_distance_entropy_is_shannons_of_the_shares(lonlat, pairs_km):
    expected = shannon(pairs_km / pairs_km.sum())

    assert value_of("distance-entropy", lonlat) == pytest.approx(expected)


def test_mean_and_minimum_distance(lonlat, pairs_km):
    assert value_of("mean-distance", lonlat) == pytest.approx(pairs_km.mean())
    assert value_of("min-distance", lonlat) == pytest.approx(pairs_km.min())


def test_three_equal_distances_have_the_entropy_of_three():
    corners = np.array([0.0, 120.0, 240.0]), np.zeros(3)

    assert value_of("distance-entropy", corners) == pytest.approx(np.log(3))
    assert value_of("histogram-entropy", corners) == pytest.approx(0)


@pytest.mark.parametrize("name", CODES)
def test_duplicates_and_single_points_have_a_finite_value(name):
    everywhere = np.full(5, 3.0), np.full(5, 90.0)

    assert np.isfinite(value_of(name, everywhere))
    assert value_of(name, (np.zeros(1), np.zeros(1))) == 0


def test_scores_include_fixed_members(lonlat):
    points = unit_vectors(*lonlat)
    rows = np.array([[-1, 5, 7], [3, 8, 9]])
    expected = [
        objective(points, np.array(members), CODES["mean-distance"])
        for members in ([0, 1, 5, 7], [0, 1, 3, 8, 9])
    ]

    np.testing.assert_allclose(scores(points, rows, 2, CODES["mean-distance"]), expected)


@pytest.mark.parametrize("name", CODES)
def test_the_search_raises_each_objective_above_random_sets(name):
    points = unit_vectors(*random_lonlat(200, seed=4))
    stratum = Stratum.alone(points, size=15)
    options = GeneticOptions(
        objective=name, generations=80, population=10, swap_rounds=0, coverage_weight=0,
        within_weight=0,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    drawn = np.array([subset_kernels.draw(15, 15, 0, 200, rng.random(15)) for _ in range(300)])

    found = evolve(stratum, options, seed=np.random.SeedSequence(0))

    by_chance = scores(points, drawn, 0, CODES[name])
    assert found.best_by_generation[-1] > by_chance.max()
    assert found.best_by_generation[-1] == pytest.approx(
        objective(points, found.members, CODES[name])
    )
