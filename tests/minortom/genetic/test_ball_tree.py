"""The ball tree against brute force."""

import numpy as np
import pytest
from points import random_lonlat

from minortom.genetic.ball_tree import (
    ball_tree,
    count_members,
    curve_order,
    points_in_reach,
    two_nearest_members,
    update_all_reach,
    update_reach,
)
from minortom.grid.sphere import unit_vectors


def ordered_points(count, seed=0):
    points = unit_vectors(*random_lonlat(count, seed))
    return points[curve_order(points)]


def test_neighbours_along_the_curve_are_near_each_other():
    points = ordered_points(4000)

    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert steps.mean() < 0.1  # 1.3 in random order, 0.05 between nearest points
    assert sorted(curve_order(points)) == list(range(4000))


@pytest.mark.parametrize("count", [1, 5, 13, 500])
def test_each_ball_contains_its_points(count):
    points = ordered_points(count)
    tree = ball_tree(points)
    leaves = len(tree.starts) - 1

    assert (tree.starts[0], tree.starts[-1]) == (0, count)
    for place, point in enumerate(points):
        node = leaves + tree.leaf_of[place]
        while node:
            assert np.linalg.norm(point - tree.centres[node]) <= tree.radii[node]
            node //= 2


def in_reach(tree, reach2, point):
    found, chords = np.empty(len(reach2), np.int64), np.empty(len(reach2))
    count = points_in_reach(tree, reach2, point, found, chords)
    return dict(zip(found[:count].tolist(), chords[:count].tolist(), strict=True))


def test_the_points_in_reach_are_those_of_brute_force_also_after_changes():
    rng, points = np.random.default_rng(0), ordered_points(500)
    tree, reach2 = ball_tree(points), rng.uniform(0, 0.1, 500) ** 2
    update_all_reach(tree, reach2)
    for trial in range(200):
        point = unit_vectors(*random_lonlat(1, trial))[0]
        chord2 = ((points - point) ** 2).sum(axis=1)
        found = in_reach(tree, reach2, point)
        assert sorted(found) == np.flatnonzero(chord2 <= reach2).tolist()
        np.testing.assert_allclose([found[i] for i in sorted(found)], chord2[chord2 <= reach2])
        changed = rng.integers(500)
        reach2[changed] = rng.uniform(0, 0.3) ** 2
        update_reach(tree, reach2, changed)


@pytest.mark.parametrize("size", [0, 1, 2, 40, 400])
def test_the_two_nearest_members_are_those_of_brute_force(size):
    points = ordered_points(900)
    tree, number = ball_tree(points), np.full(900, -1)
    members = np.random.default_rng(size).choice(900, size, replace=False)
    for i, member in enumerate(members):
        number[member] = i
        count_members(tree, member, 1)
    for place in range(0, 900, 7):
        chord2 = ((points[members] - points[place]) ** 2).sum(axis=1)
        chord2[members == place] = np.inf
        nearest = [i for i in np.argsort(chord2)[:2].tolist() if chord2[i] < np.inf]
        first, second, one, two = two_nearest_members(tree, members, number, place)
        assert [i for i in (one, two) if i >= 0] == nearest
        found = [chord for chord in (first, second) if chord < 4.05]
        np.testing.assert_allclose(found, chord2[nearest])
