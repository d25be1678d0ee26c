"""``csmoe plot epochs``: quality against epoch (the paper's Fig. 5), over what runs kept."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from csmoe_model.analysis.epoch_plot import epoch_picture
from csmoe_model.analysis.quality_cost import SHOWN_PROBES, numbers_beside, save_png
from csmoe_model.datasets.base import LabelledSet, check_for_probe
from csmoe_model.evaluation.bootstrap import NUM_DRAWS, Bootstrap
from csmoe_model.evaluation.feature_cache import FeatureCache
from csmoe_model.evaluation.metrics import HEADLINE
from csmoe_model.evaluation.tables import TITLES
from csmoe_model.inference.encode_dataset import choose_sensors
from csmoe_model.inference.load import LoadedModel, load_encoder
from csmoe_model.probing.feature_sources import MODEL, UNTRAINED, FeatureMaker, Splits
from csmoe_model.probing.few_shot import check_shots
from csmoe_model.probing.options import ProbeOptions
from csmoe_model.probing.protocols import probe_rows
from csmoe_model.probing.rows import Row, differences
from csmoe_model.runs.kept_weights import Kept, kept_weights
from minortom.errors import InputError, OutputExistsError
from minortom.io.atomic_write import write_json
from minortom.io.provenance import KEY, Provenance
from minortom.io.up_to_date import is_up_to_date, status
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName

Points = list[dict[str, Any]]
Runs = Mapping[str, Sequence[Kept]]
"""By the name of a run's folder: what it kept."""


