"""The state of the swap search: the two nearest members of each point, and a member's swap.

A *point* is a tile of the stratum, or a chosen tile of another stratum (a *foreign* point). All
points know their two nearest members, other than themselves. The sums of the score follow:

- ``totals[0]``: great-circle distances from the reference tiles to their nearest member (radians);
- ``totals[1]``: great-circle distances of all pairs of members (radians);
- ``totals[2]``: logarithms of the squared chord from each member and each foreign point to the
  nearest chosen tile of any stratum.

``removal_arc`` and ``removal_log`` have what the first and the last sum gain if a member is
removed without replacement, as in FastPAM for k-medoids (Schubert and Rousseeuw 2021, doi
10.1016/j.is.2021.101804).

If the coverage is also measured in another space than on the ground, that space has a state of its
own, with the same members and Euclidean distances. Only its sum of distances to the nearest member
counts.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minortom.engine.numba_jit import compiled
from minortom.genetic.ball_tree import (
    BallTree,
    count_members,
    points_in_reach,
    two_nearest_members,
    update_all_reach,
    update_reach,
)
from minortom.genetic.kernels import chord2

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

COVER, PAIRS, SPACING = 0, 1, 2
"""Positions of the sums in ``totals``."""
_SERIES = 0.01  # squared chord up to which a series replaces the arcsine: 640 km


class Space(NamedTuple):
    """The points of a search, in the order of their tree."""

    tree: BallTree
    """Tree without members."""
    is_ground: bool
    """Whether the points are unit vectors, with great-circle distances; else the distances are
    Euclidean, and there are no foreign points."""
    is_reference: BoolArray
    """[n] whether the distance from the point to the nearest member counts."""
    num_references: int
    """Number of these points."""
    is_foreign: BoolArray
    """[n] whether the point is a chosen tile of another stratum."""
    outside: FloatArray
    """[n] squared chord to the nearest chosen tile of other strata; 4 (a diameter) without one."""


class SearchState(NamedTuple):
    """Members and what follows from them; all arrays change with each swap."""

    space: Space
    tree: BallTree
    reach2: FloatArray
    """[n] squared chord within which a new member changes the point's two nearest."""
    near: FloatArray
    """[2, n] squared chords to the two nearest members."""
    arcs: FloatArray
    """[2, n] the same as great-circle distances in radians; Euclidean distances off the ground."""
    logs: FloatArray
    """[2, n] logarithms of ``near``, at most ``outside``; of members and foreign points only."""
    who: IntArray
    """[2, n] numbers of these members; -1 without one."""
    number: IntArray
    """[n] number of the member at each point; -1 for other points."""
    members: IntArray
    """[k] points of the members."""
    removal_log: FloatArray
    """[k] gain of ``totals[SPACING]`` if the member is removed."""
    removal_arc: FloatArray
    """[k] gain of ``totals[COVER]`` if the member is removed."""
    pair_arcs: FloatArray
    """[k] sum of the great-circle distances to all other members, in radians."""
    totals: FloatArray
    """[3] the sums of the score."""


@compiled
def arc_of(squared: float) -> float:
    """Return the great-circle distance in radians of a squared chord (haversine formula)."""
    if squared > _SERIES:
        return float(2 * np.arcsin(min(np.sqrt(squared) / 2, 1.0)))
    # The series of 2 asin(c / 2) to a relative error of 1e-13, without the slow arcsine.
    c = squared
    return float(
        np.sqrt(c) * (1 + c * (1 / 24 + c * (3 / 640 + c * (5 / 7168 + c * (35 / 294912)))))
    )


@compiled
def distance_of(state: SearchState, squared: float) -> float:
    """Return the distance of a squared chord: along the great circle, or straight."""
    return arc_of(squared) if state.space.is_ground else float(np.sqrt(squared))


@compiled
def arc_between(state: SearchState, i: int, k: int) -> float:
    """Compute the great-circle distance of two points in radians."""
    places = state.tree.places
    return arc_of(chord2(places, i, places, k))


@compiled
def search_state(space: Space, members: IntArray) -> SearchState:
    """Return the state of a set of members, given as points [k]; the members are copied."""
    n, k, base = len(space.outside), len(members), space.tree
    tree = BallTree(
        base.places, base.starts, base.leaf_of, base.centres, base.radii,
        base.reach.copy(), base.counts.copy(), base.far,
    )  # fmt: skip
    state = SearchState(
        space, tree, np.empty(n), np.empty((2, n)), np.empty((2, n)), np.zeros((2, n)),
        np.empty((2, n), np.int64), np.full(n, -1, np.int64), members.copy(), np.zeros(k),
        np.zeros(k), np.zeros(k), np.zeros(3),
    )  # fmt: skip
    for i in range(k):
        state.number[members[i]] = i
        count_members(tree, members[i], 1)
    for i in range(n):
        _find_nearest(state, i)
        _count(state, i, 1.0)
    update_all_reach(tree, state.reach2)
    if space.is_ground:
        for i in range(k):
            for other in range(i):
                arc = arc_between(state, members[i], members[other])
                state.pair_arcs[i] += arc
                state.pair_arcs[other] += arc
                state.totals[PAIRS] += arc
    return state


