"""`csmoe plot epochs`: scores over the epochs of pretraining, from the weights that runs kept."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from csmoe_model.analysis.epoch_plot import epoch_picture
from csmoe_model.analysis.epoch_points import EpochProber, Runs
from csmoe_model.analysis.plot_files import (
    PlotResult,
    distinct_names,
    numbers_path,
    save_png,
)
from csmoe_model.datasets.base import LabelledSet, check_for_probe
from csmoe_model.datasets.trained_classes import with_trained_classes
from csmoe_model.evaluation.feature_cache import FeatureCache
from csmoe_model.extractors.extractor import Extractor
from csmoe_model.extractors.load import load_extractor
from csmoe_model.extractors.map_images import choose_sensors
from csmoe_model.probing.few_shot import check_shots
from csmoe_model.probing.options import ProbeOptions
from csmoe_model.runs.kept_weights import kept_weights
from minortom.errors import InputError, OutputExistsError
from minortom.io.atomic_write import write_json
from minortom.io.parse import parse_json
from minortom.io.provenance import KEY, Provenance
from minortom.io.up_to_date import check_not_part, is_up_to_date, status
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName


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
) -> PlotResult:
    """Probe the weights that runs kept, and their baselines; draw the scores over the epochs.

    Args:
        runs: Folders of runs of `csmoe train --keep-every`, with different names.
        data: The labelled set.
        out: PNG to write; the numbers go to the same name with `.json`.
        options: How features are computed and probed.
        averaged: Whether to take the averaged weights.
        inputs: Folders that `out` must not replace, besides the runs.
        cache: Folder that keeps features; none when None.
        overwrite: Whether to replace a picture that was made otherwise.
        on_progress: Called with (images done, images in all) for each kind of features.

    Raises:
        InputError: If a run kept no weights, or the set cannot be probed with them.
        OutputExistsError: If the picture or its numbers were made from something else.
    """
    numbers = numbers_path(out)
    if not runs:
        raise InputError("expected folders of runs of `csmoe train`, found none; give at least one")
    kept = _kept(runs, averaged=averaged)
    first = load_extractor(next(iter(kept.values()))[0].folder)
    sensors = choose_sensors(first, data, options.sensor)
    if data.task == "segmentation":
        raise InputError(
            f"expected a multiclass or multilabel set, found {data.name}, a segmentation set; give "
            "another --data"
        )
    data = with_trained_classes(data)
    check_for_probe(data)
    check_shots(data, options.shots)
    provenance = _provenance(kept, first, data, sensors, options)
    done = is_up_to_date(numbers, provenance, inputs=[*runs, *inputs], overwrite=overwrite)
    if out.exists() and not numbers.exists():  # then this command did not draw it
        check_not_part(out, [*runs, *inputs])
    if done and out.is_file():
        points = parse_json(numbers.read_text(encoding="utf-8"))["points"]
    elif out.exists() and not overwrite:
        raise OutputExistsError(f"{out} exists; give --overwrite or another --out")
    else:
        done = False
        data.report()
        points = EpochProber(
            data=data, sensors=sensors, options=options, cache=FeatureCache(cache),
            on_progress=on_progress,
        ).points(kept)  # fmt: skip
        # The numbers hold the provenance, so they are written last.
        save_png(epoch_picture(points), out)
        write_json(numbers, {"points": points, KEY: provenance.as_dict()})
    return PlotResult(status=status(done), out=out, data=numbers, points=len(points))


def _kept(runs: Sequence[Path], *, averaged: bool) -> Runs:
    """Return the kept weights of each run, by its name."""
    names = distinct_names(runs, kind="runs")
    return {
        name: kept_weights(run, averaged=averaged) for name, run in zip(names, runs, strict=True)
    }


def _provenance(
    runs: Runs,
    first: Extractor,
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
        options={**choices, "sensor": "+".join(sensors), "data": data.name, **data.record},
        inputs={**weights, "data": data.sha256},
        seed=options.seed,
        licences=tuple(dict.fromkeys((*first.licences, *data.licences))),
    )
