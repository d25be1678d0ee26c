"""A pretraining run: from shards to weights, in a folder that can be gone on with."""

import logging
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning
import torch

from csmoe_model.checkpoints import save_model
from csmoe_model.csmoe import CSMoE
from csmoe_model.curves import draw_curve
from csmoe_model.data import Loader, reader_threads
from csmoe_model.images import Normalise, best_device
from csmoe_model.keeper import InPlace, Keeper, OnStep, ignore_steps
from csmoe_model.options import Configuration
from csmoe_model.order import OrderedBatches, ShuffledBatches, permutation, steps_per_epoch
from csmoe_model.pretraining import Pretraining
from csmoe_model.run_folder import RunFolder
from csmoe_model.stop import StopRequest
from minortom.errors import InputError
from minortom.outputs import now, sole_writer, write_run_record
from minortom.provenance import Provenance, licences_in, sha256_of
from minortom.shard_layout import DATASET_FILE
from minortom.shards import ShardSet

_log = logging.getLogger(__name__)


def train(
    shards: Path,
    out: Path,
    configuration: Configuration,
    *,
    resume: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    save_every: int = 500,
    on_step: OnStep = ignore_steps,
) -> dict[str, object]:
    """Pretrain a model on the split `train` of some shards; look at `val` on the way.

    Args:
        shards: Folder of shards.
        out: Folder of the run.
        configuration: The model, and the settings of the run.
        resume: Whether to go on from the run's last checkpoint.
        overwrite: Whether another run in `out` may be replaced.
        workers: Threads that read; at most 8 of the cores when None.
        save_every: Steps between checkpoints.
        on_step: Told of each step.

    Returns:
        What there is to tell of the run, for people.

    Raises:
        ShardError: If the shards are missing, damaged or of another version.
        OutputExistsError: If something else is in `out`, or an unfinished run.
        InputError: If a batch is larger than the split, there is nothing to go on from, or a
            configuration differs from that of the run to go on with.
        DivergedError: If a term of the loss is not finite.
    """
    data = ShardSet.open(shards)
    with sole_writer(out):
        return _train(
            data, RunFolder(out), configuration, resume=resume, overwrite=overwrite,
            workers=reader_threads(workers), save_every=save_every, on_step=on_step,
        )  # fmt: skip


def _train(
    data: ShardSet,
    folder: RunFolder,
    configuration: Configuration,
    *,
    resume: bool,
    overwrite: bool,
    workers: int,
    save_every: int,
    on_step: OnStep,
) -> dict[str, object]:
    """Train in a folder that no other process writes to."""
    started, provenance = now(), _provenance(data, configuration)
    state = folder.state(provenance, resume=resume, overwrite=overwrite)
    if state == "finished":
        return _summary(folder, "up to date")
    run = _prepare(data, configuration, workers=workers)
    if state == "new":
        folder.start(provenance)
    with StopRequest() as stop:
        keeper = _keeper(folder, stop, data, run, workers=workers, save_every=save_every)
        keeper.on_step = on_step
        _fit(run, keeper, folder, step=_last_step(folder))
    stop.obey()
    draw_curve(folder.log, folder.curve)
    save_model(
        folder.model, model=run.model, normalise=run.normalise, recipe=configuration.recipe,
        provenance=provenance,
    )  # fmt: skip
    write_run_record(folder.path, started)
    return _summary(folder, "trained")


def _provenance(data: ShardSet, configuration: Configuration) -> Provenance:
    return Provenance(
        command="train",
        options={
            "recipe": configuration.recipe,
            "model": configuration.model.to_dict(),
            "train": configuration.train.to_dict(),
        },
        inputs={"shards": sha256_of(data.folder / DATASET_FILE)},
        seed=configuration.train.seed,
        licences=licences_in(data.provenance),
    )


def _last_step(folder: RunFolder) -> int:
    """Read how far the run to go on with came; 0 if it was stopped before its first checkpoint."""
    if not folder.checkpoint.is_file():
        return 0
    try:
        found = torch.load(folder.checkpoint, weights_only=True, mmap=True, map_location="cpu")
        return int(found["global_step"])
    except (OSError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError):
        raise InputError(
            f"{folder.checkpoint} is no checkpoint of a run, or damaged; start anew with "
            "--overwrite"
        ) from None


def _prepare(data: ShardSet, configuration: Configuration, *, workers: int) -> Pretraining:
    """Draw the weights from the seed, and line up the batches."""
    config, samples = configuration.train, data.indices("train")
    batches = ShuffledBatches(
        samples=samples, batch_size=config.batch_size,
        num_steps=config.num_steps(len(samples)), seed=config.seed,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = CSMoE(configuration.model)
    return Pretraining(
        model=model,
        normalise=Normalise(data.statistics, image_size=configuration.model.image_size),
        config=config,
        loader=Loader(data, batches, workers=workers, pin=best_device().type == "cuda"),
        shards=data,
    )


def _keeper(
    folder: RunFolder,
    stop: StopRequest,
    data: ShardSet,
    run: Pretraining,
    *,
    workers: int,
    save_every: int,
) -> Keeper:
    """Set up the books; say so where there is nothing to validate on."""
    samples, config, loader = data.indices("val"), run.config, None
    if len(samples):
        # Mixed once for all: pairs of one tile, which lie together, would all be in one batch
        # and make the contrastive term another one than in training.
        mixed = samples[permutation(len(samples), config.seed, 0)]
        batches = OrderedBatches(samples=mixed, batch_size=config.batch_size)
        loader = Loader(data, batches, workers=workers)
    else:
        _log.warning("the shards have no split `val`: training without validation")
    an_epoch = steps_per_epoch(len(data.indices("train")), config.batch_size)
    return Keeper(
        folder=folder,
        stop=stop,
        val_every=config.val_every or an_epoch,
        val_loader=loader,
        save_every=save_every,
    )


def _fit(run: Pretraining, keeper: Keeper, folder: RunFolder, *, step: int) -> None:
    """Let Lightning take the steps that are left after ``step``."""
    folder.log.keep_until(step)
    with _quiet_lightning():
        trainer = lightning.Trainer(
            accelerator="gpu" if best_device().type == "cuda" else "cpu",
            devices=1,
            max_epochs=1,  # the loader gives all epochs as one, so that any step is alike
            max_steps=len(run.loader),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            callbacks=[keeper],
            plugins=[InPlace()],
        )
        trainer.fit(run, ckpt_path=folder.checkpoint if step else None, weights_only=True)
    # A run whose last step was its last before a signal lacks the validation after it.
    keeper.make_up(run.to(best_device()), trainer.global_step)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning from advertising, and from warning of its own code."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch 2.13 deprecates what Lightning 2.6 calls.
            warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _summary(folder: RunFolder, status: str) -> dict[str, object]:
    rows, val_rows = folder.log.rows("train"), folder.log.rows("val")
    last = rows[-1]
    return {
        "status": status,
        "run": str(folder.path),
        "steps": int(last["step"]),
        "epochs": int(last["epoch"]) + 1,
        "loss": float(last["loss"]),
        "val_loss": float(val_rows[-1]["loss"]) if val_rows else None,
        "weights": str(folder.model),
        "curve": str(folder.curve),
    }
