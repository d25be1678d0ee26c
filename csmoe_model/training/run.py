"""A pretraining run: from shards to weights, in a folder from which it can resume."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
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
from csmoe_model.runs.folder import RunFolder, State
from csmoe_model.runs.trackers import Tracking, check_tracking
from csmoe_model.training.checkpoint_io import last_step
from csmoe_model.training.compile import compiled
from csmoe_model.training.config import TrainConfig
from csmoe_model.training.configuration import Configuration
from csmoe_model.training.loop import TrainingLoop
from csmoe_model.training.module import Pretraining
from csmoe_model.training.result import TrainResult, read_result
from csmoe_model.training.save_weights import RunWeights
from csmoe_model.training.signals import StopRequest
from csmoe_model.training.step_log import OnStep, ignore_steps
from minortom.api.arguments import flag, whole_number
from minortom.errors import InputError
from minortom.io.atomic_write import output_lock
from minortom.io.provenance import Provenance, licences_in, sha256_of
from minortom.io.run_records import complete_run_record, write_run_record
from minortom.io.up_to_date import now
from minortom.shards.layout import DATASET_FILE
from minortom.shards.shard_set import ShardSet

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings that do not change the result of a run.

    Raises:
        InputError: If a value is out of range.
    """

    workers: int | None = None
    """Threads that read shards, in each process; all cores, at most 8, when None."""
    save_every: int = 500
    """Steps between checkpoints."""
    compile: bool | None = None
    """Whether to use `torch.compile`; on a GPU only when None."""
    tracking: Tracking = Tracking()  # noqa: RUF009  # frozen

    def __post_init__(self) -> None:
        whole_number("save_every", self.save_every, minimum=1)
        if self.workers is not None:
            reader_threads(whole_number("workers", self.workers, minimum=1))
        if self.compile is not None:
            flag("compile", self.compile)
        check_tracking(self.tracking)


