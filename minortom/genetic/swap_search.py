"""The swap search: replace members by candidates while the score rises.

The score of the members S of one stratum, in nats, times the number of members k::

    k J(S) = sum_i log c²(i) - k κ log D² - k σ log E² + k ν log W²

The sum is over the members and the chosen tiles of other strata; c(i) is the distance to the
nearest other chosen tile of any stratum. D is the mean distance from the reference tiles to their
nearest member, E the same in another space, W the mean distance over all pairs of members.
``minortom.genetic.score`` subtracts a constant, and has the sources.

Without another space the weight σ is 0.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minortom.engine.numba_jit import compiled
from minortom.genetic.candidate_gains import Gains, arrival
from minortom.genetic.search_state import (
    COVER,
    PAIRS,
    SPACING,
    SearchState,
    arc_between,
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


class MemberStates(NamedTuple):
    """The members of a stratum on the ground, and in the space of E."""

    ground: SearchState
    cover: SearchState
    """The state that E comes from; ``ground`` itself without another space."""
    cover_place: IntArray
    """[n] point of ``cover`` for each tile of ``ground``."""


class Weights(NamedTuple):
    """Weights of terms of the score, or their products with factors of these terms."""

    ground: float
    """κ, of D."""
    cover: float
    """σ, of E; 0 without another space than the ground."""
    within: float
    """ν, of W."""


@compiled
def score_sum(states: MemberStates, weights: Weights) -> float:
    """Return the score times the number of members, in nats, of distances in km."""
    ground, cover = states.ground, states.cover
    k = len(ground.members)
    value = ground.totals[SPACING]
    if weights.ground > 0:
        mean = max(ground.totals[COVER] / max(ground.space.num_references, 1), FLOOR_ARC)
        value -= 2 * k * weights.ground * np.log(mean * EARTH_RADIUS_KM)
    if weights.cover > 0:
        mean = max(cover.totals[COVER] / max(cover.space.num_references, 1), FLOOR_ARC)
        value -= 2 * k * weights.cover * np.log(mean)
    if weights.within > 0 and k > 1:
        within = max(2 * ground.totals[PAIRS] / (k * (k - 1)), FLOOR_ARC)
        value += 2 * k * weights.within * np.log(within * EARTH_RADIUS_KM)
    return float(value)


@compiled
def swap_search(
    states: MemberStates,
    num_fixed: int,
    weights: Weights,
    candidates: IntArray,
) -> int:
    """Swap members for candidates, in place, if the swap raises the score.

    For each candidate the best member to remove is chosen by its linear gain: the logarithms of D
    and W are replaced by their tangents. The swap is made if its exact gain is above zero.

    Args:
        states: The members; changed in place.
        num_fixed: Number of fixed members, the first ones, which stay.
        weights: Weights of D, E and W.
        candidates: Tiles to try, as points of the ground, in this order; members are skipped.

    Returns:
        The number of swaps.
    """
    ground, cover = states.ground, states.cover
    n, k, num_swaps, num_top = len(ground.number), len(ground.members), 0, -1
    if k <= num_fixed:
        return 0
    gains = Gains(
        np.empty(n, np.int64), np.empty(n), np.empty(k), np.empty(min(_TOP, k), np.int64),
        np.empty(k, np.int64), np.full(k, -1, np.int64), np.empty(k), np.empty(k), np.empty(k),
    )  # fmt: skip
    of = Weights(
        2 * k * weights.ground, 2 * k * weights.cover, 2 * k * weights.within if k > 1 else 0.0
    )
    for t in range(len(candidates)):
        place = candidates[t]
        if ground.number[place] >= 0:
            continue
        if num_top < 0:
            num_top = _rank(states, num_fixed, of, gains)
        leaves, gain = _best_swap(states, place, t, num_fixed, num_top, of, gains)
        if gain > MIN_GAIN:
            swap_member(ground, leaves, place, gains.found, gains.chords)
            if weights.cover > 0:
                cover_place = states.cover_place[place]
                swap_member(cover, leaves, cover_place, gains.found, gains.chords)
            num_swaps, num_top = num_swaps + 1, -1
    return num_swaps


@compiled
def _floor(state: SearchState) -> float:
    """Return the minimum of the sum of D: 1 m for each reference tile."""
    return FLOOR_ARC * max(state.space.num_references, 1)


@compiled
def _rates(states: MemberStates, of: Weights) -> Weights:
    """Return the weights divided by the sums: the tangents of the logarithms."""
    ground, cover, k = states.ground, states.cover, len(states.ground.members)
    return Weights(
        of.ground / max(ground.totals[COVER], _floor(ground)),
        of.cover / max(cover.totals[COVER], _floor(cover)),
        of.within / max(ground.totals[PAIRS], FLOOR_ARC * max(k * (k - 1) / 2, 1)),
    )


@compiled
def _best_swap(
    states: MemberStates,
    place: int,
    t: int,
    num_fixed: int,
    num_top: int,
    of: Weights,
    gains: Gains,
) -> tuple[int, float]:
    """Return the best member to remove for candidate number t, and the gain of the score times k.

    The gain may be 0 in place of a negative one.
    """
    ground, cover, k = states.ground, states.cover, len(gains.removal)
    rates = _rates(states, of)
    logs, arcs, num_touched = arrival(ground, place, t, 0, gains, gains.arcs)
    cover_arcs = 0.0
    if of.cover > 0:
        _, cover_arcs, num_touched = arrival(
            cover, states.cover_place[place], t, num_touched, gains, gains.cover_arcs
        )
    leaves = _best_to_remove(t, num_fixed, rates, num_touched, num_top, gains)
    logs += ground.removal_log[leaves]
    arcs += ground.removal_arc[leaves]
    cover_arcs += cover.removal_arc[leaves]
    if gains.stamp[leaves] == t:
        logs += gains.logs[leaves]
        arcs += gains.arcs[leaves]
        cover_arcs += gains.cover_arcs[leaves]
    gain = logs - of.ground * _log_growth(ground, arcs)
    if of.cover > 0:
        gain -= of.cover * _log_growth(cover, cover_arcs)
    if of.within > 0:
        # By the triangle inequality, the sum of distances is at most that of the nearest
        # member plus k times the distance to it. Most candidates need no exact sum.
        floor = FLOOR_ARC * max(k * (k - 1) / 2, 1)
        pairs = max(ground.totals[PAIRS], floor)
        bound = ground.pair_arcs[ground.who[0, place]] + k * ground.arcs[0, place]
        bound = max(pairs + bound - ground.pair_arcs[leaves], floor)
        if gain + of.within * np.log(bound / pairs) <= MIN_GAIN:
            return leaves, 0.0
        change = _pair_arcs(ground, place, leaves) - ground.pair_arcs[leaves]
        gain += of.within * np.log(max(ground.totals[PAIRS] + change, floor) / pairs)
    return leaves, gain


@compiled
def _log_growth(state: SearchState, arcs: float) -> float:
    """Return the growth of the logarithm of the sum of D if the sum grows by ``arcs``."""
    floor, total = _floor(state), state.totals[COVER]
    return float(np.log(max(total + arcs, floor) / max(total, floor)))


@compiled
def _pair_arcs(state: SearchState, place: int, leaves: int) -> float:
    """Sum the distances from a point to all members but one, in radians."""
    total = 0.0
    for i in range(len(state.members)):
        if i != leaves:
            total += arc_between(state, state.members[i], place)
    return total


@compiled
def _rank(states: MemberStates, num_fixed: int, of: Weights, gains: Gains) -> int:
    """Fill in ``removal`` and ``top``; return the number of members in ``top``."""
    num, removal, top, ground = 0, gains.removal, gains.top, states.ground
    rates = _rates(states, of)
    for i in range(len(ground.members)):
        removal[i] = ground.removal_log[i] - rates.ground * ground.removal_arc[i]
        removal[i] -= rates.within * ground.pair_arcs[i]
        if of.cover > 0:
            removal[i] -= rates.cover * states.cover.removal_arc[i]
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
def _best_to_remove(
    t: int, num_fixed: int, rates: Weights, num_touched: int, num_top: int, gains: Gains
) -> int:
    """Return the member with the largest linear gain."""
    best, most = num_fixed, -np.inf
    for f in range(num_touched):
        i = gains.touched[f]
        gain = gains.removal[i] + gains.logs[i] - rates.ground * gains.arcs[i]
        gain -= rates.cover * gains.cover_arcs[i]
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