def draw_epochs(
    runs: Sequence[Path],
    data: LabelledSet,
    out: Path,
    *,
    options: ProbeOptions,
    averaged: bool = False,
    inputs: Sequence[Path] = (),
    cache: Path | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> dict[str, object]:
    """Probe all weights that runs kept on the way, and their baselines; draw score over epoch.

    Args:
        runs: Folders of runs of `csmoe train --keep-every`, each of another name.
        data: The labelled set.
        out: PNG to write; the numbers go to the same name with `.json`.
        options: How features are made and probed.
        averaged: Whether to take the averaged weights.
        inputs: Where the set lies, so that it is never replaced.
        cache: Folder to keep features in; none when None.
        overwrite: Whether another picture may be replaced.
        on_progress: Called with (images done, images in all) of each kind of feature.

    Returns:
        What there is to tell, for people.

    Raises:
        InputError: If a run kept nothing, or the set cannot be probed with it.
        OutputExistsError: If one of the two is there, made from something else.
    """
    numbers = numbers_beside(out)
    kept = _kept(runs, averaged=averaged)
    first = load_encoder(next(iter(kept.values()))[0].folder)
    sensors = choose_sensors(first.model, data, options.sensor)
    if data.task == "segmentation":
        raise InputError(
            f"{data.name} is a segmentation set; csmoe plot epochs takes multiclass and "
            "multilabel sets"
        )
    check_for_probe(data)
    check_shots(data, options.shots)
    provenance = _provenance(kept, first, data, sensors, options)
    done = is_up_to_date(numbers, provenance, inputs=[*runs, *inputs], overwrite=overwrite)
    if done and out.is_file():
        points = json.loads(numbers.read_text(encoding="utf-8"))["points"]
    elif out.exists() and not overwrite:
        raise OutputExistsError(f"{out} exists; give --overwrite or another --out")
    else:
        done = False
        prober = _Prober(
            data=data, sensors=sensors, options=options, cache=FeatureCache(cache),
            on_progress=on_progress,
        )  # fmt: skip
        points = prober.points(kept)
        # The numbers, which hold the provenance, last of all.
        save_png(epoch_picture(points), out)
        write_json(numbers, {"points": points, KEY: json.loads(provenance.to_json())})
    return {
        "status": status(done), "out": str(out), "data": str(numbers), "points": len(points)
    }  # fmt: skip


def _kept(runs: Sequence[Path], *, averaged: bool) -> Runs:
    """List what each run kept, by its name."""
    names = [run.resolve().name for run in runs]
    if len(set(names)) < len(names):
        raise InputError(
            f"two of the runs have the same name, {', '.join(names)}; the picture tells runs "
            "apart by the names of their folders"
        )
    return {
        name: kept_weights(run, averaged=averaged) for name, run in zip(names, runs, strict=True)
    }


def _provenance(
    runs: Runs,
    first: LoadedModel,
    data: LabelledSet,
    sensors: tuple[SensorName, ...],
    options: ProbeOptions,
) -> Provenance:
    choices = asdict(options)
    del choices["seed"]
    weights = {
        f"{name}, epoch {kept.epochs:g}": kept.weights_sha256
        for name, all_kept in runs.items()
        for kept in all_kept
    }
    return Provenance(
        command="plot epochs",
        options={**choices, "sensor": "+".join(sensors), "data": data.name, **data.settings},
        inputs={**weights, "data": data.sha256},
        seed=options.seed,
        licences=tuple(dict.fromkeys((*first.licences, *data.licences))),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Prober:
    """Probes weights of several epochs on one set."""

    data: LabelledSet
    sensors: tuple[SensorName, ...]
    options: ProbeOptions
    cache: FeatureCache
    on_progress: OnProgress

    def points(self, runs: Runs) -> Points:
        """Score every epoch of every run; of the baselines each once."""
        points: Points = []
        weight_free: list[Row] = []
        untrained: dict[str, list[Row]] = {}
        for name, all_kept in runs.items():
            maker = self._maker(all_kept[0])
            kinds = maker.kinds()
            assert maker.trained.model.origin is not None  # of what was loaded
            architecture = json.dumps(
                [asdict(maker.trained.model.config), maker.trained.model.origin.statistics]
            )
            if not weight_free:
                names = [kind for kind in kinds if kind not in (MODEL, UNTRAINED)]
                weight_free = self._rows((kind, kinds[kind]()) for kind in names)
                points += [self._point(row, of=None) for row in weight_free]
            if architecture not in untrained:
                untrained[architecture] = self._rows([(UNTRAINED, kinds[UNTRAINED]())])
                points += [self._point(row, of=name) for row in untrained[architecture]]
            for kept in all_kept:
                (row,) = self._rows([(MODEL, self._maker(kept).kinds()[MODEL]())])
                rows = [row, *weight_free, *untrained[architecture]]
                points.append(self._point(row, of=name, kept=kept) | self._minus(rows))
        return points

    def _maker(self, kept: Kept) -> FeatureMaker:
        options = self.options
        return FeatureMaker(
            trained=load_encoder(kept.folder), data=self.data,
            sensors=self.sensors, pooling=options.pooling,
            seeds=range(options.seed, options.seed + options.seeds), cache=self.cache,
            on_progress=self.on_progress,
        )  # fmt: skip

    def _rows(self, features: Iterable[tuple[str, list[Splits]]]) -> list[Row]:
        test = self.data.split("test")
        bootstrap = Bootstrap.over(
            len(test), test.groups, seed=self.options.seed, num_draws=NUM_DRAWS
        )
        rows = probe_rows(features, self.data, self.options, bootstrap)
        return [row for row in rows if row.probe in SHOWN_PROBES]

    def _point(self, row: Row, *, of: str | None, kept: Kept | None = None) -> dict[str, Any]:
        """Tell a score in %, of which run, and after how many epochs where it has any."""
        headline = HEADLINE[self.data.task]
        return {
            "data": self.data.name, "features": row.features, "from": of,
            "epochs": kept.epochs if kept else None, "steps": kept.steps if kept else None,
            "probe": row.probe, "score": TITLES[headline], "sensors": list(self.sensors),
            **_percent(asdict(row.scores[headline])),
        }  # fmt: skip

    def _minus(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Tell how much better the model, the first of the rows, is than each of the others."""
        gaps = differences(rows, HEADLINE[self.data.task])
        return {"minus": {str(gap["minus"]): _percent(gap) for gap in gaps}}


def _percent(score: Mapping[str, Any]) -> dict[str, float]:
    return {
        "percent" if name == "value" else name: 100 * score[name]
        for name in ("value", "low", "high")
    }
