"""The ball tree against brute force."""

import numpy as np
import pytest
from points import random_lonlat

from minortom.genetic.ball_tree import (
    FAR,
    ball_tree,
    count_members,
    curve_order,
    nearby_order,
    points_in_reach,
    two_nearest_members,
    update_all_reach,
    update_reach,
)
from minortom.grid.sphere import unit_vectors


def ordered_points(count, dimensions=3, seed=0):
    """Return points of the sphere, or of another space, some of them twice."""
    if dimensions == 3:
        points = unit_vectors(*random_lonlat(count, seed))
        return points[curve_order(points)]
    points = np.random.default_rng(seed).normal(size=(count, dimensions)) * 5
    points[1::9] = points[0]
    return points[nearby_order(points)]


def tree_of(points):
    return ball_tree(points, FAR if points.shape[1] == 3 else 4.1 * np.square(points).sum(1).max())


@pytest.mark.parametrize("order", [curve_order, nearby_order])
def test_neighbours_in_the_order_are_near_each_other(order):
    points = unit_vectors(*random_lonlat(4000))
    found = order(points)

    steps = np.linalg.norm(np.diff(points[found], axis=0), axis=1)
    assert steps.mean() < 0.12  # 1.3 in random order, 0.05 between nearest points
    assert sorted(found) == list(range(4000))


@pytest.mark.parametrize("dimensions", [3, 7])
@pytest.mark.parametrize("count", [1, 5, 13, 500])
def test_each_ball_contains_its_points(count, dimensions):
    points = ordered_points(count, dimensions)
    tree = tree_of(points)
    leaves = len(tree.starts) - 1

    assert (tree.starts[0], tree.starts[-1]) == (0, count)
    for place, point in enumerate(points):
        node = leaves + tree.leaf_of[place]
        while node:
            assert np.linalg.norm(point - tree.centres[node]) <= tree.radii[node]
            node //= 2


def in_reach(tree, reach2, point):
    found, chords = np.empty(len(reach2), np.int64), np.empty(len(reach2))
    count = points_in_reach(tree, reach2, point[None], 0, found, chords)
    return dict(zip(found[:count].tolist(), chords[:count].tolist(), strict=True))


@pytest.mark.parametrize(("dimensions", "reach"), [(3, 0.1), (5, 4.0), (20, 20.0)])
def test_the_points_in_reach_are_those_of_brute_force_also_after_changes(dimensions, reach):
    rng, points = np.random.default_rng(0), ordered_points(500, dimensions)
    tree, reach2 = tree_of(points), rng.uniform(0, reach, 500) ** 2
    update_all_reach(tree, reach2)
    for trial in range(200):
        point = ordered_points(1, dimensions, trial + 1)[0]
        chord2 = ((points - point) ** 2).sum(axis=1)
        found = in_reach(tree, reach2, point)
        assert sorted(found) == np.flatnonzero(chord2 <= reach2).tolist()
        np.testing.assert_allclose([found[i] for i in sorted(found)], chord2[chord2 <= reach2])
        changed = rng.integers(500)
        reach2[changed] = rng.uniform(0, 3 * reach) ** 2
        update_reach(tree, reach2, changed)


@pytest.mark.parametrize("dimensions", [3, 6])
@pytest.mark.parametrize("size", [0, 1, 2, 40, 400])
def test_the_two_nearest_members_are_those_of_brute_force(size, dimensions):
    points = ordered_points(900, dimensions)
    tree, number = tree_of(points), np.full(900, -1)
    members = np.random.default_rng(size).choice(900, size, replace=False)
    for i, member in enumerate(members):
        number[member] = i
        count_members(tree, member, 1)
    for place in range(0, 900, 7):
        chord2 = ((points[members] - points[place]) ** 2).sum(axis=1)
        chord2[members == place] = np.inf
        nearest = np.sort(chord2[chord2 < np.inf])[:2]
        first, second, one, two = two_nearest_members(tree, members, number, place)
        found = [i for i in (one, two) if i >= 0]
        assert len(set(found)) == len(nearest)
        np.testing.assert_allclose(chord2[found], nearest)
        chords = [chord for chord in (first, second) if chord < tree.far]
        np.testing.assert_allclose(chords, nearest, atol=1e-12)
