"""A tree of balls over points, for queries that touch few of many points.

The points are unit vectors, or have three or more coordinates of another Euclidean space. They are
in an order in which nearby points follow one another. Consecutive
points form a leaf, and consecutive nodes a larger node. Each node has a ball that contains its
points, the number of its members, and the maximum reach of its points: the chord within which a
new member matters to one of them. Nodes are numbered as in a binary heap: the root is 1, the
children of node i are 2i and 2i + 1, and the leaves are the last half. The names of the arguments
are those of unit vectors: a chord is the distance of two points.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # it publishes no types

from minortom.engine.numba_jit import compiled
from minortom.genetic.kernels import chord2, distance2

_LEAF = 12  # mean points a leaf
_BITS = 16  # of each coordinate in the order along the curve: 200 m
_FEW = 256  # members up to which no tree is needed to find the nearest
FAR = 4.1
"""Squared chord above a diameter of the unit sphere."""
_SLACK = 1e-12  # rounding error of a chord

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class BallTree(NamedTuple):
    """Points and the balls of the nodes; ``reach`` and ``counts`` change with the members."""

    places: FloatArray
    """[n, d] coordinates of the points, in order; d is at least 3."""
    starts: IntArray
    """[leaves + 1] first point of each leaf."""
    leaf_of: IntArray
    """[n] leaf of each point."""
    centres: FloatArray
    """[nodes, d] centres of the balls; row 0 is unused, here and below."""
    radii: FloatArray
    """[nodes] radii of the balls, as chords."""
    reach: FloatArray
    """[nodes] maximum reach of the points, as a chord."""
    counts: IntArray
    """[nodes] number of members."""
    far: float
    """Squared distance above that of any two points."""


def curve_order(points: FloatArray) -> IntArray:
    """Return an order of points [n, 3] in which neighbours in the list are near each other.

    Bits of the three coordinates are interleaved (Morton 1966), which visits the cells of an
    octree one after another.
    """
    cells = ((points + 1) / 2 * (2**_BITS - 1)).astype(np.uint64)
    code = np.zeros(len(points), np.uint64)
    for bit in range(_BITS):
        for axis in range(3):
            on = (cells[:, axis] >> np.uint64(bit)) & np.uint64(1)
            code |= on << np.uint64(3 * bit + axis)
    return np.argsort(code, kind="stable")


def nearby_order(points: FloatArray) -> IntArray:
    """Return an order of points [n, d] of any space in which nearby points follow one another.

    These are the leaves of a k-d tree, which is divided at medians.
    """
    return np.asarray(cKDTree(points, leafsize=_LEAF).indices, np.int64)


@compiled
def ball_tree(points: FloatArray, far: float) -> BallTree:
    """Build the tree of points [n, d] in order, without members.

    ``far`` is a squared distance above that of any two points.
    """
    n, leaves = len(points), 1
    while leaves * _LEAF < n:
        leaves *= 2
    starts = np.arange(leaves + 1) * n // leaves
    leaf_of = np.empty(n, np.int64)
    for leaf in range(leaves):
        leaf_of[starts[leaf] : starts[leaf + 1]] = leaf
    centres, radii = np.zeros((2 * leaves, points.shape[1])), np.zeros(2 * leaves)
    for node in range(2 * leaves - 1, 0, -1):
        first, last = node, node
        while first < leaves:
            first, last = 2 * first, 2 * last + 1
        radii[node] = _fit_ball(
            points[starts[first - leaves] : starts[last - leaves + 1]], centres, node
        )
    return BallTree(
        points, starts, leaf_of, centres, radii,
        np.full(2 * leaves, np.sqrt(far)), np.zeros(2 * leaves, np.int64), far,
    )  # fmt: skip


@compiled
def _fit_ball(points: FloatArray, centres: FloatArray, node: int) -> float:
    """Fill in the mean of points [m, d], and return the distance to the one farthest from it."""
    for axis in range(points.shape[1]):
        total = 0.0
        for i in range(len(points)):
            total += points[i, axis]
        centres[node, axis] = total / max(len(points), 1)
    farthest2 = 0.0
    for i in range(len(points)):
        farthest2 = max(farthest2, distance2(points, i, centres, node))
    return float(np.sqrt(farthest2) + _SLACK)


@compiled
def points_in_reach(
    tree: BallTree,
    reach2: FloatArray,
    points: FloatArray,
    row: int,
    found: IntArray,
    chords: FloatArray,
) -> int:
    """Find the points of a tree to which another point matters: it is within their reach.

    Args:
        tree: The tree.
        reach2: [n] squared chord of each point's reach.
        points: [m, d] points; the other point is one of them.
        row: Its row.
        found: [n] output: the points.
        chords: [n] output: their squared chords.

    Returns:
        The number of points found.
    """
    leaves, count = len(tree.starts) - 1, 0
    stack = np.empty(64, np.int64)
    stack[0], height = 1, 1
    while height:
        height -= 1
        node = stack[height]
        limit = tree.radii[node] + tree.reach[node]
        if distance2(tree.centres, node, points, row) > limit * limit:
            continue
        if node < leaves:
            stack[height], stack[height + 1] = 2 * node, 2 * node + 1
            height += 2
            continue
        for i in range(tree.starts[node - leaves], tree.starts[node - leaves + 1]):
            chord = chord2(tree.places, i, points, row)
            if chord <= reach2[i]:
                found[count], chords[count] = i, chord
                count += 1
    return count


@compiled
def two_nearest_members(
    tree: BallTree, members: IntArray, number: IntArray, place: int
) -> tuple[float, float, int, int]:
    """Find the two members nearest to a point, other than the point itself.

    Args:
        tree: The tree.
        members: [k] points of the members; -1 is skipped.
        number: [n] number of the member at each point; -1 for other points.
        place: A point of the tree.

    Returns:
        The two squared chords and the two numbers; ``tree.far`` and -1 without one.
    """
    leaves = len(tree.starts) - 1
    first, second, one, two = tree.far, tree.far, -1, -1
    if len(members) <= _FEW:  # faster one by one
        for k in range(len(members)):
            i = members[k]
            if i >= 0 and i != place:
                chord = chord2(tree.places, i, tree.places, place)
                if chord < first:
                    first, second, one, two = chord, first, k, one
                elif chord < second:
                    second, two = chord, k
        return first, second, one, two
    stack, bounds = np.empty(64, np.int64), np.empty(64)
    stack[0], bounds[0], height = 1, 0.0, 1
    while height:
        height -= 1
        node = stack[height]
        if bounds[height] > second or not tree.counts[node]:
            continue
        if node >= leaves:
            for i in range(tree.starts[node - leaves], tree.starts[node - leaves + 1]):
                if number[i] >= 0 and i != place:
                    chord = chord2(tree.places, i, tree.places, place)
                    if chord < first:
                        first, second, one, two = chord, first, number[i], one
                    elif chord < second:
                        second, two = chord, number[i]
            continue
        push_children(tree, node, tree.places, place, stack, bounds, height)
        height += 2
    return first, second, one, two


@compiled
def push_children(
    tree: BallTree,
    node: int,
    points: FloatArray,
    row: int,
    stack: IntArray,
    bounds: FloatArray,
    height: int,
) -> None:
    """Put the children of a node on a stack of this height, the nearer one on top.

    ``bounds`` gets the squared distance from ``points[row]`` to the ball of each child.
    """
    near, far = 2 * node, 2 * node + 1
    of_near, of_far = _ball_gap2(tree, near, points, row), _ball_gap2(tree, far, points, row)
    if of_far < of_near:
        near, far, of_near, of_far = far, near, of_far, of_near
    stack[height], bounds[height] = far, of_far
    stack[height + 1], bounds[height + 1] = near, of_near


@compiled
def _ball_gap2(tree: BallTree, node: int, points: FloatArray, row: int) -> float:
    """Compute the squared distance from a point to the ball of a node; 0 inside."""
    gap = np.sqrt(distance2(tree.centres, node, points, row)) - tree.radii[node]
    return float(gap * gap) if gap > 0 else 0.0


@compiled
def count_members(tree: BallTree, place: int, change: int) -> None:
    """Add ``change`` to the number of members in each node above a point."""
    node = len(tree.starts) - 1 + tree.leaf_of[place]
    while node:
        tree.counts[node] += change
        node //= 2


@compiled
def update_reach(tree: BallTree, reach2: FloatArray, place: int) -> None:
    """Recompute the reach of the leaf of a point, and of the nodes above it."""
    leaf = tree.leaf_of[place]
    node = len(tree.starts) - 1 + leaf
    reach = _reach_of_leaf(tree, reach2, leaf)
    while node and reach != tree.reach[node]:
        tree.reach[node] = reach
        node //= 2
        reach = max(tree.reach[2 * node], tree.reach[2 * node + 1])


@compiled
def update_all_reach(tree: BallTree, reach2: FloatArray) -> None:
    """Recompute the reach of all nodes."""
    leaves = len(tree.starts) - 1
    for leaf in range(leaves):
        tree.reach[leaves + leaf] = _reach_of_leaf(tree, reach2, leaf)
    for node in range(leaves - 1, 0, -1):
        tree.reach[node] = max(tree.reach[2 * node], tree.reach[2 * node + 1])


@compiled
def _reach_of_leaf(tree: BallTree, reach2: FloatArray, leaf: int) -> float:
    largest = 0.0
    for i in range(tree.starts[leaf], tree.starts[leaf + 1]):
        largest = max(largest, reach2[i])
    return float(np.sqrt(largest) + _SLACK)
