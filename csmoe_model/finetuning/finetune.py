"""`csmoe_model.finetune`: train encoder and head on labels, as `csmoe finetune` does."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from csmoe_model.choices import SensorChoice
from csmoe_model.data.bands import channels
from csmoe_model.datasets.base import LabelledSet, check_for_probe
from csmoe_model.datasets.names import SetName, SplitBy
from csmoe_model.datasets.open_set import BandNames, open_set
from csmoe_model.datasets.trained_classes import with_trained_classes
from csmoe_model.distributed.device import best_device
from csmoe_model.extractors.checkpoint import LoadedModel, load_model
from csmoe_model.extractors.map_images import choose_sensors
from csmoe_model.finetuning.config import FinetuneConfig
from csmoe_model.finetuning.labelled_batches import with_shots
from csmoe_model.finetuning.run import FinetuneRun, Settings, run_folder
from csmoe_model.finetuning.tuning import Tuning
from csmoe_model.finetuning.weight_groups import check_freeze
from csmoe_model.probing.few_shot import check_shots
from csmoe_model.probing.probe import ProbeResult
from csmoe_model.probing.record import RESULT
from csmoe_model.runs.trackers import Tracking, check_tracking
from csmoe_model.training.field_arguments import config_of, with_fields
from csmoe_model.training.supervised import OnStep, ignore_steps
from csmoe_model.training.supervised_config import SupervisedConfig
from minortom.api.arguments import flag, path_of, whole_number
from minortom.api.packages import require_package
from minortom.errors import InputError
from minortom.io.parse import parse_json
from minortom.io.provenance import Provenance
from minortom.scenes.radiometry import GivenOffset
from minortom.sensors import SensorName


@dataclass(frozen=True, kw_only=True)
class FinetuneResult(ProbeResult):
    """Result of `csmoe finetune`: the content of `result.json`, the status and the folders.

    The rows are those of the fine-tuned network (`model`), of the linear probe on the frozen
    encoder (`frozen model`) and of the network that was trained from random weights
    (`untrained model`).
    """

    weights: Path
    """Folder of the weights with their head: a checkpoint."""
    curve: Path
    """PNG with loss and validation score over the steps."""


@with_fields(SupervisedConfig, FinetuneConfig)
def finetune(
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
    sensor: SensorChoice | None = None,
    compare: bool = True,
    resume: bool = False,
    save_every: int = 100,
    tensorboard: bool = True,
    wandb_project: str | None = None,
    overwrite: bool = False,
    fields: Mapping[str, object],
    on_step: OnStep = ignore_steps,
) -> FinetuneResult:
    """Train the encoder of a checkpoint and a head end to end on labels, and test them.

    The weights with the best score on the split `val` are kept. The folder `out` receives `model/`
    (a checkpoint with its head, for `predict`), `result.json`, `predictions.parquet`, `table.md`,
    `log.csv` and `curve.png`.

    Args:
        checkpoint: Folder of a run, folder of a model, or a repository of the hub (`user/name`).
        data: `shards`, a `folder` of GeoTIFFs with `labels.csv`, the name of a published set, or
            a `LabelledSet`.
        root: Folder that holds the set; None for a `LabelledSet`.
        out: Folder of the run.
        label: Shards only: column with the labels; `landcover` when None.
        labels: Shards only: table with the labels of the patches from `minortom.label`, in place
            of a column.
        split_by: Shards only: their own splits (`shards`, also when None) or `blocks` of ground.
        s2_bands: Folder only: names of the Sentinel-2 bands, such as `B02,B03`, in the order of
            the files; the names in the files when None.
        s1_bands: Folder only: names of the Sentinel-1 bands, as for `s2_bands`.
        s2_offset: Folder only: offset to subtract from Sentinel-2 values without offset tags, in
            reflectance × 10,000; `auto` takes it from the name of the product.
        sensor: `s2`, `s1` or `both`; all that the model and the set share when None.
        compare: Whether to test the linear probe of the same checkpoint, and to train the same
            network from random weights, for comparison.
        resume: Whether to resume the run in `out` from its last checkpoint.
        save_every: Steps between checkpoints.
        tensorboard: Whether to write curves for TensorBoard into the run.
        wandb_project: Project on Weights & Biases that gets them too; None for no project.
        overwrite: Whether to replace a run in `out` that was made with other inputs or options.
        fields: Fields of the training, by name.
        on_step: Called after each step with (steps done, maximum number of steps, loss, speed of
            the step); first for the network itself, then for the one from random weights.

    Returns:
        The scores with intervals, the differences to the comparisons, and all settings.

    Raises:
        InputError: If the checkpoint does not exist, an argument is not valid, the set cannot be
            learned with the model, or there is no run to resume or it is configured otherwise.
        OutputExistsError: If `out` holds something else, or an unfinished run.
        MinorTomError: If the set is missing or damaged.
        DivergedError: If the loss or the gradient is not finite.
        FullMemoryError: If a batch does not fit into the memory of the GPU.
        KeyboardInterrupt: After SIGINT, once the checkpoint is saved; SystemExit after SIGTERM.
    """
    supervised = config_of(SupervisedConfig, fields)
    options = config_of(FinetuneConfig, fields)
    labelled = open_set(
        data, root, label=label, labels=labels, split_by=split_by, s2_bands=s2_bands,
        s1_bands=s1_bands, s2_offset=s2_offset, seed=supervised.seed,
    )  # fmt: skip
    tracking = Tracking(tensorboard=tensorboard, wandb_project=wandb_project)
    check_tracking(tracking)
    settings = Settings(
        compare=flag("compare", compare), on_step=on_step, tracking=tracking,
        save_every=whole_number("save_every", save_every, minimum=1),
    )  # fmt: skip
    trained = load_model(checkpoint, device=best_device())
    of_set = [path_of(name, path) for name, path in (("root", root), ("labels", labels)) if path]
    run = _prepared(
        trained, labelled, path_of("out", out), sensor, supervised, options, settings,
        inputs=[*trained.folders, *of_set],
    )  # fmt: skip
    status = run.run(resume=flag("resume", resume), overwrite=flag("overwrite", overwrite))
    stored = parse_json((run.folder.path / RESULT).read_text(encoding="utf-8"))
    return FinetuneResult(
        status=status, out=run.folder.path, weights=run.folder.model, curve=run.folder.curve,
        **stored,
    )  # fmt: skip


def _prepared(
    trained: LoadedModel, data: LabelledSet, out: Path, sensor: SensorChoice | None,
    supervised: SupervisedConfig, options: FinetuneConfig, settings: Settings,
    *, inputs: Sequence[Path],
) -> FinetuneRun:  # fmt: skip
    """Check that the set can be learned with the model and the options; return the run."""
    sensors = choose_sensors(trained, data, sensor)
    for name in sensors:
        channels(name, data.bands[name])
    if data.task == "segmentation" and len(sensors) != 1:
        raise InputError(
            f"a segmentation head takes one sensor, found {', '.join(sensors)} in the model and in "
            f"{data.name}; give --sensor {sensors[0]}"
        )
    check_freeze(trained.model.config, options.freeze)
    check_shots(data, options.shots)
    data = with_trained_classes(data)
    check_for_probe(data, needed_by="fine-tuning")
    if data.task != "segmentation" and (settings.compare or options.warm_start):
        require_package("sklearn", needed_by="the linear probe", extra="evaluate")
    return FinetuneRun(
        trained=trained, folder=run_folder(out), settings=settings, inputs=inputs,
        tuning=Tuning(
            data=with_shots(data, options.shots, seed=supervised.seed), sensors=sensors,
            supervised=supervised, options=options,
        ),
        provenance=_provenance(trained, data, sensors, supervised, options, settings),
    )  # fmt: skip


def _provenance(
    trained: LoadedModel, data: LabelledSet, sensors: tuple[SensorName, ...],
    supervised: SupervisedConfig, options: FinetuneConfig, settings: Settings,
) -> Provenance:  # fmt: skip
    train = asdict(supervised) | asdict(options)
    return Provenance(
        command="finetune",
        options={
            "recipe": trained.name, "model": trained.model.config.to_dict(), "train": train,
            "sensor": "+".join(sensors), "compare": settings.compare, "data": data.name,
            **data.record,
        },
        inputs={"weights": trained.sha256, "data": data.sha256},
        seed=supervised.seed,
        licences=tuple(dict.fromkeys((*trained.licences, *data.licences))),
    )  # fmt: skip
