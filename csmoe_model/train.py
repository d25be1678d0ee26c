"""A pretraining run: from shards to weights, in a folder that can be gone on with."""

import logging
import os
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning
import torch

from csmoe_model.checkpoints import save_model
from csmoe_model.config import ModelConfig
from csmoe_model.csmoe import CSMoE
from csmoe_model.curves import draw_curve
from csmoe_model.data import Loader
from csmoe_model.images import Normalise, best_device
from csmoe_model.keeper import Keeper, OnStep, ignore_steps
from csmoe_model.order import OrderedBatches, ShuffledBatches, steps_per_epoch
from csmoe_model.pretraining import Pretraining
from csmoe_model.run_folder import RunFolder
from csmoe_model.stop import StopRequest
from csmoe_model.train_config import TrainConfig
from minortom.errors import InputError
from minortom.outputs import now, write_run_record
from minortom.provenance import Provenance, sha256_of
from minortom.shard_layout import DATASET_FILE
from minortom.shards import ShardSet

_log = logging.getLogger(__name__)


def train(
    shards: Path,
    out: Path,
    *,
    recipe: str,
    model: ModelConfig,
    config: TrainConfig,
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
        recipe: Name of the model, for the record.
        model: The model.
        config: Settings of the run.
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
    started = now()
    data = ShardSet.open(shards)
    num_steps = config.num_steps(len(data.indices("train")))
    normalise = Normalise(data.statistics, image_size=model.image_size)
    provenance = _provenance(data, recipe=recipe, model=model, config=config)
    folder = RunFolder(out)
    state = folder.state(provenance, resume=resume, overwrite=overwrite)
    if state == "finished":
        return _summary(folder, "up to date")
    step = _last_step(folder) if state == "unfinished" else 0
    if state == "new":
        folder.start(provenance)
    folder.log.keep_until(step)

    workers = workers or min(8, os.cpu_count() or 1)
    run = _prepare(data, normalise, model, config, num_steps=num_steps, workers=workers)
    with StopRequest() as stop:
        keeper = _keeper(
            folder, stop, data, config, workers=workers, save_every=save_every, on_step=on_step
        )
        done = _fit(run, keeper, checkpoint=folder.checkpoint if step else None)
        keeper.make_up(run.to(best_device()), done)
    stop.obey()
    assert done == num_steps, (done, num_steps)
    draw_curve(folder.log, folder.curve)
    save_model(
        folder.model, model=run.model, normalise=normalise, recipe=recipe, provenance=provenance
    )
    write_run_record(out, started)
    return _summary(folder, "trained")


def _provenance(
    data: ShardSet, *, recipe: str, model: ModelConfig, config: TrainConfig
) -> Provenance:
    licences = data.provenance.get("licences")
    return Provenance(
        command="train",
        options={"recipe": recipe, "model": model.to_dict(), "train": config.to_dict()},
        inputs={"shards": sha256_of(data.folder / DATASET_FILE)},
        seed=config.seed,
        licences=tuple(str(line) for line in licences) if isinstance(licences, list) else (),
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


def _prepare(
    data: ShardSet,
    normalise: Normalise,
    model: ModelConfig,
    config: TrainConfig,
    *,
    num_steps: int,
    workers: int,
) -> Pretraining:
    """Draw the weights from the seed, and line up the batches."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = CSMoE(model)
    batches = ShuffledBatches(
        samples=data.indices("train"), batch_size=config.batch_size, num_steps=num_steps,
        seed=config.seed,
    )  # fmt: skip
    loader = Loader(data, batches, workers=workers, pin=best_device().type == "cuda")
    return Pretraining(
        model=network, normalise=normalise, config=config, loader=loader, shards=data
    )


def _keeper(
    folder: RunFolder,
    stop: StopRequest,
    data: ShardSet,
    config: TrainConfig,
    *,
    workers: int,
    save_every: int,
    on_step: OnStep,
) -> Keeper:
    """Set up the books; say so where there is nothing to validate on."""
    samples, num_train = data.indices("val"), len(data.indices("train"))
    loader = None
    if len(samples):
        batches = OrderedBatches(samples=samples, batch_size=config.batch_size)
        loader = Loader(data, batches, workers=workers)
    else:
        _log.warning("the shards have no split `val`: training without validation")
    return Keeper(
        folder=folder,
        stop=stop,
        val_every=config.val_every or steps_per_epoch(num_train, config.batch_size),
        val_loader=loader,
        save_every=save_every,
        on_step=on_step,
    )


def _fit(run: Pretraining, keeper: Keeper, *, checkpoint: Path | None) -> int:
    """Let Lightning take the steps, from the checkpoint on; give the number of steps done."""
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
        )
        trainer.fit(run, ckpt_path=checkpoint, weights_only=True)
    return trainer.global_step


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
