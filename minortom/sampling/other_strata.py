"""The chosen tiles of all other strata around the tiles of one stratum."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minortom.api.cores import available_cores
from minortom.engine.numba_jit import compiled
from minortom.genetic.ball_tree import (
    FAR,
    BallTree,
    ball_tree,
    curve_order,
    points_in_reach,
    push_children,
    update_all_reach,
)
from minortom.genetic.kernels import chord2
from minortom.genetic.options import DIAMETER2

_MIXED = -1  # label of a node with points of several strata
_PER_CALL = 8192  # points a call of a thread

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Surroundings:
    """The chosen tiles of other strata around some tiles of one stratum."""

    outside: FloatArray
    """[n] squared chord from each tile to the nearest of them; 4, a diameter, without one."""
    foreign: FloatArray
    """[f, 3] those to which one of the tiles can be the nearest chosen tile."""
    foreign_outside: FloatArray
    """[f] squared chord from each of these to its nearest chosen tile outside the stratum."""

    @classmethod
    def none(cls, count: int) -> "Surroundings":
        """Return the surroundings of ``count`` tiles if no other stratum matters."""
        return cls(
            outside=np.full(count, DIAMETER2), foreign=np.empty((0, 3)),
            foreign_outside=np.empty(0),
        )  # fmt: skip


class ChosenTiles:
    """The chosen tiles of all strata in one tree, which all strata of a batch share."""

    def __init__(self, points: FloatArray, chosen: Sequence[IntArray]) -> None:
        """Build the tree.

        Args:
            points: [n, 3] unit vectors of all tiles.
            chosen: Chosen rows of each stratum.
        """
        rows = np.concatenate(chosen)
        labels = np.repeat(np.arange(len(chosen)), [len(of_stratum) for of_stratum in chosen])
        order = curve_order(points[rows])
        self._points, self._labels = points[rows[order]], labels[order]
        self._tree = ball_tree(self._points, FAR)
        self._node_labels = node_labels(self._tree, self._labels)
        # For each chosen tile: the nearest other one, and the nearest of another stratum than that.
        self._near, self._near_labels = self._nearest_of_two_strata()
        update_all_reach(self._tree, self._near[1])
        self._num_calls = 0
        self._found_by = np.zeros(len(rows), np.int64)  # number of the last call that found a tile

    def _nearest_of_two_strata(self) -> tuple[FloatArray, IntArray]:
        """Run the kernel of this name in threads, since no worker has work yet."""
        n = len(self._labels)
        near, found = np.empty((2, n)), np.empty((2, n), np.int64)

        def run(start: int) -> None:
            _nearest_of_two_strata(
                self._tree, self._labels, self._node_labels, start, min(start + _PER_CALL, n), near,
                found,
            )  # fmt: skip

        with ThreadPoolExecutor(available_cores()) as threads:
            list(threads.map(run, range(0, n, _PER_CALL)))
        return near, found

    def around(self, points: FloatArray, stratum: int) -> Surroundings:
        """Return what the tiles at ``points`` [n, 3] of a stratum see of the others."""
        self._num_calls += 1
        outside, foreign = _around(
            self._tree, self._labels, self._node_labels, self._near, self._near_labels, points,
            stratum, self._found_by, self._num_calls,
        )  # fmt: skip
        of_stratum = self._near_labels[0, foreign] == stratum
        return Surroundings(
            outside=outside,
            foreign=self._points[foreign],
            foreign_outside=np.where(of_stratum, self._near[1, foreign], self._near[0, foreign]),
        )


@compiled
def node_labels(tree: BallTree, labels: IntArray) -> IntArray:
    """Return the stratum of the points of each node; -1 if they belong to several."""
    leaves = len(tree.starts) - 1
    found = np.empty(2 * leaves, np.int64)
    for node in range(2 * leaves - 1, 0, -1):
        if node < leaves:
            same = found[2 * node] == found[2 * node + 1]
            found[node] = found[2 * node] if same else _MIXED
            continue
        start, stop = tree.starts[node - leaves], tree.starts[node - leaves + 1]
        found[node] = labels[start] if stop > start else _MIXED
        for i in range(start, stop):
            if labels[i] != found[node]:
                found[node] = _MIXED
    return found


@compiled
def nearest_outside(
    tree: BallTree,
    labels: IntArray,
    of_node: IntArray,
    points: FloatArray,
    row: int,
    stratum: int,
    skip: int,
    guess: int,
) -> tuple[float, int]:
    """Return the squared chord to the nearest point of another stratum, and that point.

    Args:
        tree: The tree.
        labels: [n] stratum of each point.
        of_node: Stratum of the points of each node, from ``node_labels``.
        points: [m, 3] unit vectors; the search is around one of them.
        row: Its row.
        stratum: The stratum to leave out; -2 leaves out none.
        skip: A point to leave out; -1 leaves out none.
        guess: A point that is likely to be near, which makes the search faster; -1 without one.

    Returns:
        4 (a diameter) and -1 without one.
    """
    leaves, nearest, who = len(tree.starts) - 1, DIAMETER2, -1
    if guess >= 0 and guess != skip and labels[guess] != stratum:
        nearest, who = chord2(tree.places, guess, points, row), guess
    stack, bounds = np.empty(64, np.int64), np.empty(64)
    stack[0], bounds[0], height = 1, 0.0, 1
    while height:
        height -= 1
        node = stack[height]
        if bounds[height] > nearest or of_node[node] == stratum:
            continue
        if node >= leaves:
            for i in range(tree.starts[node - leaves], tree.starts[node - leaves + 1]):
                if labels[i] != stratum and i != skip:
                    chord = chord2(tree.places, i, points, row)
                    if chord < nearest:
                        nearest, who = chord, i
            continue
        push_children(tree, node, points, row, stack, bounds, height)
        height += 2
    return nearest, who


@compiled
def _nearest_of_two_strata(
    tree: BallTree,
    labels: IntArray,
    of_node: IntArray,
    start: int,
    stop: int,
    near: FloatArray,
    found: IntArray,
) -> None:
    """Find the nearest other point, and the nearest outside that one's stratum.

    Args:
        tree: The tree.
        labels: [n] stratum of each point.
        of_node: Stratum of the points of each node.
        start: First point to search for.
        stop: End of these points.
        near: [2, n] output: squared chords to both.
        found: [2, n] output: strata of both.
    """
    two = -1
    for i in range(start, stop):
        places, guess = tree.places, max(i - 1, 0)
        near[0, i], one = nearest_outside(tree, labels, of_node, places, i, -2, i, guess)
        found[0, i] = labels[one] if one >= 0 else -2
        near[1, i], two = nearest_outside(tree, labels, of_node, places, i, found[0, i], i, two)
        found[1, i] = labels[two] if two >= 0 else -2


@compiled
def _around(
    tree: BallTree,
    labels: IntArray,
    of_node: IntArray,
    near: FloatArray,
    near_labels: IntArray,
    points: FloatArray,
    stratum: int,
    found_by: IntArray,
    call: int,
) -> tuple[FloatArray, IntArray]:
    """Return what :meth:`ChosenTiles.around` finds in the tree.

    Nothing here takes time in proportion to the number of all chosen tiles, so that thousands of
    strata do not take quadratic time.

    Returns:
        Squared chord from each point to the nearest tile of another stratum [n], and the chosen
        tiles of which one of the points can be the nearest [f].
    """
    outside = np.empty(len(points))
    found, chords = np.empty(len(labels), np.int64), np.empty(len(labels))
    foreign, num_foreign, nearest = np.empty(len(labels), np.int64), 0, -1
    for i in range(len(points)):
        outside[i], nearest = nearest_outside(
            tree, labels, of_node, points, i, stratum, -1, nearest
        )
        for f in range(points_in_reach(tree, near[1], points, i, found, chords)):
            q = found[f]
            if labels[q] == stratum or found_by[q] == call:
                continue
            if chords[f] < (near[1, q] if near_labels[0, q] == stratum else near[0, q]):
                found_by[q] = call
                foreign[num_foreign] = q
                num_foreign += 1
    return outside, foreign[:num_foreign].copy()
