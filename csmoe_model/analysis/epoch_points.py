"""Scores of the weights that runs kept, and of their baselines, as points of a picture."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from csmoe_model.analysis.plot_files import Points
from csmoe_model.analysis.probe_results import SHOWN_PROBES
from csmoe_model.datasets.base import LabelledSet
from csmoe_model.evaluation.bootstrap import NUM_DRAWS, Bootstrap
from csmoe_model.evaluation.feature_cache import FeatureCache
from csmoe_model.evaluation.metrics import HEADLINE
from csmoe_model.evaluation.tables import TITLES
from csmoe_model.extractors.load import load_extractor
from csmoe_model.probing.feature_sources import MODEL, UNTRAINED, FeatureKind, FeatureMaker
from csmoe_model.probing.options import ProbeOptions
from csmoe_model.probing.protocols import probe_rows
from csmoe_model.probing.rows import Row, differences
from csmoe_model.runs.kept_weights import KeptWeights
from minortom.progress import OnProgress
from minortom.sensors import SensorName

Runs = Mapping[str, Sequence[KeptWeights]]
"""Kept weights by the name of the run's folder."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EpochProber:
    """Probe of weights of several epochs on one set."""

    data: LabelledSet
    sensors: tuple[SensorName, ...]
    options: ProbeOptions
    cache: FeatureCache
    on_progress: OnProgress

    def points(self, runs: Runs) -> Points:
        """Return one point for every epoch of every run, and one for every baseline."""
        points: Points = []
        weight_free: list[Row] = []
        untrained: dict[str, list[Row]] = {}
        for name, all_kept in runs.items():
            maker = self._maker(all_kept[0])
            kinds = maker.kinds()
            architecture = _architecture(maker)
            if not weight_free:
                names = [kind for kind in kinds if kind not in (MODEL, UNTRAINED)]
                weight_free = self._rows((kind, kinds[kind]) for kind in names)
                points += [self._point(row, run=None) for row in weight_free]
            if architecture not in untrained:
                untrained[architecture] = self._rows([(UNTRAINED, kinds[UNTRAINED])])
                points += [self._point(row, run=name) for row in untrained[architecture]]
            for kept in all_kept:
                (row,) = self._rows([(MODEL, self._maker(kept).kinds()[MODEL])])
                rows = [row, *weight_free, *untrained[architecture]]
                points.append(self._point(row, run=name, kept=kept) | self._differences(rows))
        return points

    def _maker(self, kept: KeptWeights) -> FeatureMaker:
        options = self.options
        return FeatureMaker(
            extractor=load_extractor(kept.folder).with_pooling(options.pooling), data=self.data,
            sensors=self.sensors,
            seeds=range(options.seed, options.seed + options.seeds), cache=self.cache,
            on_progress=self.on_progress,
        )  # fmt: skip

    def _rows(self, features: Iterable[tuple[str, FeatureKind]]) -> list[Row]:
        test = self.data.split("test")
        bootstrap = Bootstrap.over(
            len(test), test.independent, seed=self.options.seed, num_draws=NUM_DRAWS
        )
        rows = probe_rows(features, self.data, self.options, bootstrap)
        return [row for row in rows if row.probe in SHOWN_PROBES]

    def _point(
        self, row: Row, *, run: str | None, kept: KeptWeights | None = None
    ) -> dict[str, Any]:
        """Return the score of a row in %, with its run and its epoch where it has one."""
        headline = HEADLINE[self.data.task]
        return {
            "data": self.data.name, "features": row.features, "from": run,
            "epochs": kept.epochs if kept else None, "steps": kept.steps if kept else None,
            "probe": row.probe, "score": TITLES[headline], "sensors": list(self.sensors),
            **_percent(asdict(row.scores[headline])),
        }  # fmt: skip

    def _differences(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the score of the model, the first row, minus that of each other row, in %."""
        gaps = differences(rows, HEADLINE[self.data.task])
        return {"minus": {str(gap["minus"]): _percent(gap) for gap in gaps}}


def _architecture(maker: FeatureMaker) -> str:
    """Return what the features of an untrained model depend on, besides the seed."""
    untrained = maker.extractor.untrained(seed=0)
    assert untrained is not None  # kept weights are of CSMoE, which has one
    return json.dumps(dict(untrained.identity))


def _percent(score: Mapping[str, Any]) -> dict[str, float]:
    return {
        "percent" if name == "value" else name: 100 * score[name]
        for name in ("value", "low", "high")
    }