@compiled
def _find_nearest(state: SearchState, i: int) -> None:
    near, who = state.near, state.who
    near[0, i], near[1, i], who[0, i], who[1, i] = two_nearest_members(
        state.tree, state.members, state.number, i
    )
    _update_distances(state, i)


@compiled
def _update_distances(state: SearchState, i: int) -> None:
    first, second, outside = state.near[0, i], state.near[1, i], state.space.outside[i]
    state.reach2[i] = min(second, outside) if state.space.is_foreign[i] else second
    state.arcs[0, i], state.arcs[1, i] = distance_of(state, first), distance_of(state, second)
    if state.space.is_foreign[i] or state.number[i] >= 0:
        state.logs[0, i] = np.log(min(first, outside))
        state.logs[1, i] = np.log(min(second, outside))


@compiled
def _count(state: SearchState, i: int, sign: float) -> None:
    """Add a point to the sums (sign 1), or take it out of them (sign -1)."""
    number, nearest = state.number[i], state.who[0, i]
    if state.space.is_reference[i]:
        if number >= 0:  # a member has the distance 0 to itself
            state.removal_arc[number] += sign * state.arcs[0, i]
        else:
            state.totals[COVER] += sign * state.arcs[0, i]
            state.removal_arc[nearest] += sign * (state.arcs[1, i] - state.arcs[0, i])
    if number >= 0 or state.space.is_foreign[i]:
        state.totals[SPACING] += sign * state.logs[0, i]
        if nearest >= 0:
            state.removal_log[nearest] += sign * (state.logs[1, i] - state.logs[0, i])
        if number >= 0:
            state.removal_log[number] -= sign * state.logs[0, i]


@compiled
def affected_points(state: SearchState, place: int, found: IntArray, chords: FloatArray) -> int:
    """Find the points whose two nearest members change if ``place`` becomes or is a member.

    ``found`` and ``chords`` [n] are output; see ``points_in_reach``.
    """
    tree = state.tree
    return points_in_reach(tree, state.reach2, tree.places, place, found, chords)


@compiled
def swap_member(
    state: SearchState, leaves: int, place: int, found: IntArray, chords: FloatArray
) -> None:
    """Replace member number ``leaves`` by the tile at ``place``.

    ``found`` and ``chords`` [n] are working memory.
    """
    if state.space.is_ground:
        _swap_pairs(state, leaves, place)
    _remove(state, leaves, found, chords)
    _add(state, leaves, place, found, chords)


@compiled
def _swap_pairs(state: SearchState, leaves: int, place: int) -> None:
    total = 0.0
    for i in range(len(state.members)):
        if i != leaves:
            member = state.members[i]
            arrival = arc_between(state, member, place)
            state.pair_arcs[i] += arrival - arc_between(state, member, state.members[leaves])
            total += arrival
    state.totals[PAIRS] += total - state.pair_arcs[leaves]
    state.pair_arcs[leaves] = total


@compiled
def _remove(state: SearchState, leaves: int, found: IntArray, chords: FloatArray) -> None:
    old, changed = state.members[leaves], 0
    for f in range(affected_points(state, old, found, chords)):
        i = found[f]
        if i != old and (state.who[0, i] == leaves or state.who[1, i] == leaves):
            _count(state, i, -1.0)
            found[changed] = i
            changed += 1
    _count(state, old, -1.0)
    state.number[old], state.members[leaves] = -1, -1
    count_members(state.tree, old, -1)
    _count(state, old, 1.0)
    state.removal_log[leaves] = state.removal_arc[leaves] = 0.0  # without rounding errors
    for f in range(changed):
        _find_nearest(state, found[f])
        _count(state, found[f], 1.0)
        update_reach(state.tree, state.reach2, found[f])


@compiled
def _add(state: SearchState, number: int, place: int, found: IntArray, chords: FloatArray) -> None:
    near, who = state.near, state.who
    for f in range(affected_points(state, place, found, chords)):
        i, chord = found[f], chords[f]
        if i == place or chord >= near[1, i]:
            continue
        _count(state, i, -1.0)
        if chord < near[0, i]:
            near[1, i], who[1, i], near[0, i], who[0, i] = near[0, i], who[0, i], chord, number
        else:
            near[1, i], who[1, i] = chord, number
        _update_distances(state, i)
        _count(state, i, 1.0)
        update_reach(state.tree, state.reach2, i)
    _count(state, place, -1.0)
    state.number[place], state.members[number] = number, place
    count_members(state.tree, place, 1)
    _update_distances(state, place)
    _count(state, place, 1.0)
