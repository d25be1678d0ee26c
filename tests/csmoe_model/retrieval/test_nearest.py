"""Nearest vectors by cosine, compared with sorting all vectors."""

import sys

import numpy as np
import pytest

from csmoe_model.retrieval.nearest import nearest, unit
from minortom.errors import InputError


def vectors(count, width=16, seed=0):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def test_the_nearest_vectors_equal_those_of_a_full_sort():
    query, archive = vectors(7, seed=1), vectors(300) * 5
    number, cosine = nearest(query, archive, 10)
    every = np.array(
        [[q @ a / np.linalg.norm(q) / np.linalg.norm(a) for a in archive] for q in query]
    )
    np.testing.assert_array_equal(number, np.argsort(-every, axis=1)[:, :10])
    np.testing.assert_allclose(cosine, -np.sort(-every, axis=1)[:, :10], atol=1e-5)


def test_a_small_archive_is_returned_whole():
    number, _ = nearest(vectors(2, seed=1), vectors(3), 10, index="ivf")
    assert sorted(number[0].tolist()) == [0, 1, 2]


def test_the_index_finds_most_neighbours_and_depends_on_its_seed_alone():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(60, 32))
    archive = (centres[rng.integers(0, 60, 20_000)] + 0.3 * rng.normal(size=(20_000, 32))).astype(
        "f4"
    )
    query = (centres[:50] + 0.3 * rng.normal(size=(50, 32))).astype("f4")
    exact, _ = nearest(query, archive, 10)
    quick, _ = nearest(query, archive, 10, index="ivf", seed=3)
    found = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, quick, strict=True)])
    assert found > 0.9
    np.testing.assert_array_equal(quick, nearest(query, archive, 10, index="ivf", seed=3)[0])


def test_the_index_takes_seeds_above_those_of_faiss():
    query, archive = vectors(5, seed=1), vectors(400)
    large, _ = nearest(query, archive, 10, index="ivf", seed=5 * 2**31 + 3)
    np.testing.assert_array_equal(large, nearest(query, archive, 10, index="ivf", seed=3)[0])


def test_more_vectors_than_the_searched_cells_hold_are_found():
    query, archive = vectors(3, seed=1), vectors(4000)
    number, cosine = nearest(query, archive, 900, index="ivf")
    wanted, _ = nearest(query, archive, 900)
    assert [set(row) for row in number.tolist()] == [set(row) for row in wanted.tolist()]
    assert (np.diff(cosine, axis=1) <= 0).all()


def test_a_vector_of_zeros_stays_a_vector_of_zeros():
    assert unit(np.zeros((2, 4), np.float32)).tolist() == [[0.0] * 4] * 2


def test_without_faiss_the_error_names_the_package_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match=r"pip install 'minortom\[evaluate\]'"):
        nearest(vectors(1), vectors(1), 1)
