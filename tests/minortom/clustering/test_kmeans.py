"""K-means out of core, held to arithmetic, to slow twins and to scikit-learn."""

from pathlib import Path

import numpy as np
import pytest
from embedding_maker import clumped
from sklearn.cluster import KMeans

from minortom.clustering import kmeans, vectors
from minortom.clustering.kmeans import State, assign, draw_start, lloyd
from minortom.clustering.nearest import open_search
from minortom.clustering.vectors import ArrayVectors, VectorFile, rows_of
from minortom.errors import InputError


def ignore(_):
    pass


def unit(values):
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def trained(values, state, *, metric="euclidean", weights=None, iterations=25, workers=1):
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, float)
    with open_search(metric, workers) as search:
        return lloyd(
            ArrayVectors(values), state, search=search, weight_n=weights, iterations=iterations,
            on_state=ignore, on_vectors=ignore,
        )  # fmt: skip


def start_of(values, count, *, metric="euclidean", seed=0, weights=None):
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, float)
    with open_search(metric, 1) as search:
        return draw_start(
            ArrayVectors(values), count, search=search, weight_n=weights,
            generator=np.random.default_rng(seed),
        )  # fmt: skip


def inertia(values, centres):
    distances = np.square(values[:, None].astype(float) - centres[None]).sum(axis=2)
    return distances.min(axis=1).sum()


@pytest.mark.parametrize("metric", ["euclidean", "spherical"])
def test_each_vector_gets_its_nearest_centre_as_by_all_distances(metric, monkeypatch):
    monkeypatch.setattr(vectors, "BLOCK_ROWS", 37)
    values, _ = clumped(200, spread=2.0)
    values = unit(values).astype(np.float32) if metric == "spherical" else values
    centres = values[:9]
    distances = np.square(values[:, None].astype(float) - centres[None]).sum(axis=2)
    weights = np.arange(1.0, 201)

    with open_search(metric, 2) as search:
        found = assign(ArrayVectors(values), centres, search, weights, ignore)

    np.testing.assert_array_equal(found.label_n, distances.argmin(axis=1))
    np.testing.assert_allclose(found.distance_n, distances.min(axis=1), atol=1e-3)
    for k in range(9):
        members = found.label_n == k
        np.testing.assert_allclose(found.sum_kD[k], weights[members] @ values[members], rtol=1e-5)
        assert found.total_k[k] == weights[members].sum()


@pytest.mark.parametrize("count", [3, 20, 60])
def test_the_clusters_are_as_tight_as_those_of_scikit_learn_from_the_same_start(count):
    values, _ = clumped(1500, spread=1.0, seed=2)
    first = values[:count]
    ours = trained(values, State(centre_kD=first))
    theirs = KMeans(count, init=first, n_init=1).fit(values)

    assert inertia(values, ours.centre_kD) <= 1.005 * theirs.inertia_


def test_from_starts_of_their_own_both_are_as_tight():
    values, _ = clumped(4000, clumps=60, width=16, spread=0.8, seed=3)
    theirs = [KMeans(60, n_init=1, random_state=seed).fit(values).inertia_ for seed in range(5)]
    ours = [
        inertia(values, trained(values, start_of(values, 60, seed=seed)).centre_kD)
        for seed in range(5)
    ]

    assert np.mean(ours) <= 1.03 * np.mean(theirs)


def test_spherical_centres_are_the_directions_of_the_sums():
    values = unit(clumped(300, spread=1.0)[0]).astype(np.float32)
    with open_search("spherical", 1) as search:
        before = assign(ArrayVectors(values), values[:4], search, np.ones(300), ignore)

    state = trained(values, State(centre_kD=values[:4]), metric="spherical", iterations=1)

    expected = unit(np.stack([values[before.label_n == k].sum(axis=0) for k in range(4)]))
    np.testing.assert_allclose(state.centre_kD, expected, atol=1e-5)


