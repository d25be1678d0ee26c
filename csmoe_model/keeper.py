"""What happens between two steps of a run: log, validate, save, stop."""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from csmoe_model.data import Batch, Loader
from csmoe_model.pretraining import Pretraining, validation_terms
from csmoe_model.run_folder import RunFolder
from csmoe_model.stop import StopRequest

OnStep = Callable[[int, int, Mapping[str, float]], None]
"""Called after each step with (steps done, steps in all, `loss` and `pairs_per_s`)."""


def ignore_steps(done: int, total: int, terms: Mapping[str, float]) -> None:
    """Tell nobody."""


_log = logging.getLogger(__name__)


class Keeper(lightning.Callback):
    """Keeps the books of a run; its state travels in the checkpoint.

    Validation happens here and not in Lightning's loop, so that a checkpoint is always one
    between two steps, and going on from it is exact wherever the run was stopped.
    """

    def __init__(
        self,
        *,
        folder: RunFolder,
        stop: StopRequest,
        val_every: int,
        val_loader: Loader | None,
        save_every: int,
    ) -> None:
        """Set up the books.

        Args:
            folder: Where they lie.
            stop: Asked after each step whether to go on.
            val_every: Steps between validations; there is one after the last step, too.
            val_loader: Batches of the validation split; None if it is empty.
            save_every: Steps between checkpoints.
        """
        self._folder, self._stop = folder, stop
        self._val_every, self._val_loader = val_every, val_loader
        self._save_every = save_every
        self.on_step: OnStep = ignore_steps
        self._sums: dict[str, float] = {}
        self._count = self._epoch = 0
        self._since = time.monotonic()
        self._step_ended = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Give what the next row of the log already has."""
        return {"sums": dict(self._sums), "count": self._count, "epoch": self._epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with an unfinished row."""
        self._sums, self._count = dict(state_dict["sums"]), state_dict["count"]
        self._epoch = state_dict["epoch"]

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Take the signals back from Lightning; make up for a validation that was cut short."""
        self._stop.install()
        self._since = self._step_ended = time.monotonic()
        self.make_up(_run(pl_module), trainer.global_step)
        trainer.should_stop = trainer.should_stop or self._stop.signal is not None

    def make_up(self, run: Pretraining, step: int) -> None:
        """Validate if it was due after ``step`` and a signal came in between."""
        if self._val_due(step, len(run.loader)) and self._stop.signal is None:
            done = [row for row in self._folder.log.rows("val") if int(row["step"]) == step]
            if not done:
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
        self._note(run, batch, step)
        if self._val_due(step, len(run.loader)) and self._stop.signal is None:
            self._validate(run, step)
        stopping = self._stop.signal is not None
        if stopping or step % self._save_every == 0 or step == len(run.loader):
            self._save(trainer)
        if stopping:
            trainer.should_stop = True
            _log.warning("stopped after step %d; --resume goes on from there", step)

    def _note(self, run: Pretraining, batch: Batch, step: int) -> None:
        """Add a step to the sums; write a row where one is full."""
        num_pairs, every = run.config.batch_size, run.config.log_every
        for name, value in run.terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        self._epoch = batch.epoch
        now = time.monotonic()
        speed = num_pairs / max(now - self._step_ended, 1e-9)
        self._step_ended = now
        self.on_step(step, len(run.loader), {"loss": run.terms["loss"], "pairs_per_s": speed})
        if step % every and step < len(run.loader):
            return
        means = {name: total / self._count for name, total in self._sums.items()}
        means["lr"] = run.config.lr * run.config.lr_factor(step - 1, len(run.loader))
        means["pairs_per_s"] = num_pairs * self._count / max(now - self._since, 1e-9)
        self._folder.log.append({"epoch": batch.epoch, "step": step, "split": "train", **means})
        self._sums, self._count, self._since = {}, 0, now

    def _val_due(self, step: int, num_steps: int) -> bool:
        if self._val_loader is None or step == 0:
            return False
        return step % self._val_every == 0 or step == num_steps

    def _validate(self, run: Pretraining, step: int) -> None:
        """Write a row of means over the validation split, unless a signal comes."""
        started = time.monotonic()
        assert self._val_loader is not None
        means = validation_terms(
            run, self._val_loader, should_stop=lambda: self._stop.signal is not None
        )
        ended = time.monotonic()
        # Validation does not count against the speed of training.
        self._since += ended - started
        self._step_ended = ended
        if means is not None:
            where: dict[str, float | str] = {
                "epoch": self._epoch,
                "step": step,
                "split": "val",
            }
            self._folder.log.append({**where, **means})

    def _save(self, trainer: lightning.Trainer) -> None:
        """Replace the checkpoint once the new one is whole."""
        # Always the same name, so that what a killed process left is written over.
        whole = self._folder.checkpoint.with_name("last.ckpt.tmp")
        try:
            trainer.save_checkpoint(whole)
            whole.replace(self._folder.checkpoint)
        finally:
            whole.unlink(missing_ok=True)


class InPlace(TorchCheckpointIO):
    """Writes a checkpoint where it is asked to.

    Lightning's own way is a copy in the system's temporary folder first, which may be small.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: object = None,
    ) -> None:
        """Write a file, as `torch.save` does."""
        del storage_options
        torch.save(checkpoint, path)


def _run(module: lightning.LightningModule) -> Pretraining:
    assert isinstance(module, Pretraining)
    return module
