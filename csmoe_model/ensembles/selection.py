"""Greedy forward selection of members by the labels that a ridge regression predicts.

Axes, as name suffixes:
    n  samples    D  width of a member    K  targets    G  groups
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from csmoe_model.ensembles.ridge import Fit, FloatArray, HeldOutRidge, IntArray

SMALLEST_GAIN = 1e-3
"""A smaller share of the variance is what a near-duplicate may gain by chance."""
FIRST_ERRORS = 2.0
"""Standard errors that the gain of the first member exceeds. Beside no other member, noise costs
nothing, because the penalty shrinks all of it; its gain is then positive half of the time."""
_TWICE = 2**0.5
"""Weight of a member whose regression is that of two equal members."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the selection: the best candidate, chosen or the reason to stop."""

    candidate: int
    """Member with the greatest gain among those within the budget."""
    gain: float
    """Explained share of the labels' variance with it, minus that of the best rival without it."""
    standard_error: float
    """Standard error of the gain over groups, paired."""
    errors: float
    """Standard errors that the gain must exceed."""
    explained: float
    """Explained share of the labels' variance with the candidate."""
    multiply_adds: int
    """Cost of an image with the candidate."""
    gains: Mapping[int, float]
    """Gain of each candidate within the budget."""

    @property
    def chosen(self) -> bool:
        """Return whether the gain is large enough."""
        return self.gain > max(self.errors * self.standard_error, SMALLEST_GAIN)


def select_members(
    ridge: HeldOutRidge, groups: IntArray, multiply_adds: Sequence[int], *, budget: int | None
) -> list[Step]:
    """Add the best member within a budget for as long as its gain exceeds one standard error.

    The gain of the first member has to exceed two.

    A candidate is compared with the members chosen before, and with them when one counts twice. A
    duplicate of a chosen member differs from it in this weight alone, and so gains nothing.

    Args:
        ridge: The regressions.
        groups: Number of the group of each sample, from 0.
        multiply_adds: Cost of an image for each member.
        budget: Maximum sum of the costs; none when None.

    Returns:
        The steps in order. Only the last one may not be chosen.
    """
    steps: list[Step] = []
    chosen: list[int] = []
    while True:
        spent = sum(multiply_adds[m] for m in chosen)
        candidates = [
            m for m, cost in enumerate(multiply_adds)
            if m not in chosen and (budget is None or spent + cost <= budget)
        ]  # fmt: skip
        if not candidates:
            return steps
        rival = _best_without(ridge, chosen)
        fits = {m: ridge.fit(dict.fromkeys([*chosen, m], 1.0)) for m in candidates}
        gains = {m: fit.explained - rival.explained for m, fit in fits.items()}
        best = max(candidates, key=lambda m: gains[m])
        step = Step(
            candidate=best, gain=gains[best], gains=gains, explained=fits[best].explained,
            standard_error=paired_standard_error(rival.loss_n - fits[best].loss_n, groups),
            multiply_adds=spent + multiply_adds[best], errors=1.0 if chosen else FIRST_ERRORS,
        )  # fmt: skip
        steps.append(step)
        if not step.chosen:
            return steps
        chosen.append(best)


def _best_without(ridge: HeldOutRidge, chosen: Sequence[int]) -> Fit:
    """Return the best regression on the chosen members, one of which may count twice."""
    equal = dict.fromkeys(chosen, 1.0)
    fits = [ridge.fit(equal)]
    fits += [ridge.fit({**equal, m: _TWICE}) for m in chosen]
    return max(fits, key=lambda fit: fit.explained)


def paired_standard_error(difference_n: FloatArray, groups: IntArray) -> float:
    """Return the standard error of a mean difference whose samples are independent by group only.

    Args:
        difference_n: Difference of each sample.
        groups: Number of the group of each sample, from 0.
    """
    sum_G = np.bincount(groups, difference_n - difference_n.mean())
    count = len(sum_G)
    if count < 2:
        return float("inf")
    return float(np.sqrt(count / (count - 1) * np.square(sum_G).sum()) / len(difference_n))
