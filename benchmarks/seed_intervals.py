"""Simulate how often an interval over blocks and few seeds contains the true mean.

    python benchmarks/seed_intervals.py

Each trial draws the effect of each block, of each seed, and of both together, from normal
distributions with mean 0. The benchmark counts the trials whose 95 % interval contains 0: for the
interval of `csmoe compare`, and for seeds that are drawn with replacement as the blocks are.
It writes benchmarks/results/seed_intervals.json.
"""

import numpy as np
from _results import store

from csmoe_model.evaluation.bootstrap import NUM_DRAWS
from csmoe_model.probing.pooling import spread

BLOCKS, TRIALS = 100, 1000
SEEDS = (2, 3, 5)
RATIOS = (0.0, 1.0, 2.0, 8.0)
"""Standard deviation of the mean over seeds, as a multiple of that over blocks."""
TOGETHER = 0.5
"""Standard deviation of the effect of a block on a seed, as a multiple of that of the block."""


def resampled(draw_mR, rng):
    """Draw seeds with replacement, and scale the deviations to those of a mean of new seeds."""
    count, num_draws = draw_mR.shape
    mean_R = draw_mR.mean(0)
    chosen_Rm = rng.integers(count, size=(num_draws, count))
    drawn_R = np.take_along_axis(draw_mR.T, chosen_Rm, axis=1).mean(1)
    return mean_R + (drawn_R - mean_R) * np.sqrt(count / (count - 1))


WAYS = {"student": spread, "resampled": resampled}


def coverage(seeds, ratio, *, blocks=BLOCKS, trials=TRIALS, seed=0):
    """Return the share of trials in which the interval of each way contains the true mean."""
    rng = np.random.default_rng(seed)
    of_seeds = ratio * np.sqrt(seeds / blocks)
    contains = dict.fromkeys(WAYS, 0)
    for _ in range(trials):
        score_mb = (
            rng.normal(size=blocks)
            + TOGETHER * rng.normal(size=(seeds, blocks))
            + of_seeds * rng.normal(size=(seeds, 1))
        )
        weight_Rb = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=NUM_DRAWS) / blocks
        draw_mR = score_mb @ weight_Rb.T
        for name, way in WAYS.items():
            low, high = np.percentile(way(draw_mR, rng), (2.5, 97.5))
            contains[name] += bool(low <= 0 <= high)
    return {name: count / trials for name, count in contains.items()}


def main():
    """Print and store the shares."""
    rows = []
    for seeds in SEEDS:
        for ratio in RATIOS:
            rows.append({"seeds": seeds, "ratio": ratio, **coverage(seeds, ratio)})
            print(rows[-1], flush=True)
    store("seed_intervals", {"blocks": BLOCKS, "trials": TRIALS, "rows": rows})


if __name__ == "__main__":
    main()
