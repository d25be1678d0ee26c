"""Means and paired differences of runs, with intervals over test samples and runs.

Axes, as name suffixes:
    m  runs    R  draws of the bootstrap
"""

import numpy as np

from csmoe_model.evaluation.bootstrap import interval
from csmoe_model.probing.pooling import spread


def difference(of, base):
    """Return the mean difference of paired scores, with its interval over samples and runs.

    Args:
        of: Scores [m] and draws [m, R] of some runs.
        base: Those of the other runs: run by run the same seed and the same draws of samples.
    """
    (value_m, draw_mR), (base_m, base_mR) = of, base
    return interval_of(value_m - base_m, draw_mR - base_mR)


def interval_of(value_m, draw_mR):
    """Return the mean of runs, with its interval over samples and runs."""
    found = interval(float(value_m.mean()), spread(draw_mR, np.random.default_rng(0)))
    return [found.value, found.low, found.high]
