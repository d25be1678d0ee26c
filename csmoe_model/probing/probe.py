"""`csmoe probe`: train simple classifiers on frozen features of a model and of baselines."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from csmoe_model.choices import Pooling, Protocol, SensorChoice
from csmoe_model.datasets.base import LabelledSet, Task, check_for_probe
from csmoe_model.datasets.names import SetName, SplitBy
from csmoe_model.datasets.open_set import BandNames, open_set
from csmoe_model.datasets.trained_classes import with_trained_classes
from csmoe_model.evaluation.bootstrap import NUM_DRAWS, Bootstrap
from csmoe_model.evaluation.feature_cache import FeatureCache
from csmoe_model.evaluation.tables import latex_table, markdown_table, shown_rows
from csmoe_model.extractors.checkpoint import LoadedModel
from csmoe_model.extractors.extractor import Extractor
from csmoe_model.extractors.load import load_extractor
from csmoe_model.extractors.map_images import choose_sensors
from csmoe_model.probing.dense_probe import DenseProbe
from csmoe_model.probing.feature_sources import FeatureMaker
from csmoe_model.probing.few_shot import check_shots
from csmoe_model.probing.options import ProbeOptions
from csmoe_model.probing.predictions import PREDICTIONS, write_predictions
from csmoe_model.probing.protocols import probe_rows
from csmoe_model.probing.record import RESULT, result_record, settings_record
from minortom.api.arguments import number, path_of
from minortom.api.packages import require_package
from minortom.api.results import Result
from minortom.errors import InputError
from minortom.io.artefact import artefact
from minortom.io.atomic_write import write_json, write_text
from minortom.io.parse import parse_json
from minortom.io.provenance import KEY, Provenance
from minortom.progress import OnProgress, ignore_progress
from minortom.scenes.radiometry import GivenOffset
from minortom.sensors import SensorName

_FILES = (RESULT, PREDICTIONS, "table.md", "table.tex")


@dataclass(frozen=True, kw_only=True)
class ProbeResult(Result):
    """Result of `csmoe probe`: the content of `result.json`, the status and the folder."""

    status: str
    """`written` or `up to date`."""
    out: Path
    data: str
    """Name of the labelled set."""
    task: Task
    headline: str
    """Name of the score that is compared, such as `average_accuracy`."""
    classes: list[str]
    splits: dict[str, int]
    """Number of samples in each split."""
    groups: int | None
    """Number of groups in the test split; None where the bootstrap draws single samples."""
    settings: dict[str, Any]
    rows: list[dict[str, Any]]
    """Each combination of features and probe: its scores from 0 to 1, with 95 % intervals."""
    differences: list[dict[str, Any]]
    """Headline score of the model minus that of each baseline, with 95 % intervals."""
    published: list[dict[str, Any]]
    """Published scores on the same set, in percent."""
    minortom: dict[str, Any]
    """Provenance."""

    def shown(self) -> list[dict[str, object]]:
        """Return a table row for each score, difference and published score, in percent."""
        return shown_rows(self.as_dict())


def probe(
    checkpoint: str | Path,
    *,
    data: SetName | LabelledSet,
    root: str | Path | None,
    out: str | Path,
    label: str | None = None,
    labels: str | Path | None = None,
    split_by: SplitBy | None = None,
    s2_bands: BandNames | None = None,
    s1_bands: BandNames | None = None,
    s2_offset: GivenOffset = "auto",
    protocol: Protocol = "standard",
    pooling: Pooling = "cls",
    sensor: SensorChoice | None = None,
    seeds: int = 3,
    lr: float | None = None,
    shots: int | None = None,
    cache: str | Path | None = None,
    seed: int = 0,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> ProbeResult:
    """Train probes on frozen features of a model, and on baselines, and score them.

    The folder `out` receives `result.json`, `predictions.parquet`, `table.md` and `table.tex`.

    Args:
        checkpoint: Folder of a run, folder of a model, or a repository of the hub (`user/name`).
        data: `shards`, a `folder` of GeoTIFFs with `labels.csv`, the name of a published set, or
            a `LabelledSet`.
        root: Folder that holds the set; None for a `LabelledSet`.
        out: Folder to write.
        label: Shards only: column with the labels; `landcover` when None.
        labels: Shards only: table with the labels of the patches from `minortom.label`, in place
            of a column.
        split_by: Shards only: their own splits (`shards`, also when None) or `blocks` of ground.
        s2_bands: Folder only: names of the Sentinel-2 bands, such as `B02,B03`, in the order of
            the files; the names in the files when None.
        s1_bands: Folder only: names of the Sentinel-1 bands, as for `s2_bands`.
        s2_offset: Folder only: offset to subtract from Sentinel-2 values without offset tags, in
            reflectance × 10,000; `auto` takes it from the name of the product.
        protocol: `standard` (tuned logistic regression and k nearest neighbours) or `paper` (one
            linear layer).
        pooling: `cls` (the [CLS] token), `mean` (mean of the patch tokens), or `both`.
        sensor: `s2`, `s1` or `both`; all that the model and the set share when None.
        seeds: Number of untrained models, random filters and linear layers.
        lr: Learning rate of the paper's protocol; the paper's own when None.
        shots: Maximum number of training samples of each class, drawn five times; all when None.
        cache: Folder of cached features; no cache when None.
        seed: First random seed.
        overwrite: Whether to replace a result that was made with other options.
        on_progress: Called with (images done, images in all) for each kind of features.

    Returns:
        The scores, the differences between the model and the baselines, and all settings.

    Raises:
        InputError: If the checkpoint does not exist, an argument is not valid, or the set cannot
            be probed with the model.
        OutputExistsError: If `out` is another result.
        MinorTomError: If the set is missing or damaged.
    """
    options = ProbeOptions(
        protocol=protocol, pooling=pooling, sensor=sensor, seed=seed, seeds=seeds,
        lr=None if lr is None else number("lr", lr), shots=shots,
    )  # fmt: skip
    labelled = open_set(
        data, root, label=label, labels=labels, split_by=split_by, s2_bands=s2_bands,
        s1_bands=s1_bands, s2_offset=s2_offset, seed=options.seed,
    )  # fmt: skip
    return probe_set(
        checkpoint, labelled, path_of("out", out), options=options,
        inputs=[
            path_of(name, path) for name, path in (("root", root), ("labels", labels)) if path
        ],
        cache=None if cache is None else path_of("cache", cache),
        overwrite=overwrite, on_progress=on_progress,
    )  # fmt: skip


def probe_set(
    checkpoint: str | Path,
    data: LabelledSet,
    out: Path,
    *,
    options: ProbeOptions,
    inputs: Sequence[Path] = (),
    cache: Path | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> ProbeResult:
    """Probe a model and its baselines on an open set, as `probe` does.

    Args:
        checkpoint: As for `probe`.
        data: The labelled set.
        out: Folder to write.
        options: Options for features and probes.
        inputs: Folder of the set, which `out` must not replace.
        cache: Folder of cached features; no cache when None.
        overwrite: Whether to replace another result.
        on_progress: Called with (images done, images in all) for each kind of features.

    Raises:
        InputError: If the checkpoint does not exist, or the set cannot be probed with it.
        OutputExistsError: If `out` is another result.
    """
    kept = FeatureCache.beside(out, cache)
    extractor = load_extractor(checkpoint).with_pooling(options.pooling)
    sensors = choose_sensors(extractor, data, options.sensor)
    is_dense = data.task == "segmentation"
    dense = _dense_probe(extractor, data, sensors, options, on_progress) if is_dense else None
    data = with_trained_classes(data)
    check_for_probe(data)
    if options.protocol == "standard":
        require_package("sklearn", needed_by="the logistic probe", extra="evaluate")
    check_shots(data, options.shots)
    maker = FeatureMaker(
        extractor=extractor, data=data, sensors=sensors, seeds=options.seed_range,
        cache=kept, on_progress=on_progress,
    )  # fmt: skip
    provenance = _provenance(extractor, data, sensors, options)
    with artefact(
        out, provenance, inputs=[*extractor.folders, *inputs], overwrite=overwrite, record=RESULT,
        is_whole=lambda: all((out / name).is_file() for name in _FILES),
    ) as made:  # fmt: skip
        if not made.up_to_date:
            data.report()
            _write(made.path, maker, dense, options, provenance)
    stored = parse_json((out / RESULT).read_text(encoding="utf-8"))
    return ProbeResult(status=made.status, out=out, **stored)


def _write(
    folder: Path,
    maker: FeatureMaker,
    dense: DenseProbe | None,
    options: ProbeOptions,
    provenance: Provenance,
) -> None:
    """Train and score all probes, and write the files of the result."""
    data = maker.data
    test = data.split("test")
    bootstrap = Bootstrap.over(len(test), test.independent, seed=options.seed, num_draws=NUM_DRAWS)
    settings = settings_record(maker, options, bootstrap)
    if dense is None:
        rows = probe_rows(maker.kinds().items(), data, options, bootstrap)
    else:
        rows = dense.rows(bootstrap)
        settings |= dense.settings()
    record = result_record(data, settings, rows, bootstrap)
    record[KEY] = provenance.as_dict()
    write_json(folder / RESULT, record)
    write_predictions(folder / PREDICTIONS, data, rows, provenance)
    write_text(folder / "table.md", markdown_table(record))
    write_text(folder / "table.tex", latex_table(record))


def _provenance(
    extractor: Extractor, data: LabelledSet, sensors: tuple[SensorName, ...], options: ProbeOptions
) -> Provenance:
    choices = asdict(options)
    del choices["seed"]
    return Provenance(
        command="probe",
        options={
            **choices,
            "sensor": "+".join(sensors),
            "data": data.name,
            **data.record,
            **extractor.record,
        },
        inputs={"weights": extractor.sha256, "data": data.sha256},
        seed=options.seed,
        licences=tuple(dict.fromkeys((*extractor.licences, *data.licences))),
    )


def _dense_probe(
    extractor: Extractor, data: LabelledSet, sensors: tuple[SensorName, ...], options: ProbeOptions,
    on_progress: OnProgress,
) -> DenseProbe:  # fmt: skip
    """Return the probe of a segmentation set, after a check of the options."""
    if not isinstance(extractor, LoadedModel):
        raise InputError(
            f"{data.name} is a segmentation set, which needs the feature maps of a CSMoE model, "
            f"found {extractor.name}, which has one vector an image; give a checkpoint"
        )
    if options.protocol != "paper" or options.pooling != "cls":
        raise InputError(
            f"{data.name} is a segmentation set, which needs --protocol paper and no --pooling, "
            f"found --protocol {options.protocol} --pooling {options.pooling}; change them"
        )
    if len(sensors) != 1:
        raise InputError(
            f"a segmentation probe takes one sensor, found {', '.join(sensors)} in the model and "
            f"in {data.name}; give --sensor {sensors[0]}"
        )
    return DenseProbe(
        trained=extractor, data=data, sensor=sensors[0], seeds=options.seed_range, lr=options.lr,
        on_progress=on_progress,
    )  # fmt: skip
