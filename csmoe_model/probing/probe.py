"""``csmoe probe``: frozen features of a labelled set, probed beside what costs nothing."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from csmoe_model.datasets.base import SPLITS, LabelledSet, check_for_probe
from csmoe_model.evaluation.baseline_features import NUM_FILTERS
from csmoe_model.evaluation.bootstrap import NUM_DRAWS, Bootstrap
from csmoe_model.evaluation.feature_cache import FeatureCache
from csmoe_model.evaluation.metrics import HEADLINE
from csmoe_model.evaluation.published_results import published_rows
from csmoe_model.evaluation.tables import latex_table, markdown_table
from csmoe_model.inference.encode_dataset import choose_sensors
from csmoe_model.inference.load import LoadedModel, load_encoder
from csmoe_model.nn.cost import encoder_cost
from csmoe_model.probing.dense_probe import DenseProbe
from csmoe_model.probing.feature_sources import FeatureMaker
from csmoe_model.probing.few_shot import SHOT_DRAWS, check_shots
from csmoe_model.probing.heads import BATCH_SIZE, EPOCHS, NEIGHBOURS, STRENGTHS
from csmoe_model.probing.options import ProbeOptions
from csmoe_model.probing.predictions import PREDICTIONS, write_predictions
from csmoe_model.probing.protocols import learning_rate, probe_rows
from csmoe_model.probing.rows import Row, differences
from minortom.errors import InputError
from minortom.io.atomic_write import whole_folder, write_json, write_text
from minortom.io.provenance import KEY, Provenance
from minortom.io.up_to_date import is_up_to_date, now, status, write_run_record
from minortom.progress import OnProgress, ignore_progress
from minortom.sensors import SensorName

RESULT = "result.json"
_FILES = (RESULT, PREDICTIONS, "table.md", "table.tex")


def probe(
    checkpoint: str | Path,
    data: LabelledSet,
    out: Path,
    *,
    options: ProbeOptions,
    inputs: tuple[Path, ...] = (),
    cache: Path | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> dict[str, object]:
    """Probe a model and its baselines on a labelled set; write JSON, tables and predictions.

    Args:
        checkpoint: As `CSMoE.from_pretrained` takes it.
        data: The labelled set.
        out: Folder to write `result.json`, `predictions.parquet`, `table.md` and `table.tex` to.
        options: What to do.
        inputs: Where the set lies, so that it is never replaced.
        cache: Folder to keep features in, for other probes of the same; none when None.
        overwrite: Whether another result in `out` may be replaced.
        on_progress: Called with (images done, images in all) of each kind of feature.

    Returns:
        The rows of the table, and what there is to tell beside it.

    Raises:
        InputError: If the checkpoint is none, or the set cannot be probed with it.
        OutputExistsError: If `out` is something else.
    """
    started = now()
    trained = load_encoder(checkpoint)
    sensors = choose_sensors(trained.model, data, options.sensor)
    dense = _dense(data, sensors, options, on_progress) if data.task == "segmentation" else None
    check_for_probe(data)
    check_shots(data, options.shots)
    kept = FeatureCache(cache)
    provenance = _provenance(trained, data, sensors, options)
    done = is_up_to_date(
        out, provenance, inputs=[trained.folder, *inputs], overwrite=overwrite, record=RESULT
    ) and all((out / name).is_file() for name in _FILES)
    if not done:
        maker = FeatureMaker(
            trained=trained, data=data, sensors=sensors, pooling=options.pooling,
            seeds=range(options.seed, options.seed + options.seeds), cache=kept,
            on_progress=on_progress,
        )  # fmt: skip
        test = data.split("test")
        bootstrap = Bootstrap.over(len(test), test.groups, seed=options.seed, num_draws=NUM_DRAWS)
        rows = (
            dense.rows(trained.model, bootstrap)
            if dense
            else probe_rows(maker.all(), data, options, bootstrap)
        )
        settings = _settings(maker, options) | (dense.settings(trained.model) if dense else {})
        result = _result(data, settings, rows, bootstrap)
        result[KEY] = json.loads(provenance.to_json())
        with whole_folder(out) as folder:
            write_json(folder / RESULT, result)
            write_predictions(folder / PREDICTIONS, data, rows, provenance)
            write_text(folder / "table.md", markdown_table(result))
            write_text(folder / "table.tex", latex_table(result))
        write_run_record(out, started)
    stored = json.loads((out / RESULT).read_text(encoding="utf-8"))
    return {"status": status(done), "out": str(out), **stored}


def _provenance(
    trained: LoadedModel, data: LabelledSet, sensors: tuple[SensorName, ...], options: ProbeOptions
) -> Provenance:
    choices = asdict(options)
    del choices["seed"]
    return Provenance(
        command="probe",
        options={**choices, "sensor": "+".join(sensors), "data": data.name, **data.record},
        inputs={"weights": trained.weights_sha256, "data": data.sha256},
        seed=options.seed,
        licences=tuple(dict.fromkeys((*trained.licences, *data.licences))),
    )


def _dense(
    data: LabelledSet, sensors: tuple[SensorName, ...], options: ProbeOptions,
    on_progress: OnProgress,
) -> DenseProbe:  # fmt: skip
    """Prepare the probe of a segmentation set."""
    if options.protocol != "paper" or options.pooling != "cls":
        raise InputError(
            f"{data.name} is a segmentation set, whose heads are trained as the paper's are, on "
            "maps; give --protocol paper, and no --pooling"
        )
    if len(sensors) != 1:
        raise InputError(
            f"heads of a segmentation set see one sensor, the model and {data.name} have "
            f"{', '.join(sensors)}; give --sensor {sensors[0]}"
        )
    seeds = range(options.seed, options.seed + options.seeds)
    return DenseProbe(
        data=data, sensor=sensors[0], seeds=seeds, lr=options.lr, on_progress=on_progress
    )


def _result(
    data: LabelledSet, settings: dict[str, object], rows: Sequence[Row], bootstrap: Bootstrap
) -> dict[str, object]:
    """Put together all that the result file holds, but the provenance."""
    grouped = data.split("test").groups is not None
    return {
        "data": data.name,
        "task": data.task,
        "headline": HEADLINE[data.task],
        "classes": list(data.classes),
        "splits": {name: len(data.split(name)) for name in SPLITS},
        "groups": int(bootstrap.groups.max()) + 1 if grouped else None,
        "settings": settings,
        "rows": [row.record() for row in rows],
        "differences": differences(rows, HEADLINE[data.task]),
        "published": published_rows(data.name),
    }


def _settings(maker: FeatureMaker, options: ProbeOptions) -> dict[str, object]:
    """Say all that another would need to do the same."""
    trained, data = maker.trained, maker.data
    assert trained.model.origin is not None  # of what was loaded
    side = trained.model.config.image_size
    protocols: dict[str, dict[str, object]] = {
        "standard": {"C": list(STRENGTHS), "k": list(NEIGHBOURS), "standardised": True},
        "paper": {
            "lr": learning_rate(data, options), "epochs": EPOCHS, "batch_size": BATCH_SIZE,
            "optimiser": "AdamW, weight decay 0.01, constant rate", "standardised": False,
        },
    }  # fmt: skip
    return {
        "recipe": trained.recipe,
        "macs_paper": encoder_cost(trained.model.config, sensors=maker.sensors).macs_paper,
        "weights_sha256": trained.weights_sha256,
        "protocol": options.protocol,
        **protocols[options.protocol],
        "pooling": options.pooling,
        "sensors": list(maker.sensors),
        "seeds": list(maker.seeds),
        "shots": options.shots and {"a_class": options.shots, "draws": SHOT_DRAWS},
        "normalisation": {
            "model": "z-score with the statistics of the model's training data",
            "statistics": trained.model.origin.statistics,
            "random convolutions": "z-score with the statistics of the training images drawn from",
        },
        "resize": {
            "model": f"bilinear to {side} × {side}, averaging where it shrinks",
            "baselines": "none",
        },
        "random_filters": {"filters": NUM_FILTERS, "of": "each sensor"},
        "bootstrap": {"draws": NUM_DRAWS, "interval": "percentiles 2.5 and 97.5"},
        "set": data.record,
    }
