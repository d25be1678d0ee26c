"""Rows of a probe's table: features and a probe, their scores, and how sure one is of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from csmoe_model.evaluation.bootstrap import Bootstrap, Interval, interval, mean_score
from csmoe_model.evaluation.metrics import FloatArray, Predictions, score
from csmoe_model.probing.feature_sources import MODEL
from csmoe_model.probing.heads import TrainedProbe


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """Some features under one probe."""

    features: str
    probe: str
    width: int
    """Of a feature."""
    scores: dict[str, Interval]
    """Means over the seeds, with intervals over test samples or groups."""
    per_seed: dict[str, list[float]]
    chosen: list[dict[str, object]]
    """What each seed's probe settled on."""
    runs: list[Predictions]
    """What is said of the test samples, one a seed."""
    draws: dict[str, FloatArray]
    """[R] of each score, for differences."""

    def record(self) -> dict[str, object]:
        """Give what a result file holds of it."""
        return {
            "features": self.features, "probe": self.probe, "width": self.width,
            "scores": {name: asdict(found) for name, found in self.scores.items()},
            "per_seed": self.per_seed, "chosen": self.chosen,
        }  # fmt: skip


def scored_row(
    features: str, probe: str, probed: Sequence[TrainedProbe], bootstrap: Bootstrap, *, width: int
) -> Row:
    """Score the probes of every seed, and draw again and again for the intervals."""
    runs = [one.test for one in probed]
    means, draws = mean_score(runs), bootstrap.draws(runs)
    singles = [score(run) for run in runs]
    return Row(
        features=features, probe=probe, width=width,
        scores={name: interval(value, draws[name]) for name, value in means.items()},
        per_seed={name: [single[name] for single in singles] for name in means},
        chosen=[one.settings for one in probed], runs=runs, draws=draws,
    )  # fmt: skip


def differences(rows: Sequence[Row], headline: str) -> list[dict[str, object]]:
    """Give the model's headline score minus each baseline's, probe by probe.

    Draws are paired: both are scored on the same drawn samples, so that what is hard about a
    draw is hard for both.
    """
    found: list[dict[str, object]] = []
    for model in (row for row in rows if row.features == MODEL):
        for other in rows:
            if other.probe == model.probe and other.features != MODEL:
                value = model.scores[headline].value - other.scores[headline].value
                gap = interval(value, np.subtract(model.draws[headline], other.draws[headline]))
                found.append(
                    {"probe": model.probe, "minus": other.features, "score": headline} | asdict(gap)
                )
    return found
