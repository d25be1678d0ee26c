"""The score of the tiles chosen in one stratum: spacing, coverage, and distance within.

The score of a stratum's set S of k members, in nats, is::

    J(S) = H(S) - κ log D(S)² - σ log E(S)² + ν log W(S)²        (distances in km)

- H is the Kozachenko-Leonenko entropy of the location, with the nearest chosen tile of *any*
  stratum as the nearest neighbour (``kernels.entropy``): psi(k) - psi(1) + 1/k sum_i log(A_i). A_i
  is the area of the cap up to the nearest other chosen tile. For each chosen tile of another
  stratum to which a tile of S is the nearest, the sum also has log(A_q / B_q), which is negative:
  B_q is the area of its cap without S.
- D is the mean distance from the stratum's tiles to their nearest member, the cost of the k-median
  problem (Hakimi 1964, doi 10.1287/opre.12.3.450). H alone asks where members are, and places too
  many of them at the edge of a stratum; D asks where the tiles are. A random sample of the tiles,
  the reference tiles, stands for all of them.
- E is the same mean in another space, if the stratum has ``cover_points``: of the tiles' columns
  and their place. Its distances are Euclidean and have no unit.
- W is the mean distance over all pairs of members (max-sum dispersion; Kuby 1987, doi
  10.1111/j.1538-4632.1987.tb00133.x).

κ is the coverage weight, σ the cover weight of the stratum, and ν the within weight. All distances
but those of E are Haversine distances.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from minortom.genetic.ball_tree import FAR, ball_tree, curve_order, nearby_order
from minortom.genetic.kernels import FLOOR_CHORD2
from minortom.genetic.options import GeneticOptions, Stratum
from minortom.genetic.search_state import Space, search_state
from minortom.genetic.swap_search import MemberStates, Weights, score_sum, swap_search
from minortom.grid.sphere import EARTH_RADIUS_KM

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class StratumScore:
    """The score J of sets of members of one stratum, and their improvement by swaps."""

    def __init__(self, stratum: Stratum, options: GeneticOptions) -> None:
        """Order the tiles of the stratum and the chosen tiles of others along a curve."""
        num_tiles, num_foreign = len(stratum.points), len(stratum.foreign)
        points = np.concatenate([stratum.points, stratum.foreign])
        order = curve_order(points)
        self._place = _positions(order)  # of each tile along the curve
        self._tile = order
        outside = np.concatenate([stratum.outside, stratum.foreign_outside])
        counts = np.concatenate([stratum.is_reference, np.zeros(num_foreign, np.bool_)])[order]
        self.space = Space(
            ball_tree(points[order], FAR), True, counts, int(counts.sum()), order >= num_tiles,
            outside[order],
        )  # fmt: skip
        self.cover_space, self._cover_place = self.space, self._place
        self._cover_of_place = self._place
        if stratum.cover_points is not None:
            self.cover_space, self._cover_place = _cover_space(
                stratum.cover_points, stratum.is_reference
            )
            of_foreign = np.full(num_foreign, -1)
            self._cover_of_place = np.concatenate([self._cover_place, of_foreign])[order]
        # A constant of the search: it makes scores comparable when the other strata change.
        self._logs_without = np.log(np.maximum(stratum.foreign_outside, FLOOR_CHORD2)).sum()
        self._weights = Weights(
            float(options.coverage_weight), float(stratum.cover_weight),
            float(options.within_weight),
        )  # fmt: skip
        self._num_fixed = stratum.num_fixed

    def score(self, members: IntArray) -> float:
        """Return J of members [k], in nats."""
        return self._score_of(self.states(members))

    def improved(self, members: IntArray, candidates: IntArray) -> tuple[IntArray, float, float]:
        """Swap members [k], fixed ones first, for candidates while J rises.

        Returns:
            The members, fixed ones first, and J before and after, in nats.
        """
        states = self.states(members)
        before = self._score_of(states)
        swap_search(states, self._num_fixed, self._weights, self._place[candidates])
        return self._tile[states.ground.members], before, self._score_of(states)

    def states(self, members: IntArray) -> MemberStates:
        """Return the states of members [k] on the ground and in the space of E."""
        ground = cover = search_state(self.space, self._place[members])
        if self.cover_space is not self.space:
            cover = search_state(self.cover_space, self._cover_place[members])
        return MemberStates(ground, cover, self._cover_of_place)

    def _score_of(self, states: MemberStates) -> float:
        size = len(states.ground.members)
        total = score_sum(states, self._weights)
        of_size = digamma(size) - digamma(1) + np.log(np.pi * EARTH_RADIUS_KM**2)
        return float(of_size + (total - self._logs_without) / size)


def _cover_space(points: FloatArray, is_reference: BoolArray) -> tuple[Space, IntArray]:
    """Return the tiles [n, d] as points of a Euclidean space, and the place of each in it."""
    order, n = nearby_order(points), len(points)
    # No two points are farther apart than twice the distance to the centre.
    radius2 = float(np.square(points - points.mean(axis=0)).sum(axis=1).max())
    far = FAR * (radius2 + FLOOR_CHORD2)
    space = Space(
        ball_tree(points[order], far), False, is_reference[order], int(is_reference.sum()),
        np.zeros(n, np.bool_), np.full(n, far),
    )  # fmt: skip
    return space, _positions(order)


def _positions(order: IntArray) -> IntArray:
    """Return the inverse of a permutation."""
    positions = np.empty(len(order), np.int64)
    positions[order] = np.arange(len(order))
    return positions
