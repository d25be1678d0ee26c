"""Rows of the table of a probe: features, probe, scores and their intervals."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from csmoe_model.evaluation.bootstrap import Bootstrap, Interval, interval, mean_score
from csmoe_model.evaluation.metrics import FloatArray, Predictions, score
from csmoe_model.extractors.cost import ExtractorCost
from csmoe_model.probing.feature_sources import MODEL
from csmoe_model.probing.heads import TrainedProbe


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """Scores of one kind of features with one probe."""

    features: str
    probe: str
    width: int
    """Length of a feature vector."""
    cost: ExtractorCost
    """Cost of a feature vector, without the probe."""
    scores: dict[str, Interval]
    """Mean of each score over the seeds, with its interval over test samples or groups."""
    per_seed: dict[str, list[float]]
    """Each score for each seed."""
    chosen: list[dict[str, object]]
    """Settings that the probe of each seed chose, such as the regularisation strength."""
    runs: list[Predictions]
    """Predictions for the test samples, for each seed."""
    draws: dict[str, FloatArray]
    """Bootstrap draws [R] of each score, for the differences."""

    def record(self) -> dict[str, object]:
        """Return the entry of the result file."""
        return {
            "features": self.features, "probe": self.probe, "width": self.width,
            **self.cost.as_dict(),
            "scores": {name: asdict(found) for name, found in self.scores.items()},
            "per_seed": self.per_seed, "chosen": self.chosen,
        }  # fmt: skip


def scored_row(
    features: str, probe: str, probed: Sequence[TrainedProbe], bootstrap: Bootstrap, *, width: int,
    cost: ExtractorCost,
) -> Row:  # fmt: skip
    """Score the probes of all seeds and compute the bootstrap intervals."""
    runs = [one.test for one in probed]
    means, draws = mean_score(runs), bootstrap.draws(runs)
    singles = [score(run) for run in runs]
    return Row(
        features=features, probe=probe, width=width, cost=cost,
        scores={name: interval(value, draws[name]) for name, value in means.items()},
        per_seed={name: [single[name] for single in singles] for name in means},
        chosen=[one.settings for one in probed], runs=runs, draws=draws,
    )  # fmt: skip


def differences(rows: Sequence[Row], headline: str) -> list[dict[str, object]]:
    """Return the headline score of the model minus that of each baseline, for each probe.

    The draws are paired: both are scored on the same drawn samples, so that a difficult draw is
    difficult for both.
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