def test_a_weight_counts_as_so_many_vectors():
    values, _ = clumped(120, spread=1.0)
    weights = np.random.default_rng(1).integers(1, 5, 120)
    first = State(centre_kD=values[:6])

    weighted = trained(values, first, weights=weights)
    repeated = trained(np.repeat(values, weights, axis=0), first)

    np.testing.assert_allclose(weighted.centre_kD, repeated.centre_kD, atol=1e-5)
    assert weighted.inertia == pytest.approx(repeated.inertia, rel=1e-6)


def test_a_centre_without_vectors_moves_to_the_farthest_vector():
    values = np.float32([[0, 0], [0, 1], [1, 0], [9, 9]])
    nowhere = np.float32([[0, 0], [100, 100]])

    state = trained(values, State(centre_kD=nowhere), iterations=1)
    np.testing.assert_array_equal(state.centre_kD[1], [9, 9])
    state = trained(values, State(centre_kD=nowhere))
    np.testing.assert_allclose(state.centre_kD, [[1 / 3, 1 / 3], [9, 9]], rtol=1e-6)


def test_the_start_finds_each_clump_where_random_vectors_miss_rare_ones():
    clump = np.repeat(np.arange(10), [900, *[2] * 9])
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(10, 16)) * 5)[clump] + rng.normal(size=(len(clump), 16)) * 0.1
    values = values.astype(np.float32)
    for seed in range(5):
        centres = start_of(values, 10, seed=seed).centre_kD
        nearest = np.square(values[:, None] - centres[None]).sum(axis=2).argmin(axis=0)
        assert sorted(clump[nearest]) == list(range(10))
    # Ten random vectors would all be in the first clump in four of five draws.


def test_the_start_takes_no_vector_of_weight_zero():
    values, _ = clumped(50)
    weights = np.arange(50) % 2
    centres = start_of(values, 20, weights=weights).centre_kD

    rows = [int(np.flatnonzero((values == centre).all(axis=1))[0]) for centre in centres]
    assert {row % 2 for row in rows} == {1}
    assert len(set(rows)) == 20


def test_fewer_different_vectors_than_clusters_are_refused():
    values = np.repeat(np.eye(3, dtype=np.float32), 5, axis=0)
    with pytest.raises(InputError, match=r"at least 4 different .* found 3; give a smaller --k"):
        start_of(values, 4)


def test_training_resumes_from_any_state_with_the_same_bits(monkeypatch):
    monkeypatch.setattr(kmeans, "TOLERANCE", 0.0)
    values, _ = clumped(800, spread=2.0, clumps=30)
    first = start_of(values, 12)
    whole = trained(values, first, iterations=9)
    part = trained(values, first, iterations=4)

    resumed = trained(values, State(centre_kD=part.centre_kD, inertia=part.inertia), iterations=9)

    np.testing.assert_array_equal(resumed.centre_kD, whole.centre_kD)
    assert resumed.inertia == whole.inertia
    assert list(whole.inertia) == sorted(whole.inertia, reverse=True)


def test_training_stops_when_the_inertia_no_longer_falls():
    values, _ = clumped(500, spread=0.05)
    state = trained(values, start_of(values, 5), iterations=100)

    assert len(state.inertia) < 10
    assert state.inertia[-2] - state.inertia[-1] <= kmeans.TOLERANCE * state.inertia[-2]


def test_a_file_of_vectors_reads_what_was_written(tmp_path: Path):
    values, _ = clumped(100)
    with VectorFile(tmp_path / "vectors", 8) as file:
        file.write(0, values[:60])
        file.write(60, values[60:])
        assert len(file) == 100
        np.testing.assert_array_equal(file.read(10, 70), values[10:70])
        assert file.read(5, 5).shape == (0, 8)
        np.testing.assert_array_equal(rows_of(file, np.array([99, 3])), values[[99, 3]])
        with pytest.raises(EOFError):
            file.read(90, 101)
