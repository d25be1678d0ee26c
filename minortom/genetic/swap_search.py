"""The swap search: replace members by candidates while the score rises.

The score of the members S of one stratum, in nats, times the number of members k::

    k J(S) = sum_i log c²(i) - k κ log D² + k ν log W²

The sum is over the members and the chosen tiles of other strata; c(i) is the distance to the
nearest other chosen tile of any stratum. D is the mean distance from the reference tiles to their
nearest member, W the mean distance over all pairs of members. ``minortom.genetic.score`` subtracts
a constant, and has the sources.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minortom.engine.numba_jit import compiled
from minortom.genetic.search_state import (
    COVER,
    PAIRS,
    SPACING,
    SearchState,
    affected_points,
    arc_between,
    arc_of,
    swap_member,
)
from minortom.grid.sphere import EARTH_RADIUS_KM

MIN_GAIN = 1e-9
"""Minimum gain of a swap in the score times k, above the rounding error."""
FLOOR_ARC = 0.001 / EARTH_RADIUS_KM
"""Minimum mean distance, of 1 m, so that its logarithm is finite."""
_TOP = 32  # members that are best to remove for any candidate

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class _Gains(NamedTuple):
    """Working memory of the search: what a candidate changes for single members."""

    found: IntArray
    """[n] points to which the candidate matters."""
    chords: FloatArray
    """[n] their squared chords to the candidate."""
    removal: FloatArray
    """[k] linear gain of the score if the member is removed."""
    top: IntArray
    """Members with the largest ``removal``, in descending order."""
    touched: IntArray
    """[k] members whose gain depends on the candidate."""
    stamp: IntArray
    """[k] number of the last candidate that touched the member."""
    logs: FloatArray
    """[k] correction of ``removal_log`` for the candidate."""
    arcs: FloatArray
    """[k] correction of ``removal_arc`` for the candidate."""


@compiled
def score_sum(state: SearchState, coverage_weight: float, within_weight: float) -> float:
    """Return the score times the number of members, in nats, of distances in km."""
    k = len(state.members)
    value = state.totals[SPACING]
    if coverage_weight > 0:
        cover = max(state.totals[COVER] / max(state.space.is_reference.sum(), 1), FLOOR_ARC)
        value -= 2 * k * coverage_weight * np.log(cover * EARTH_RADIUS_KM)
    if within_weight > 0 and k > 1:
        within = max(2 * state.totals[PAIRS] / (k * (k - 1)), FLOOR_ARC)
        value += 2 * k * within_weight * np.log(within * EARTH_RADIUS_KM)
    return float(value)


@compiled
def swap_search(
    state: SearchState,
    num_fixed: int,
    coverage_weight: float,
    within_weight: float,
    candidates: IntArray,
) -> int:
    """Swap members for candidates, in place, if the swap raises the score.

    For each candidate the best member to remove is chosen by its linear gain: the logarithms of D
    and W are replaced by their tangents. The swap is made if its exact gain is above zero.

    Args:
        state: The members; changed in place.
        num_fixed: Number of fixed members, the first ones, which stay.
        coverage_weight: κ.
        within_weight: ν.
        candidates: Tiles to try, as points, in this order; members are skipped.

    Returns:
        The number of swaps.
    """
    n, k, num_swaps, num_top = len(state.number), len(state.members), 0, -1
    if k <= num_fixed:
        return 0
    gains = _Gains(
        np.empty(n, np.int64), np.empty(n), np.empty(k), np.empty(min(_TOP, k), np.int64),
        np.empty(k, np.int64), np.full(k, -1, np.int64), np.empty(k), np.empty(k),
    )  # fmt: skip
    floor = FLOOR_ARC * max(state.space.is_reference.sum(), 1)
    pairs_floor = FLOOR_ARC * max(k * (k - 1) / 2, 1)
    of_cover, of_pairs = 2 * k * coverage_weight, 2 * k * within_weight if k > 1 else 0.0
    for t in range(len(candidates)):
        place = candidates[t]
        if state.number[place] >= 0:
            continue
        cover, pairs = max(state.totals[COVER], floor), max(state.totals[PAIRS], pairs_floor)
        if num_top < 0:
            num_top = _rank(state, num_fixed, of_cover / cover, of_pairs / pairs, gains)
        logs, arcs, num_touched = _arrival(state, place, t, gains)
        leaves = _best_to_remove(t, num_fixed, of_cover / cover, num_touched, num_top, gains)
        logs += state.removal_log[leaves]
        arcs += state.removal_arc[leaves]
        if gains.stamp[leaves] == t:
            logs += gains.logs[leaves]
            arcs += gains.arcs[leaves]
        gain = logs - of_cover * np.log(max(state.totals[COVER] + arcs, floor) / cover)
        if of_pairs > 0:
            # By the triangle inequality, the sum of distances is at most that of the nearest
            # member plus k times the distance to it. Most candidates need no exact sum.
            bound = state.pair_arcs[state.who[0, place]] + k * state.arcs[0, place]
            bound = max(pairs + bound - state.pair_arcs[leaves], pairs_floor)
            if gain + of_pairs * np.log(bound / pairs) <= MIN_GAIN:
                continue
            change = _pair_arcs(state, place, leaves) - state.pair_arcs[leaves]
            gain += of_pairs * np.log(max(state.totals[PAIRS] + change, pairs_floor) / pairs)
        if gain > MIN_GAIN:
            swap_member(state, leaves, place, gains.found, gains.chords)
            num_swaps, num_top = num_swaps + 1, -1
    return num_swaps


@compiled
def _pair_arcs(state: SearchState, place: int, leaves: int) -> float:
    """Sum the distances from a point to all members but one, in radians."""
    total = 0.0
    for i in range(len(state.members)):
        if i != leaves:
            total += arc_between(state, state.members[i], place)
    return total


@compiled
def _rank(
    state: SearchState, num_fixed: int, per_arc: float, per_pair_arc: float, gains: _Gains
) -> int:
    """Fill in ``removal`` and ``top``; return the number of members in ``top``."""
    num, removal, top = 0, gains.removal, gains.top
    for i in range(len(state.members)):
        removal[i] = state.removal_log[i] - per_arc * state.removal_arc[i]
        removal[i] -= per_pair_arc * state.pair_arcs[i]
        if i < num_fixed or (num == len(top) and removal[i] <= removal[top[num - 1]]):
            continue
        place = min(num, len(top) - 1)
        while place > 0 and removal[top[place - 1]] < removal[i]:
            top[place] = top[place - 1]
            place -= 1
        top[place] = i
        num = min(num + 1, len(top))
    return num


@compiled
def _arrival(state: SearchState, place: int, t: int, gains: _Gains) -> tuple[float, float, int]:
    """Compute what candidate number t changes in the sums, whichever member leaves.

    Returns:
        The change in the sum of logarithms, the change in the sum of distances to the nearest
        member (radians), and the number of touched members. For those, ``gains.logs`` and
        ``gains.arcs`` have the difference to their removal without this candidate.
    """
    near, arcs, logs, who = state.near, state.arcs, state.logs, state.who
    outside, nearest = state.space.outside, who[0, place]
    change_log, change_arc = np.log(min(near[0, place], outside[place])), 0.0
    num_touched = _touch(nearest, t, 0, gains)
    gains.logs[nearest] = np.log(min(near[1, place], outside[place])) - change_log
    for f in range(affected_points(state, place, gains.found, gains.chords)):
        i, chord = gains.found[f], gains.chords[f]
        member, nearest = state.number[i], who[0, i]
        num_touched = _touch(nearest, t, num_touched, gains)
        num_touched = _touch(member, t, num_touched, gains)
        if state.space.is_reference[i] and chord < near[1, i]:
            arc = 0.0 if i == place else arc_of(chord)
            if member >= 0:  # if it is removed, the candidate may become its nearest
                gains.arcs[member] += min(arc - arcs[0, i], 0.0)
            elif chord < near[0, i]:  # the candidate is the nearest in any case
                change_arc += arc - arcs[0, i]
                gains.arcs[nearest] += arcs[0, i] - arcs[1, i]
            else:  # only if its nearest is removed
                gains.arcs[nearest] += arc - arcs[1, i]
        if member < 0 and not state.space.is_foreign[i]:
            continue
        if chord < min(near[0, i], outside[i]):
            change = np.log(chord) - logs[0, i]
            change_log += change
            if nearest >= 0:
                gains.logs[nearest] -= logs[1, i] - logs[0, i]
            if member >= 0:  # if it is removed, its own distance does not matter
                gains.logs[member] -= change
        elif chord < min(near[1, i], outside[i]):
            gains.logs[nearest] += np.log(chord) - logs[1, i]
    return change_log, change_arc, num_touched


@compiled
def _touch(member: int, t: int, num_touched: int, gains: _Gains) -> int:
    """Add a member to the touched ones, with corrections of 0; return their number."""
    if member < 0 or gains.stamp[member] == t:
        return num_touched
    gains.stamp[member] = t
    gains.logs[member] = gains.arcs[member] = 0.0
    gains.touched[num_touched] = member
    return num_touched + 1


@compiled
def _best_to_remove(
    t: int, num_fixed: int, per_arc: float, num_touched: int, num_top: int, gains: _Gains
) -> int:
    """Return the member with the largest linear gain."""
    best, most = num_fixed, -np.inf
    for f in range(num_touched):
        i = gains.touched[f]
        gain = gains.removal[i] + gains.logs[i] - per_arc * gains.arcs[i]
        if i >= num_fixed and gain > most:
            best, most = i, gain
    for f in range(num_top):
        i = gains.top[f]
        if gains.stamp[i] != t:
            return i if gains.removal[i] > most else best
    for i in range(num_fixed, len(gains.removal)):  # all of the top are touched
        if gains.stamp[i] != t and gains.removal[i] > most:
            best, most = i, gains.removal[i]
    return best
