"""K-means of each stratum, held to scikit-learn and to slow twins."""

import numpy as np
import pytest
from points import annotated_table, random_lonlat
from sklearn.cluster import KMeans

from minortom.grid.sphere import unit_vectors
from minortom.reporting.measures import measure_tiles
from minortom.sampling import kmeans
from minortom.sampling.baselines import random_selection
from minortom.sampling.kmeans import k_means_selection, lloyd, nearest_free, start
from minortom.sampling.strata import Tiles


def scattered(count, seed=0):
    """Return points in clumps of different width and size, as the tiles of a stratum lie."""
    rng = np.random.default_rng(seed)
    lon, lat = random_lonlat(count, seed)
    clump = rng.integers(4, size=count)
    return unit_vectors(lon / (1 + 3 * clump) + 70 * clump, lat / (1 + clump))


def inertia(points, centres):
    """Return the sum of squared chords to the nearest centre."""
    chords2 = np.square(points[:, None] - centres[None]).sum(axis=2)
    return chords2.min(axis=1).sum()


def drawn(points, count, num_fixed=0, seed=0):
    return start(points, count, num_fixed, np.random.default_rng(seed).random((count, 5)))


@pytest.mark.parametrize("count", [2, 12, 60, 200])  # 60 and more: not all centres are examined
def test_the_clusters_are_as_tight_as_those_of_scikit_learn_from_the_same_start(count):
    points = scattered(3000)
    members, of_point = drawn(points, count)
    centres = lloyd(points, points[members], of_point, 0)
    theirs = KMeans(count, init=points[members], n_init=1).fit(points).cluster_centers_
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)

    assert inertia(points, centres) == pytest.approx(inertia(points, theirs), rel=0.01)
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 1)


def test_the_start_is_as_tight_as_that_of_scikit_learn():
    points = scattered(2000, 5)
    ours = [inertia(points, points[drawn(points, 40, seed=seed)[0]]) for seed in range(20)]
    theirs = [
        KMeans(40, n_init=1, max_iter=1, random_state=seed).fit(points) for seed in range(20)
    ]  # its inertia is that before the first move

    assert np.mean(ours) == pytest.approx(np.mean([fit.inertia_ for fit in theirs]), rel=0.2)
    assert np.mean(ours) < 0.9 * np.mean(
        [inertia(points, points[np.random.default_rng(s).choice(2000, 40)]) for s in range(20)]
    )


@pytest.mark.parametrize("num_fixed", [0, 3, 50])
def test_each_round_is_that_of_a_plain_implementation(num_fixed, monkeypatch):
    points = scattered(900, 2)
    members, of_point = drawn(points, 60, num_fixed)
    monkeypatch.setattr(kmeans, "MAX_ROUNDS", 4)
    centres = points[members]
    for _ in range(4):
        nearest = np.square(points[:, None] - centres[None]).sum(axis=2).argmin(axis=1)
        for c in range(num_fixed, 60):
            mean = points[nearest == c].mean(axis=0)
            centres[c] = mean / np.linalg.norm(mean)

    np.testing.assert_allclose(lloyd(points, points[members], of_point, num_fixed), centres)
    np.testing.assert_array_equal(members[:num_fixed], np.arange(num_fixed))


def test_the_kernels_give_the_same_compiled_and_interpreted():
    points = scattered(300, 7)
    draws = np.random.default_rng(1).random((25, 4))
    compiled = start(points, 25, 2, draws)
    plain = {
        name: getattr(kmeans, name).py_func
        for name in ("start", "_drawn", "_sums_with", "_moved", "distance2")
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, function in plain.items():
            patch.setattr(kmeans, name, function)
        interpreted = kmeans.start(points, 25, 2, draws)
        slow = lloyd(points, points[interpreted[0]], interpreted[1].copy(), 2)

    for ours, theirs in zip(compiled, interpreted, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(lloyd(points, points[compiled[0]], compiled[1], 2), slow)


@pytest.mark.parametrize("spread", [1.0, 0.02])  # far apart; and 30 centres among few tiles
def test_the_closest_free_pairs_are_matched_first(spread):
    points = unit_vectors(*random_lonlat(200, 3))
    lon, lat = random_lonlat(30, 4)
    centres = unit_vectors(lon * spread, lat * spread)
    chords2 = np.square(centres[:, None] - points[None]).sum(axis=2)
    wanted = np.empty(30, np.int64)
    for _ in range(30):
        centre, point = np.unravel_index(np.argmin(chords2), chords2.shape)
        wanted[centre] = point
        chords2[centre], chords2[:, point] = np.inf, np.inf

    np.testing.assert_array_equal(nearest_free(centres, points), wanted)


def test_as_many_centres_as_points_in_one_place_take_all_points():
    points = unit_vectors(np.full(40, 3.0), np.full(40, 50.0))
    assert sorted(nearest_free(points, points)) == list(range(40))


def test_centres_leave_the_surroundings_of_a_kept_tile_to_it():
    lon, lat = np.meshgrid(np.linspace(-5, 5, 30), np.linspace(-5, 5, 30))
    tiles = Tiles.of_table(annotated_table(lon.ravel(), lat.ravel(), ["A/x"] * 900))
    kept = np.zeros(900, np.bool_)
    kept[[31, 32, 33]] = True  # next to each other in one corner
    rows = k_means_selection(tiles, np.array([12]), seed=0, kept=kept)
    others = rows[~kept[rows]]

    assert kept[rows].sum() == 3 and len(others) == 9
    chords = np.linalg.norm(tiles.points[others][:, None] - tiles.points[[31, 32, 33]], axis=2)
    assert np.degrees(chords.min()) > 2
    assert chords.min() < np.linalg.norm(tiles.points[0] - tiles.points[-1]) / 2


def test_fewer_places_than_centres_give_each_place_a_tile():
    lon = np.repeat([0.0, 20, 40, 60, 80], 30)
    tiles = Tiles.of_table(annotated_table(lon, lon / 2, ["A/x"] * 150))
    rows = k_means_selection(tiles, np.array([12]), seed=3)

    assert len(set(rows)) == 12
    assert set(lon[rows]) == {0, 20, 40, 60, 80}


def test_two_opposite_points_have_a_centre():
    tiles = Tiles.of_table(annotated_table([0.0, 180], [0.0, 0], ["A/x"] * 2))
    assert len(k_means_selection(tiles, np.array([1]), seed=0)) == 1


def test_the_selection_covers_its_stratum_better_than_a_random_draw():
    lon, lat = random_lonlat(3000, 9)
    tiles = Tiles.of_table(annotated_table(lon, lat, ["A/x"] * 2000 + ["B/y"] * 1000))
    sizes = np.array([50, 50])
    cover = []
    for method in (k_means_selection, random_selection):
        mask = np.zeros(3000, np.bool_)
        mask[method(tiles, sizes, seed=0)] = True
        cover.append(measure_tiles(tiles, mask, sizes).cover_km)

    assert cover[0] < 0.8 * cover[1]
