"""Gains of a candidate: changes of the sums of a search, for each member that it may replace."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minortom.engine.numba_jit import compiled
from minortom.genetic.search_state import SearchState, affected_points, distance_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Gains(NamedTuple):
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
    """[k] correction of ``removal_arc`` on the ground for the candidate."""
    cover_arcs: FloatArray
    """[k] the same in the space of E."""


@compiled
def arrival(
    state: SearchState,
    place: int,
    t: int,
    num_touched: int,
    gains: Gains,
    removal_arcs: FloatArray,
) -> tuple[float, float, int]:
    """Compute what candidate number t changes in the sums, whichever member leaves.

    Returns:
        The change in the sum of logarithms (on the ground only), the change in the sum of
        distances to the nearest member, and the number of touched members. For those,
        ``gains.logs`` and ``removal_arcs`` [k] have the difference to their removal without this
        candidate.
    """
    near, arcs, logs, who = state.near, state.arcs, state.logs, state.who
    outside, nearest = state.space.outside, who[0, place]
    change_log, change_arc = 0.0, 0.0
    num_touched = _touch(nearest, t, num_touched, gains)
    if state.space.is_ground:
        change_log = np.log(min(near[0, place], outside[place]))
        gains.logs[nearest] = np.log(min(near[1, place], outside[place])) - change_log
    for f in range(affected_points(state, place, gains.found, gains.chords)):
        i, chord = gains.found[f], gains.chords[f]
        member, nearest = state.number[i], who[0, i]
        num_touched = _touch(nearest, t, num_touched, gains)
        num_touched = _touch(member, t, num_touched, gains)
        if state.space.is_reference[i] and chord < near[1, i]:
            arc = 0.0 if i == place else distance_of(state, chord)
            if member >= 0:  # if it is removed, the candidate may become its nearest
                removal_arcs[member] += min(arc - arcs[0, i], 0.0)
            elif chord < near[0, i]:  # the candidate is the nearest in any case
                change_arc += arc - arcs[0, i]
                removal_arcs[nearest] += arcs[0, i] - arcs[1, i]
            else:  # only if its nearest is removed
                removal_arcs[nearest] += arc - arcs[1, i]
        if not state.space.is_ground or (member < 0 and not state.space.is_foreign[i]):
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
def _touch(member: int, t: int, num_touched: int, gains: Gains) -> int:
    """Add a member to the touched ones, with corrections of 0; return their number."""
    if member < 0 or gains.stamp[member] == t:
        return num_touched
    gains.stamp[member] = t
    gains.logs[member] = gains.arcs[member] = gains.cover_arcs[member] = 0.0
    gains.touched[num_touched] = member
    return num_touched + 1