def run_training(
    shards: Path,
    out: Path,
    configuration: Configuration,
    *,
    resume: bool = False,
    overwrite: bool = False,
    inputs: Sequence[Path] = (),
    settings: Settings = Settings(),
    on_step: OnStep = ignore_steps,
) -> TrainResult:
    """Train a model with a complete configuration; the other arguments are those of `train`.

    Args:
        shards: Folder of shards.
        out: Folder of the run.
        configuration: The complete configuration.
        resume: Whether to resume the run in `out`.
        overwrite: Whether to replace another run in `out`.
        inputs: Files that a new run must not replace, besides the shards and the weights.
        settings: Settings that do not change the result.
        on_step: Called after each step.

    Raises:
        MinorTomError: As `train`.
    """
    with process_group() as launch, ExitStack() as held:
        data = on_all_processes(lambda: ShardSet.open(shards))
        from_first_process(lambda: held.enter_context(output_lock(out)))  # returns None
        run = TrainingRun(
            data=data, folder=RunFolder(out), configuration=configuration, launch=launch,
            inputs=(shards, *inputs),
        )  # fmt: skip
        return run.train(resume=resume, overwrite=overwrite, settings=settings, on_step=on_step)


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """A run in a folder that is locked for other processes."""

    data: ShardSet
    folder: RunFolder
    configuration: Configuration
    launch: Launch
    inputs: Sequence[Path]
    """Files and folders that a new run must not replace, besides the weights."""

    def train(
        self, *, resume: bool, overwrite: bool, settings: Settings, on_step: OnStep
    ) -> TrainResult:
        """Take the steps that are left and write the weights."""
        folder, provenance, parent = self.folder, self.provenance, self.configuration.parent
        weights = (parent.folder,) if parent and parent.folder else ()
        state = from_first_process(
            lambda: folder.state(
                provenance, inputs=(*self.inputs, *weights), resume=resume, overwrite=overwrite
            )
        )
        if state == "finished":
            from_first_process(folder.delete_replaced)
            from_first_process(lambda: complete_run_record(folder.path, provenance, now()))
            return from_first_process(lambda: read_result(folder, "up to date"))
        if state == "lengthened":
            longer = on_all_processes(self._lengthened)
            return longer.take_steps(state, settings=settings, on_step=on_step)
        return self.take_steps(state, settings=settings, on_step=on_step)

    def take_steps(self, state: State, *, settings: Settings, on_step: OnStep) -> TrainResult:
        """Take the steps of an unfinished run and write the weights."""
        started, provenance, folder = now(), self.provenance, self.folder
        fresh = state == "new" or not folder.checkpoint.is_file()
        module = on_all_processes(lambda: self._prepare(settings, fresh=fresh))
        if state == "new":
            from_first_process(lambda: self._start(provenance))
        step = from_first_process(lambda: last_step(folder.checkpoint, module))
        _log.debug(
            "training from step %d to %d on %s, in %d process(es)",
            step, module.num_steps, self.launch.device, self.launch.world_size,
        )  # fmt: skip
        if state == "lengthened":
            from_first_process(lambda: self._write_length(module, after=step))
        parent = self.configuration.parent
        history = (parent.origin.record, *parent.origin.history) if parent else ()
        weights = RunWeights(
            run=module, recipe=self.configuration.recipe, provenance=provenance, history=history
        )  # fmt: skip
        is_new = state == "new" and self.launch.rank == 0
        undo = folder.removed_on_bad_input(is_new=is_new)
        with undo, StopRequest() as stop, tensor_cores(self.launch.device):
            loop = TrainingLoop(
                run=module, folder=folder, launch=self.launch, stop=stop,
                workers=reader_threads(settings.workers), save_every=settings.save_every,
                weights=weights,
            )  # fmt: skip
            loop.take_steps(after=step, tracking=settings.tracking, on_step=on_step)
        stop.deliver()
        from_first_process(lambda: draw_curve(folder.log, folder.curve))
        from_first_process(lambda: weights.save(folder))
        from_first_process(folder.delete_replaced)
        from_first_process(lambda: write_run_record(folder.path, started, provenance=provenance))
        return from_first_process(lambda: read_result(folder, "trained"))

    @property
    def provenance(self) -> Provenance:
        """Provenance of the run."""
        configuration, parent = self.configuration, self.configuration.parent
        inputs = {"shards": sha256_of(self.data.folder / DATASET_FILE)}
        inputs |= {"weights": parent.origin.weights_sha256} if parent else {}
        licences = (*licences_in(self.data.provenance), *(parent.origin.licences if parent else ()))
        return Provenance(
            command="train", options=configuration.options(), inputs=inputs,
            seed=configuration.train.seed, licences=tuple(dict.fromkeys(licences)),
        )  # fmt: skip

    def _start(self, provenance: Provenance) -> None:
        """Create the folder of the run."""
        parent = self.configuration.parent
        self.folder.start(provenance, more=parent.store if parent else None)

    def _lengthened(self) -> "TrainingRun":
        """Return the finished run in the folder with the new number of steps.

        Raises:
            InputError: If the run already has as many steps, or has no checkpoint any more.
        """
        stored, samples = self.folder.stored() or {}, len(self.data.indices("train"))
        former = TrainConfig.from_dict(stored["train"]).num_steps(samples)
        found = self.configuration.train.num_steps(samples)
        if found <= former:
            raise InputError(
                f"--resume needs a length above the {former} steps of the finished run in "
                f"{self.folder.path}, found {found}; give more --steps or --epochs"
            )
        if not self.folder.checkpoint.is_file():
            raise InputError(
                f"--resume needs {self.folder.checkpoint} to lengthen the run, found no such file; "
                f"give --weights {self.folder.path} and another --out"
            )
        lengths = (*self.configuration.lengthened, former)
        return replace(self, configuration=replace(self.configuration, lengthened=lengths))

    def _write_length(self, module: Pretraining, *, after: int) -> None:
        self.folder.configure(self.provenance)
        _log.warning(
            "lengthening the run from %d to %d steps: the learning rate now follows the schedule "
            "of %d steps, from step %d on", after, module.num_steps, module.num_steps, after + 1,
        )  # fmt: skip

    def _check_batches(self) -> None:
        """Check the division of the batches, and that `eq10` has other pairs to contrast with.

        Raises:
            InputError: If the batches cannot be divided evenly, or one would have a single pair.
        """
        config, world_size = self.configuration.train, self.launch.world_size
        if config.batch_size % (config.accumulate * world_size):
            raise InputError(
                f"batch_size must be a multiple of {world_size} processes times "
                f"{config.accumulate} parts (--accumulate), found {config.batch_size}; give "
                "another --batch-size"
            )
        if self.configuration.model.mi_form != "eq10":
            return
        if config.batch_size == config.accumulate:
            raise InputError(
                f"mi_form eq10 needs at least 2 pairs in each part of a batch, found 1 "
                f"(batch_size {config.batch_size}, accumulate {config.accumulate}); give a larger "
                "--batch-size or another --mi-form"
            )
        if len(self.data.indices("val")) == 1:
            raise InputError(
                "mi_form eq10 needs at least 2 pairs in the split `val`, found 1; export more "
                "patches or give another --mi-form"
            )

    def _prepare(self, settings: Settings, *, fresh: bool) -> Pretraining:
        """Initialise the weights, from the parent or the seed, and set up the batches.

        Args:
            settings: Settings that do not change the result.
            fresh: Whether the run has no checkpoint, whose weights would replace the parent's.
        """
        config, parent = self.configuration.train, self.configuration.parent
        samples, launch = self.data.indices("train"), self.launch
        self._check_batches()
        batches = ShuffledBatches(
            samples=samples, batch_size=config.batch_size,
            num_steps=config.num_steps(len(samples)), seed=config.seed,
        )  # fmt: skip
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            model = CSMoE(self.configuration.model)
        if parent is not None and fresh:
            parent.load_into(model)
        loader = Loader(
            self.data, MicroBatches(batches=batches, parts=config.accumulate),
            workers=reader_threads(settings.workers), rank=launch.rank,
            world_size=launch.world_size, device=launch.device,
        )  # fmt: skip
        # Given weights continue to see images normalised as before.
        statistics = parent.origin.statistics if parent else self.data.statistics
        size = self.configuration.model.image_size
        run = Pretraining(
            model=model, normalise=Normalise(statistics, image_size=size),
            config=config, loader=loader, shards=self.data,
        )  # fmt: skip
        run.forward_pass = compiled(run.objective, wanted=settings.compile, device=launch.device)
        run.steps_unread = int(launch.device.type == "cuda")
        return run
