"""Scores pooled over checkpoints of several pretraining seeds, with bootstrap intervals.

Axes, as name suffixes:
    m  checkpoints, or seeds of a baseline    R  draws of the bootstrap
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from csmoe_model.evaluation.bootstrap import Bootstrap, interval
from csmoe_model.evaluation.metrics import FloatArray, Predictions, score
from csmoe_model.probing.feature_sources import MODEL
from csmoe_model.probing.predictions import PredictionTable, RowName


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pooled:
    """One row of the table, pooled over all results."""

    value_m: FloatArray
    draw_mR: FloatArray


def pooled_rows(
    tables: Sequence[PredictionTable],
    bootstrap: Bootstrap,
    *,
    headline: str,
    draws_per_seed: int,
    seed: int,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Score every row of several results, and the model minus each baseline.

    Args:
        tables: Predictions of each checkpoint's probe.
        bootstrap: Draws of groups of test samples.
        headline: Name of the score.
        draws_per_seed: Consecutive predictions of a row that belong to one seed of a baseline.
        seed: Random seed that pairs draws of groups and of checkpoints.

    Returns:
        Rows and differences: value and interval over groups, the same over groups and checkpoints
        together (`wider`), and the value of each checkpoint or seed (`each`).
    """
    pooled = {
        name: _pool([table.of[name] for table in tables], name, bootstrap, headline, draws_per_seed)
        for name in tables[0].of
    }
    rng = np.random.default_rng([seed, 1])
    rows, differences = [], []
    for (features, probe), row in pooled.items():
        wide_R = spread(row.draw_mR, rng)
        rows.append(
            {"features": features, "probe": probe}
            | _record(row.value_m, row.draw_mR.mean(0), wide_R)
        )
        if features == MODEL:
            continue
        model = pooled[MODEL, probe]
        # The draws are paired: model and baseline are scored on the same draws of groups.
        gap_R = model.draw_mR.mean(0) - row.draw_mR.mean(0)
        wide_R = spread(model.draw_mR, rng) - wide_R
        each_m = model.value_m - row.value_m.mean()
        differences.append(
            {"features": f"model − {features}", "probe": probe} | _record(each_m, gap_R, wide_R)
        )
    return rows, differences


def _pool(
    runs: list[list[Predictions]], name: RowName, bootstrap: Bootstrap, headline: str,
    draws_per_seed: int,
) -> _Pooled:  # fmt: skip
    """Score a row of all results.

    For the model, the value of a checkpoint is the mean over its probes. For a baseline, the
    seeds vary instead of the checkpoints: with the same seed a baseline is nearly the same beside
    every checkpoint (only the normalisation statistics differ). Draws of few labels are the same
    for all checkpoints and do not count as seeds: the value of a seed is the mean over its draws.
    """
    if name[0] != MODEL:
        runs = [
            [run for one in runs for run in one[first : first + draws_per_seed]]
            for first in range(0, len(runs[0]), draws_per_seed)
        ]
    values = [float(np.mean([score(run)[headline] for run in some])) for some in runs]
    draw_mR = [bootstrap.draws(some)[headline] for some in runs]
    return _Pooled(value_m=np.array(values), draw_mR=np.stack(draw_mR))


def spread(draw_mR: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return draws of the mean over checkpoints, over groups and checkpoints together.

    Each draw of groups is moved by the standard error of the mean over checkpoints, times a value
    of Student's t-distribution with m − 1 degrees of freedom. Without variance over groups, the
    percentiles are those of Student's interval. Drawing the m checkpoints with replacement gives
    intervals that are too narrow for few of them: docs/evidence.md has the coverage of both.

    Args:
        draw_mR: Score of each checkpoint in each draw of groups.
        rng: Random generator.

    Returns:
        [R] means.
    """
    count, num_draws = draw_mR.shape
    mean_R: FloatArray = draw_mR.mean(0)
    if count == 1:
        return mean_R
    # Each part of the distribution once, in random order: its tails are long for few checkpoints.
    t_R = stdtrit(count - 1, (rng.permutation(num_draws) + 0.5) / num_draws)
    wide_R: FloatArray = mean_R + draw_mR.std(0, ddof=1) / np.sqrt(count) * t_R
    return wide_R


def _record(value_m: FloatArray, draw_R: FloatArray, wide_R: FloatArray) -> dict[str, Any]:
    mean = float(value_m.mean())
    return {
        **asdict(interval(mean, draw_R)), "wider": asdict(interval(mean, wide_R)),
        "each": value_m.tolist(),
    }  # fmt: skip
