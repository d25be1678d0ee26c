import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from points import RADIUS_KM, distances_km, haversine_km, random_lonlat
from scipy.special import digamma

import minortom
from minortom.engine.numba_jit import compiled
from minortom.genetic import kernels
from minortom.genetic.pairwise_distance import mean_pairwise_by_bins_km, mean_pairwise_km
from minortom.grid.sphere import EARTH_RADIUS_KM, chord_of_km, km_of_chord, unit_vectors


@pytest.fixture(scope="module")
def lonlat():
    return random_lonlat(60, seed=3)


@pytest.fixture(scope="module")
def points(lonlat):
    return unit_vectors(*lonlat)


def slow_entropy(distance_km):
    """Kozachenko-Leonenko, from a matrix of distances."""
    others = distance_km + np.diag(np.full(len(distance_km), np.inf))
    nearest_km = np.maximum(others.min(axis=1), 0.001)
    cap_km2 = 2 * np.pi * RADIUS_KM**2 * (1 - np.cos(nearest_km / RADIUS_KM))
    return digamma(len(distance_km)) - digamma(1) + np.log(cap_km2).mean()


def test_chords_give_the_distances_of_the_haversine_formula(lonlat, points):
    chords = np.linalg.norm(points[:, None] - points[None], axis=2)

    np.testing.assert_allclose(km_of_chord(chords), distances_km(*lonlat), atol=1e-6)


def test_antipodes_are_half_a_circumference_apart():
    assert km_of_chord(2.0) == pytest.approx(np.pi * RADIUS_KM)
    assert km_of_chord(2.0 + 1e-12) == pytest.approx(np.pi * RADIUS_KM)
    assert km_of_chord(chord_of_km(123.0)) == pytest.approx(123.0)


def test_entropy_is_the_estimators_formula_written_out(lonlat, points):
    expected = slow_entropy(distances_km(*lonlat))

    assert kernels.entropy(points, np.arange(60)) == pytest.approx(expected, rel=1e-9)


def test_entropy_of_uniform_points_is_the_logarithm_of_the_earths_area():
    points = unit_vectors(*random_lonlat(4000, seed=1))
    area_km2 = 4 * np.pi * RADIUS_KM**2

    # The estimator's standard deviation at 4000 points is about 0.02.
    assert kernels.entropy(points, np.arange(4000)) == pytest.approx(np.log(area_km2), abs=0.08)


def test_entropy_does_not_change_under_rotation():
    lon, lat = np.linspace(0, 40, 30), np.linspace(-20, 20, 30) + np.tile([0, 3], 15)
    points = unit_vectors(lon, lat)
    at_antimeridian = unit_vectors(lon + 160, lat)
    at_pole = points[:, [2, 1, 0]]

    here = kernels.entropy(points, np.arange(30))
    assert kernels.entropy(at_antimeridian, np.arange(30)) == pytest.approx(here, rel=1e-12)
    assert kernels.entropy(at_pole, np.arange(30)) == pytest.approx(here, rel=1e-12)


def test_entropy_of_less_than_two_points_is_zero(points):
    assert kernels.entropy(points, np.array([5])) == 0
    assert kernels.entropy(points, np.array([], np.int64)) == 0


def test_duplicates_lower_the_entropy_and_leave_it_finite():
    apart = unit_vectors([0, 10, 20, 30], [0, 0, 0, 0])
    twice = unit_vectors([0, 10, 20, 20], [0, 0, 0, 0])
    everywhere = unit_vectors([5, 5, 5, 5], [1, 1, 1, 1])
    members = np.arange(4)

    values = [kernels.entropy(points, members) for points in (apart, twice, everywhere)]
    assert np.isfinite(values).all()
    assert values == sorted(values, reverse=True)


def test_mean_pairwise_distance_is_the_mean_of_the_matrix(lonlat, points):
    expected = distances_km(*lonlat)[np.triu_indices(60, 1)].mean()

    assert mean_pairwise_km(points) == pytest.approx(expected, rel=1e-12)
    assert np.isnan(mean_pairwise_km(points[:1]))


@pytest.mark.parametrize("degrees", [180, 5, 0.01], ids=["the globe", "a region", "a town"])
def test_counting_chords_gives_the_mean_distance_to_a_millionth(degrees):
    rng = np.random.default_rng(2)
    lon, lat = rng.uniform(-degrees, degrees, (2, 1300)) / [[1], [2]]  # three calls
    points = unit_vectors(lon, lat)

    assert mean_pairwise_by_bins_km(points) == pytest.approx(mean_pairwise_km(points), rel=1e-6)


