"""The score of the tiles chosen in one stratum: spacing, coverage, and distance within.

The score of a stratum's set S of k members, in nats, is::

    J(S) = H(S) - κ log D(S)² + ν log W(S)²        (distances in km)

- H is the Kozachenko-Leonenko entropy of the location, with the nearest chosen tile of *any*
  stratum as the nearest neighbour (``kernels.entropy``): psi(k) - psi(1) + 1/k sum_i log(A_i). A_i
  is the area of the cap up to the nearest other chosen tile. For each chosen tile of another
  stratum to which a tile of S is the nearest, the sum also has log(A_q / B_q), which is negative:
  B_q is the area of its cap without S.
- D is the mean distance from the stratum's tiles to their nearest member, the cost of the k-median
  problem (Hakimi 1964, doi 10.1287/opre.12.3.450). H alone asks where members are, and places too
  many of them at the edge of a stratum; D asks where the tiles are. A random sample of the tiles,
  the reference tiles, stands for all of them.
- W is the mean distance over all pairs of members (max-sum dispersion; Kuby 1987, doi
  10.1111/j.1538-4632.1987.tb00133.x).

κ is the coverage weight and ν the within weight. All distances are Haversine distances.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from minortom.genetic.ball_tree import ball_tree, curve_order
from minortom.genetic.kernels import FLOOR_CHORD2
from minortom.genetic.options import GeneticOptions, Stratum
from minortom.genetic.search_state import Space, search_state
from minortom.genetic.swap_search import score_sum, swap_search
from minortom.grid.sphere import EARTH_RADIUS_KM

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class StratumScore:
    """The score J of sets of members of one stratum, and their improvement by swaps."""

    def __init__(self, stratum: Stratum, options: GeneticOptions) -> None:
        """Order the tiles of the stratum and the chosen tiles of others along a curve."""
        num_tiles, num_foreign = len(stratum.points), len(stratum.foreign)
        points = np.concatenate([stratum.points, stratum.foreign])
        order = curve_order(points)
        self._place = np.empty(len(order), np.int64)  # of each tile along the curve
        self._place[order] = np.arange(len(order))
        self._tile = order
        outside = np.concatenate([stratum.outside, stratum.foreign_outside])
        self.space = Space(
            ball_tree(points[order]),
            np.concatenate([stratum.is_reference, np.zeros(num_foreign, np.bool_)])[order],
            order >= num_tiles,
            outside[order],
        )
        # A constant of the search: it makes scores comparable when the other strata change.
        self._logs_without = np.log(np.maximum(stratum.foreign_outside, FLOOR_CHORD2)).sum()
        self._weights = (options.coverage_weight, options.within_weight)
        self._num_fixed = stratum.num_fixed

    def score(self, members: IntArray) -> float:
        """Return J of members [k], in nats."""
        state = search_state(self.space, self._place[members])
        return self._normalised(score_sum(state, *self._weights), len(members))

    def improved(self, members: IntArray, candidates: IntArray) -> tuple[IntArray, float, float]:
        """Swap members [k], fixed ones first, for candidates while J rises.

        Returns:
            The members, fixed ones first, and J before and after, in nats.
        """
        state = search_state(self.space, self._place[members])
        before = self._normalised(score_sum(state, *self._weights), len(members))
        swap_search(state, self._num_fixed, *self._weights, self._place[candidates])
        value = self._normalised(score_sum(state, *self._weights), len(members))
        return self._tile[state.members], before, value

    def _normalised(self, total: float, size: int) -> float:
        of_size = digamma(size) - digamma(1) + np.log(np.pi * EARTH_RADIUS_KM**2)
        return float(of_size + (total - self._logs_without) / size)
