"""What happens between two steps of a run: log, keep, validate, save, stop."""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightning

from csmoe_model.data.loader import Batch, Loader
from csmoe_model.distributed.collectives import from_first, process_number
from csmoe_model.runs.csv_log import SPEED
from csmoe_model.runs.run_logger import RunLogger
from csmoe_model.training.checkpoint_io import DirectCheckpointIO
from csmoe_model.training.module import Pretraining
from csmoe_model.training.reconstructions import reconstruction_sheet
from csmoe_model.training.signals import StopRequest
from csmoe_model.training.step import StepNumbers
from csmoe_model.training.throughput import Meter, Speed
from csmoe_model.training.validation import validation_numbers

OnStep = Callable[[int, int, float, Speed], None]
"""Called after each step with (steps done, steps in all, loss, speed of the step)."""


def ignore_steps(done: int, total: int, loss: float, speed: Speed) -> None:
    """Tell nobody."""


_log = logging.getLogger(__name__)


class Keeper(lightning.Callback):
    """Keeps a run going; its state travels in the checkpoint.

    Validation happens here and not in Lightning's loop, so that a checkpoint is always one
    between two steps, and going on from it is exact wherever the run was stopped.
    """

    def __init__(
        self,
        *,
        run_logger: RunLogger | None,
        checkpoint: Path,
        stop: StopRequest,
        new_meter: Callable[[], Meter],
        val_every: int,
        val_loader: Loader | None,
        shown: Batch | None,
        save_every: int,
        keep_every: int,
        keep: Callable[[int], None],
        on_step: OnStep,
    ) -> None:
        """Take what the run is kept with.

        Args:
            run_logger: Where all is written down; None in all processes but the first.
            checkpoint: Where it lies.
            stop: Asked after each step whether to go on.
            new_meter: Starts a stopwatch.
            val_every: Steps between validations; there is one after the last step, too.
            val_loader: This process's batches of the validation split; None if it is empty.
            shown: Pairs whose reconstructions are drawn.
            save_every: Steps between checkpoints.
            keep_every: Steps after which the weights are kept, again and again; 0 for never.
            keep: Keeps the weights as they are after so many steps; asked in the first process.
            on_step: Told of each step.
        """
        self._run_logger, self._checkpoint, self._stop = run_logger, checkpoint, stop
        self._new_meter, self._on_step = new_meter, on_step
        self._val_every, self._val_loader, self._shown = val_every, val_loader, shown
        self._save_every, self._keep_every, self._keep = save_every, keep_every, keep
        self._unread: deque[tuple[StepNumbers, int]] = deque()
        self._sums: dict[str, float] = {}
        self._count = self._epoch = self._step = 0
        self._step_meter = self._row_meter = new_meter()

    def state_dict(self) -> dict[str, Any]:
        """Give what the next row of the log already has."""
        return {"sums": dict(self._sums), "count": self._count, "epoch": self._epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with an unfinished row."""
        self._sums, self._count = dict(state_dict["sums"]), state_dict["count"]
        self._epoch = state_dict["epoch"]

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Keep the signals from Lightning."""
        del pl_module
        # Lightning 2.6 answers SIGTERM with a broadcast from within the signal handler, for
        # which a process that alone got the signal waits for ever.
        connector = trainer._signal_connector  # noqa: SLF001
        connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Make up for a validation that was cut short."""
        self._step = trainer.global_step
        self.make_up(_run(pl_module), trainer.global_step)
        self._step_meter, self._row_meter = self._new_meter(), self._new_meter()
        trainer.should_stop = self._stop.agreed() or trainer.should_stop

    def make_up(self, run: Pretraining, step: int) -> None:
        """Validate if it was due after ``step`` and a signal came in between."""
        run_logger = self._run_logger
        if (
            not self._stop.agreed()
            and self._val_due(step, run.num_steps)
            and not from_first(lambda: run_logger is not None and run_logger.validated(step))
        ):
            self._validate(run, step)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: object,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Do what is due after a step."""
        del outputs, batch_idx
        run, step = _run(pl_module), trainer.global_step
        if step == self._step:  # more micro-batches of it are to come
            return
        self._step = step
        if run.ema is not None:
            run.ema.update(run.model, step=step)
        assert run.numbers is not None
        self._unread.append((run.numbers, batch.epoch))
        self._note(run, leave=run.steps_unread)
        stopping = self._stop.agreed()
        saving = stopping or step % self._save_every == 0 or step == run.num_steps
        keeping = self._keep_every > 0 and step % self._keep_every == 0
        if saving or keeping or self._val_due(step, run.num_steps):
            self._note(run, leave=0)  # nothing is saved before all are found finite
        if keeping:  # before the checkpoint: a run killed in between does both again
            from_first(lambda: self._keep(step))
        if not stopping and self._val_due(step, run.num_steps):
            self._validate(run, step)
            stopping = self._stop.agreed()
        if saving or stopping:
            self._save(trainer)
        if stopping:
            trainer.should_stop = True
            if process_number() == 0:
                _log.warning("stopped after step %d; --resume goes on from there", step)

    def _note(self, run: Pretraining, *, leave: int) -> None:
        """Read the numbers of the steps, but for the last few."""
        ready = [self._unread.popleft() for _ in range(len(self._unread) - leave)]
        if not ready:
            return
        read = [(run.read_numbers(numbers), numbers.step, epoch) for numbers, epoch in ready]
        speed = self._step_meter.lap(run.config.batch_size * len(read))
        for found, step, epoch in read:
            self._epoch = epoch
            self._on_step(step, run.num_steps, found["loss"], speed)
            self._add(run, found, step=step)

    def _add(self, run: Pretraining, found: Mapping[str, float], *, step: int) -> None:
        """Add a step to the sums; write a row where one is full."""
        config = run.config
        for name, value in found.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        if step % config.log_every and step < run.num_steps:
            return
        means = {name: total / self._count for name, total in self._sums.items()}
        means["lr"] = config.lr * config.lr_factor(step - 1, run.num_steps)
        speed = self._row_meter.lap(config.batch_size * self._count)
        means |= {name: getattr(speed, name) for name in SPEED}
        self._write(step, "train", means)
        self._sums, self._count = {}, 0

    def _val_due(self, step: int, num_steps: int) -> bool:
        if self._val_loader is None or step == 0:
            return False
        return step % self._val_every == 0 or step == num_steps

    def _validate(self, run: Pretraining, step: int) -> None:
        """Write a row of means over the validation split, unless a signal comes."""
        started = time.monotonic()
        assert self._val_loader is not None
        means = validation_numbers(run, self._val_loader, should_stop=self._stop.agreed)
        if means is not None:
            self._write(step, "val", means)
            if self._run_logger is not None and self._shown is not None:
                self._run_logger.picture(step, reconstruction_sheet(run, self._shown))
        # Validation does not count against the speed of training.
        self._row_meter.leave_out(time.monotonic() - started)
        self._step_meter.restart()

    def _write(self, step: int, split: str, numbers: Mapping[str, float]) -> None:
        if self._run_logger is not None:
            self._run_logger.row(epoch=self._epoch, step=step, split=split, numbers=numbers)

    def _save(self, trainer: lightning.Trainer) -> None:
        """Replace the checkpoint once the new one is whole; no process goes on before."""
        # Always the same name, so that what a killed process left is written over.
        whole = self._checkpoint.with_name("last.ckpt.tmp")
        writer = trainer.strategy.checkpoint_io
        assert isinstance(writer, DirectCheckpointIO)
        try:
            trainer.save_checkpoint(whole)
            from_first(lambda: writer.publish(whole, self._checkpoint))
        finally:
            if process_number() == 0:
                whole.unlink(missing_ok=True)


def _run(module: lightning.LightningModule) -> Pretraining:
    assert isinstance(module, Pretraining)
    return module
