"""Clusters of clusters, held to the vectors themselves."""

from itertools import pairwise

import numpy as np
import pytest
from embedding_maker import clumped

from minortom.clustering.levels import Training, labels_of_levels
from minortom.clustering.nearest import open_search
from minortom.clustering.options import ClusterOptions
from minortom.clustering.vectors import ArrayVectors


def unit(values):
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def run(values, work, *, workers=1, k=(40, 8, 3), metric="euclidean", per_cluster=256):
    options = ClusterOptions(k=k, metric=metric, vectors_per_cluster=per_cluster)
    work.mkdir()
    with open_search(metric, workers) as search:
        return Training(
            vectors=ArrayVectors(values), options=options, search=search, work=work,
            on_vectors=lambda _: None,
        ).run()  # fmt: skip


def test_levels_are_nested_and_numbered_by_size(tmp_path):
    values, _ = clumped(2000, clumps=30, spread=0.5)
    levels, assigned, _ = run(values, tmp_path / "work")

    labels = labels_of_levels(levels, assigned.label_n)
    assert [len(level) for level in levels] == [40, 8, 3]
    for level, label in zip(levels, labels, strict=True):
        np.testing.assert_array_equal(np.bincount(label, minlength=len(level)), level.size_k)
        assert list(level.size_k) == sorted(level.size_k, reverse=True)
    for fine, coarse in pairwise(labels):
        pairs = {*zip(fine.tolist(), coarse.tolist(), strict=True)}
        assert len(pairs) == len(np.unique(fine))  # each has one parent


@pytest.mark.parametrize("metric", ["euclidean", "spherical"])
def test_a_coarse_centre_is_the_mean_of_its_vectors_not_of_its_centres(tmp_path, metric):
    values, _ = clumped(3000, clumps=12, spread=0.3)
    values = unit(values).astype(np.float32) if metric == "spherical" else values
    levels, assigned, _ = run(values, tmp_path / "work", k=(60, 4), metric=metric)

    coarse = labels_of_levels(levels, assigned.label_n)[1]
    means = np.stack([values[coarse == k].mean(axis=0) for k in range(4)])
    if metric == "spherical":
        means = unit(means)
    plain = np.stack([levels[0].centre_kD[levels[0].parent_k == k].mean(axis=0) for k in range(4)])
    error = np.abs(levels[1].centre_kD - means).max()
    assert error < 0.02
    assert error < np.abs(plain - means).max() / 3


def test_the_clusters_do_not_depend_on_the_number_of_threads(tmp_path):
    values, _ = clumped(40_000, clumps=30, spread=1.0)
    one, two = (run(values, tmp_path / str(n), workers=n) for n in (1, 2))

    for of_one, of_two in zip(one[0], two[0], strict=True):
        np.testing.assert_array_equal(of_one.centre_kD, of_two.centre_kD)
    np.testing.assert_array_equal(one[1].label_n, two[1].label_n)


def test_training_on_a_part_is_nearly_as_good_and_assigns_all(tmp_path):
    values, _ = clumped(20_000, clumps=10, spread=0.5)
    whole = run(values, tmp_path / "whole", k=(10,))
    part = run(values, tmp_path / "part", k=(10,), per_cluster=100)

    assert (tmp_path / "part" / "sample.f32").stat().st_size == 1000 * 8 * 4
    assert len(part[1].label_n) == 20_000
    assert whole[1].distance_n.sum() < part[1].distance_n.sum() < 1.05 * whole[1].distance_n.sum()
