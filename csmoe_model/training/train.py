"""A pretraining run: from shards to weights, in a folder that can be gone on with."""

import pickle
import zipfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.loader import Loader, reader_threads
from csmoe_model.data.normalise import Normalise
from csmoe_model.data.sampler import MicroBatches, ShuffledBatches
from csmoe_model.distributed.collectives import from_first_process, on_all_processes
from csmoe_model.distributed.device import tensor_cores
from csmoe_model.distributed.launch import Launch, process_group
from csmoe_model.runs.curves import draw_curve
from csmoe_model.runs.folder import RunFolder
from csmoe_model.runs.trackers import Tracking
from csmoe_model.training.compile import compiled
from csmoe_model.training.configuration import Configuration
from csmoe_model.training.loop import TrainingLoop
from csmoe_model.training.module import Pretraining
from csmoe_model.training.save_weights import RunWeights
from csmoe_model.training.signals import StopRequest
from csmoe_model.training.step_log import OnStep, ignore_steps
from minortom.errors import InputError
from minortom.io.atomic_write import sole_writer
from minortom.io.provenance import Provenance, licences_in, sha256_of
from minortom.io.up_to_date import now, write_run_record
from minortom.shards.layout import DATASET_FILE
from minortom.shards.shard_set import ShardSet

_VERSION = "pytorch-lightning_version"
"""Without it Lightning does not go on from a checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What does not change the result of a run."""

    workers: int | None = None
    """Threads that read, in each process; at most 8 of the cores when None."""
    save_every: int = 500
    """Steps between checkpoints."""
    compile: bool | None = None
    """Whether to use `torch.compile`; on a GPU alone when None."""
    tracking: Tracking = Tracking()  # noqa: RUF009  # frozen


def train(
    shards: Path,
    out: Path,
    configuration: Configuration,
    *,
    resume: bool = False,
    overwrite: bool = False,
    settings: Settings = Settings(),
    on_step: OnStep = ignore_steps,
) -> dict[str, object]:
    """Pretrain a model on the split `train` of some shards; look at `val` on the way.

    Together with the other processes that torchrun or SLURM has started.

    Args:
        shards: Folder of shards.
        out: Folder of the run.
        configuration: The model, and the settings of the run that change its result.
        resume: Whether to go on from the run's last checkpoint.
        overwrite: Whether another run in `out` may be replaced.
        settings: The other settings.
        on_step: Told of each step, in every process.

    Returns:
        What there is to tell of the run, for people.

    Raises:
        ShardError: If the shards are missing, damaged or of another version.
        OutputExistsError: If something else is in `out`, or an unfinished run.
        InputError: If a batch is larger than the split or cannot be shared out, there is
            nothing to go on from, or a configuration differs from that of the run to go on with.
        DivergedError: If a term of the loss is not finite.
        FullMemoryError: If a batch does not fit into the memory of the GPU.
        OtherProcessError: If the first process to fail is another one.
    """
    with process_group() as launch, ExitStack() as held:
        data = on_all_processes(lambda: ShardSet.open(shards))
        from_first_process(lambda: held.enter_context(sole_writer(out)))  # gives None
        run = _Run(data=data, folder=RunFolder(out), configuration=configuration, launch=launch)
        return run.train(resume=resume, overwrite=overwrite, settings=settings, on_step=on_step)


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A run in a folder that nobody else writes to."""

    data: ShardSet
    folder: RunFolder
    configuration: Configuration
    launch: Launch

    def train(
        self, *, resume: bool, overwrite: bool, settings: Settings, on_step: OnStep
    ) -> dict[str, object]:
        """Do what is left to do."""
        started, provenance, folder = now(), self._provenance(), self.folder
        state = from_first_process(
            lambda: folder.state(provenance, resume=resume, overwrite=overwrite)
        )
        if state == "finished":
            return from_first_process(lambda: _summary(folder, "up to date"))
        module = on_all_processes(lambda: self._prepare(settings))
        if state == "new":
            from_first_process(lambda: folder.start(provenance))
        step = from_first_process(lambda: _last_step(folder, module))
        weights = RunWeights(
            run=module, recipe=self.configuration.recipe, provenance=provenance
        )  # fmt: skip
        with StopRequest() as stop, tensor_cores(self.launch.device):
            loop = TrainingLoop(
                run=module, folder=folder, launch=self.launch, stop=stop,
                workers=reader_threads(settings.workers), save_every=settings.save_every,
                weights=weights,
            )  # fmt: skip
            loop.take_steps(after=step, tracking=settings.tracking, on_step=on_step)
        stop.obey()
        from_first_process(lambda: draw_curve(folder.log, folder.curve))
        from_first_process(lambda: weights.save(folder))
        from_first_process(lambda: write_run_record(folder.path, started))
        return from_first_process(lambda: _summary(folder, "trained"))

    def _provenance(self) -> Provenance:
        configuration = self.configuration
        return Provenance(
            command="train",
            options={
                "recipe": configuration.recipe,
                "model": configuration.model.to_dict(),
                "train": configuration.train.to_dict(),
            },
            inputs={"shards": sha256_of(self.data.folder / DATASET_FILE)},
            seed=configuration.train.seed,
            licences=licences_in(self.data.provenance),
        )

    def _prepare(self, settings: Settings) -> Pretraining:
        """Draw the weights from the seed, and line up the batches."""
        config, samples, launch = self.configuration.train, self.data.indices("train"), self.launch
        if config.batch_size % (config.accumulate * launch.world_size):
            raise InputError(
                f"a batch of {config.batch_size} pairs cannot be shared out evenly among "
                f"{launch.world_size} processes in {config.accumulate} parts each; give a "
                "--batch-size that both divide"
            )
        batches = ShuffledBatches(
            samples=samples, batch_size=config.batch_size,
            num_steps=config.num_steps(len(samples)), seed=config.seed,
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = CSMoE(self.configuration.model)
        loader = Loader(
            self.data, MicroBatches(batches=batches, parts=config.accumulate),
            workers=reader_threads(settings.workers), rank=launch.rank,
            world_size=launch.world_size, device=launch.device,
        )  # fmt: skip
        size = self.configuration.model.image_size
        run = Pretraining(
            model=model, normalise=Normalise(self.data.statistics, image_size=size),
            config=config, loader=loader, shards=self.data,
        )  # fmt: skip
        run.forward_pass = compiled(run.objective, wanted=settings.compile, device=launch.device)
        run.steps_unread = int(launch.device.type == "cuda")
        return run


def _last_step(folder: RunFolder, module: Pretraining) -> int:
    """Read how far the run to go on with came; 0 if it was stopped before its first checkpoint."""
    if not folder.checkpoint.is_file():
        return 0
    try:
        with zipfile.ZipFile(folder.checkpoint) as parts:
            damaged = parts.testzip()  # torch itself does not look at the sums
        found = torch.load(folder.checkpoint, weights_only=True, mmap=True, map_location="cpu")
        stored, wanted = found["state_dict"], module.state_dict()
        fits = {key: stored[key].shape == wanted[key].shape for key in (*stored, *wanted)}
        whole = damaged is None and all(fits.values()) and _VERSION in found
        step = int(found["global_step"])
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError,
            EOFError, zipfile.BadZipFile, pickle.UnpicklingError):  # fmt: skip
        whole, step = False, 0
    if not whole:
        raise InputError(
            f"{folder.checkpoint} is no checkpoint of this run, or damaged; start anew with "
            "--overwrite"
        )
    return step


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
