"""The chosen tiles of other strata around a stratum, against brute force."""

import numpy as np
import pytest
from points import random_lonlat

from minortom.grid.sphere import unit_vectors
from minortom.sampling.other_strata import ChosenTiles

STRATA = 12


def chord2(a, b):
    return ((a[:, None] - b[None]) ** 2).sum(axis=2)


@pytest.mark.parametrize("seed", range(3))
def test_the_surroundings_are_those_of_brute_force(seed):
    rng = np.random.default_rng(seed)
    points = unit_vectors(*random_lonlat(600, seed))
    stratum_of = rng.integers(STRATA, size=600)
    if seed == 1:  # strata that are regions, so that tiles have many of their own around them
        stratum_of = np.argsort(np.argsort(points[:, 2])) * STRATA // 600
    chosen = [np.flatnonzero(stratum_of == s)[: 3 * s] for s in range(STRATA)]  # the first: none
    others = ChosenTiles(points, chosen)

    for s in range(STRATA):
        tiles = points[stratum_of == s]
        outside = np.concatenate([rows for other, rows in enumerate(chosen) if other != s])
        between = chord2(points[outside], points[outside])
        np.fill_diagonal(between, np.inf)
        from_tiles = chord2(tiles, points[outside])
        is_foreign = (from_tiles < between.min(axis=1)).any(axis=0)
        around = others.around(tiles, s)

        np.testing.assert_allclose(around.outside, from_tiles.min(axis=1))
        order = np.lexsort(around.foreign.T)
        expected = points[outside[is_foreign]]
        expected_order = np.lexsort(expected.T)
        np.testing.assert_array_equal(around.foreign[order], expected[expected_order])
        np.testing.assert_allclose(
            around.foreign_outside[order], between.min(axis=1)[is_foreign][expected_order]
        )


def test_a_single_stratum_sees_nothing():
    points = unit_vectors(*random_lonlat(30))
    around = ChosenTiles(points, [np.arange(10)]).around(points, 0)

    assert (around.outside == 4).all()
    assert len(around.foreign) == len(around.foreign_outside) == 0
