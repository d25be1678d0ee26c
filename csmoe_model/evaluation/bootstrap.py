"""Bootstrap confidence intervals of scores.

Axes, as name suffixes:
    n  samples    R  draws of the bootstrap
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from csmoe_model.evaluation.metrics import FloatArray, Predictions, Scorer, Scores, score, scorer

NUM_DRAWS = 1000


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Score with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Bootstrap:
    """Bootstrap that draws whole groups of samples, with replacement.

    Samples of a group are similar. Drawing them one by one would make the interval too narrow. All
    predictions are scored on the same draws, so that their differences are paired.
    """

    seed: int
    groups: NDArray[np.int64]
    """Number of the group of each sample, [n]."""
    num_draws: int = NUM_DRAWS

    @classmethod
    def over(
        cls, num_samples: int, groups: NDArray[np.str_] | None, *, seed: int,
        num_draws: int = NUM_DRAWS,
    ) -> "Bootstrap":  # fmt: skip
        """Return a bootstrap over groups, or over single samples where groups is None."""
        numbers = (
            np.arange(num_samples) if groups is None else np.unique(groups, return_inverse=True)[1]
        )
        return cls(seed=seed, groups=numbers.astype(np.int64), num_draws=num_draws)

    def draws(self, runs: Sequence[Predictions]) -> dict[str, FloatArray]:
        """Compute each score in every draw [R], as the mean over the runs (seeds)."""
        return self.draws_of([scorer(run) for run in runs])

    def draws_of(self, scorers: Sequence[Scorer]) -> dict[str, FloatArray]:
        """Compute each score in every draw [R], as the mean over the scorers."""
        rng = np.random.default_rng(self.seed)
        num_groups = int(self.groups.max()) + 1
        share = np.full(num_groups, 1 / num_groups)
        found: dict[str, list[float]] = {}
        for _ in range(self.num_draws):
            weight_n = rng.multinomial(num_groups, share)[self.groups].astype(np.float64)
            for name, value in _mean([one(weight_n) for one in scorers]).items():
                found.setdefault(name, []).append(value)
        return {name: np.array(values) for name, values in found.items()}


def mean_score(runs: Sequence[Predictions]) -> Scores:
    """Compute each score as the mean over runs with different seeds."""
    return _mean([score(run) for run in runs])


def _mean(scores: Sequence[Scores]) -> Scores:
    return {name: float(np.mean([one[name] for one in scores])) for name in scores[0]}


def interval(value: float, draw_R: FloatArray) -> Interval:
    """Return a value with the 2.5th and 97.5th percentiles of its draws."""
    low, high = np.percentile(draw_R, (2.5, 97.5))
    return Interval(value=value, low=float(low), high=float(high))