def test_counting_chords_of_one_place_and_of_antipodes(points):
    assert np.isnan(mean_pairwise_by_bins_km(points[:1]))
    assert mean_pairwise_by_bins_km(np.repeat(points[:1], 3, axis=0)) < 1e-6
    antipodes = np.stack([points[0], -points[0]])
    half_round = np.pi * EARTH_RADIUS_KM
    assert mean_pairwise_by_bins_km(antipodes) == pytest.approx(half_round, rel=0.01)


def test_farthest_point_takes_the_farthest_each_time(lonlat, points):
    members = np.array([7, 3, 0, 0, 0, 0])
    kernels.farthest_point(points, members, 2)

    for position in range(2, 6):
        before = members[:position]
        to_nearest = haversine_km(
            lonlat[0][:, None], lonlat[1][:, None], lonlat[0][before], lonlat[1][before]
        ).min(axis=1)
        assert members[position] == np.argmax(to_nearest)


def test_farthest_point_takes_no_tile_twice_even_among_duplicates():
    points = unit_vectors(np.zeros(6), np.zeros(6))
    members = np.zeros(6, np.int64)
    kernels.farthest_point(points, members, 1)

    assert sorted(members) == list(range(6))


_PRINT_RESULTS = """
import numpy as np
from minortom.genetic import kernels
from minortom.genetic import subset_kernels as subsets
from minortom.genetic.options import GeneticOptions, Stratum
from minortom.genetic.pairwise_distance import mean_pairwise_km
from minortom.genetic.score import StratumScore
from minortom.grid.sphere import unit_vectors
from minortom.sampling.other_strata import ChosenTiles
rng = np.random.default_rng(0)
points = unit_vectors(rng.uniform(-180, 180, 80), rng.uniform(-90, 90, 80))
members = np.arange(10)
others = ChosenTiles(points, [members, np.arange(70, 80)]).around(points[:70], 0)
stratum = Stratum(
    points=points[:70], num_fixed=1, size=10, is_reference=rng.random(70) < 0.9, **vars(others)
)
tried = rng.integers(0, 70, 300)
members, _, score = StratumScore(stratum, GeneticOptions()).improved(members, tried)
row = subsets.draw(8, 6, 2, 40, rng.random(6))
children = subsets.recombine(row, subsets.draw(8, 6, 2, 40, rng.random(6)), rng.random(16))
changed = subsets.mutate(children[0], 0.5, 2, 40, False, rng.random((3, 8)))
fitted = subsets.fit(changed, 4, 4, 4, 2, 40, rng.random(8))
greedy = np.zeros(9, np.int64)
kernels.farthest_point(points, greedy, 1)
print(score.hex(), members, kernels.entropy(points, members).hex())
print(children, changed, fitted, greedy)
print(float(mean_pairwise_km(points)).hex())
"""


def _results(**environment):
    done = subprocess.run(
        [sys.executable, "-c", _PRINT_RESULTS],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_compiled_and_interpreted_kernels_give_the_same_bits():
    compiled = _results()

    assert compiled.count("0x1.") == 3
    assert _results(NUMBA_DISABLE_JIT="1") == compiled


def test_kernels_run_where_no_cache_can_be_written(tmp_path, points):
    # Numba tries the module's folder, then the user's cache: a file stands in the way of both
    # (permissions would not stop root).
    package = Path(minortom.__file__).parent
    shutil.copytree(package, tmp_path / "minortom", ignore=shutil.ignore_patterns("__pycache__"))
    copy = tmp_path / "minortom" / Path(kernels.__file__).relative_to(package)
    no_folder = copy.with_name("__pycache__")
    no_folder.write_text("no folder")
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    environment |= dict.fromkeys(("HOME", "XDG_CACHE_HOME"), str(no_folder))
    code = (
        "import sys; import numpy as np; from minortom.genetic import kernels; "
        "print(kernels.__file__); "
        "print(kernels.entropy(np.load(sys.argv[1]), np.arange(60)).hex())"
    )
    np.save(tmp_path / "points.npy", points)

    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "points.npy")],
        cwd=tmp_path, env=environment, check=False, capture_output=True, text=True,
    )  # fmt: skip

    expected = kernels.entropy(points, np.arange(60)).hex()
    assert done.stdout.split() == [str(copy), expected], done.stderr
    assert not list(tmp_path.rglob("*.nbi"))


def test_a_function_that_numba_cannot_cache_is_compiled():
    kernel = compiled(eval("lambda x: x + 1"))  # from no file: numba has no place for its code

    assert kernel(1) == 2
    assert kernel.nopython_signatures
