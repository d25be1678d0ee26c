"""Lightning callback of a training run: validation, checkpoints, stopping."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning

from csmoe_model.data.loader import Batch, Loader
from csmoe_model.distributed.collectives import from_first_process, process_rank
from csmoe_model.runs.run_logger import RunLogger
from csmoe_model.training.checkpoint_io import save_checkpoint
from csmoe_model.training.lightning_setup import leave_signals
from csmoe_model.training.module import Pretraining
from csmoe_model.training.reconstructions import reconstruction_sheet
from csmoe_model.training.signals import StopRequest
from csmoe_model.training.step_log import StepLog
from csmoe_model.training.validation import validation_numbers

_log = logging.getLogger(__name__)


class TrainingCallback(lightning.Callback):
    """Validates the model, saves checkpoints and stops the run between two steps.

    Validation runs here and not in Lightning's own loop. A checkpoint is therefore always
    taken between two steps, and resuming from it is exact wherever the run was stopped.
    """

    def __init__(
        self,
        *,
        run_logger: RunLogger | None,
        step_log: StepLog,
        checkpoint: Path,
        stop: StopRequest,
        val_every: int,
        val_loader: Loader | None,
        shown: Batch | None,
        save_every: int,
        keep_every: int,
        keep: Callable[[int], None],
    ) -> None:
        """Store the settings of the run.

        Args:
            run_logger: Writes pictures; None in all processes but the first.
            step_log: Log of the steps. Its unfinished row is saved in the checkpoint.
            checkpoint: Path of the checkpoint file.
            stop: Checked after each step.
            val_every: Steps between validations. The last step is always validated.
            val_loader: This process's batches of the validation split; None if it is empty.
            shown: Pairs whose reconstructions are drawn at each validation.
            save_every: Steps between checkpoints.
            keep_every: Steps between copies of the weights; 0 for no copies.
            keep: Called with the number of steps to keep a copy of the weights, in the first
                process.
        """
        self._run_logger, self._step_log = run_logger, step_log
        self._checkpoint, self._stop = checkpoint, stop
        self._val_every, self._val_loader, self._shown = val_every, val_loader, shown
        self._save_every, self._keep_every, self._keep = save_every, keep_every, keep
        self._step = 0

    @property
    def state_key(self) -> str:
        """Return the key of this callback in a checkpoint.

        It is the name of this class in version 0.1.0, so that runs of that version can resume.
        """
        return "Keeper"

    def state_dict(self) -> dict[str, Any]:
        """Return the unfinished row of the log, for the checkpoint."""
        return self._step_log.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the unfinished row of a checkpoint."""
        self._step_log.load_state_dict(state_dict)

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Prevent Lightning from handling signals."""
        del pl_module
        leave_signals(trainer)

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Set the learning rate, run an interrupted validation, start to measure the speed."""
        self._step = trainer.global_step
        _run(pl_module).follow_schedule(trainer.global_step)
        self.catch_up(_run(pl_module), trainer.global_step)
        self._step_log.restart_meters()
        trainer.should_stop = self._stop.agreed() or trainer.should_stop

    def catch_up(self, run: Pretraining, step: int) -> None:
        """Validate if the validation after ``step`` was due and a signal prevented it."""
        run_logger = self._run_logger
        if (
            not self._stop.agreed()
            and self._val_due(step, run.num_steps)
            and not from_first_process(
                lambda: run_logger is not None and run_logger.has_validation(step)
            )
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
        """Log the step; validate, save and stop if it is time to."""
        del outputs, batch_idx
        run, step = _run(pl_module), trainer.global_step
        if step == self._step:  # this step has more micro-batches
            return
        self._step = step
        if run.ema is not None:
            run.ema.update(run.model, step=step)
        assert run.numbers is not None
        self._step_log.add(run.numbers, epoch=batch.epoch)
        self._step_log.read(run, leave=run.steps_unread)
        stopping = self._stop.agreed()
        saving = stopping or step % self._save_every == 0 or step == run.num_steps
        keeping = self._keep_every > 0 and step % self._keep_every == 0
        if saving or keeping or self._val_due(step, run.num_steps):
            self._step_log.read(run, leave=0)  # nothing is saved unless all losses are finite
        if keeping:  # before the checkpoint: a run killed in between repeats both
            from_first_process(lambda: self._keep(step))
        if not stopping and self._val_due(step, run.num_steps):
            self._validate(run, step)
            stopping = self._stop.agreed()
        if saving or stopping:
            save_checkpoint(trainer, self._checkpoint)
        if stopping:
            trainer.should_stop = True
            if process_rank() == 0:
                _log.warning("stopped after step %d; --resume continues from there", step)

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
            self._step_log.write(step, "val", means)
            if self._run_logger is not None and self._shown is not None:
                self._run_logger.write_picture(step, reconstruction_sheet(run, self._shown))
        # Validation does not count against the speed of training.
        self._step_log.leave_out(time.monotonic() - started)


def _run(module: lightning.LightningModule) -> Pretraining:
    assert isinstance(module, Pretraining)
    return module
