"""The supervised training loop: early stopping, checkpoints, logs, exact resuming."""

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor

from csmoe_model.distributed.device import best_device, tensor_cores
from csmoe_model.runs.folder import RunFolder
from csmoe_model.runs.run_logger import RunLogger
from csmoe_model.runs.trackers import Tracking
from csmoe_model.training.checkpoint_io import DirectCheckpointIO, last_step, save_checkpoint
from csmoe_model.training.config import rate_factor
from csmoe_model.training.lightning_setup import leave_signals, quiet_lightning
from csmoe_model.training.out_of_memory import FullMemoryError
from csmoe_model.training.signals import StopRequest
from csmoe_model.training.supervised_module import Supervised, SupervisedModule

SCORE = "score"
"""Name of the validation number by which the best weights are chosen."""
COLUMNS = ("epoch", "step", "split", "loss", SCORE, "lr", "grad_norm", "images_per_s")
"""Columns of the log. A `train` row has means over the steps since the previous row, and the `lr`
of its last step. A `val` row has the loss and the score of the validation split."""

NO_TRACKING = Tracking(tensorboard=False)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Speed of a step."""

    images_per_s: float

    def brief(self) -> str:
        """Return a short text for a progress bar."""
        return f"{self.images_per_s:,.0f} images/s"

    def note(self) -> str:
        """Return the text of a log line."""
        return self.brief()


OnStep = Callable[[int, int, float, Pace], None]
"""Called after each step with (steps done, maximum number of steps, loss, speed of the step)."""


def ignore_steps(done: int, total: int, loss: float, pace: Pace) -> None:
    """Do nothing after a step: the default callback."""


@dataclass(frozen=True, kw_only=True)
class SupervisedResult:
    """End of a supervised training."""

    steps: int
    """Steps taken."""
    best_step: int
    """Step after which the validation score was best; 0 for the initial weights."""
    score: float
    """Validation score after that step."""
    loss: float
    """Validation loss after that step."""
    last: Mapping[str, Tensor] = field(repr=False, compare=False)
    """Weights after the last step, which are not those of the network unless it is the best."""


def train_supervised(
    task: Supervised[Any],
    *,
    folder: RunFolder,
    stop: StopRequest,
    save_every: int,
    on_step: OnStep,
    tracking: Tracking = NO_TRACKING,
    how_to_resume: str = "--resume continues from there",
) -> SupervisedResult | None:
    """Train a network on labels, or resume; then give it the weights with the best score.

    The training stops early when the score does not improve; of equal scores, that with the lower
    loss is better. A resumed run takes the same steps
    as one that was not stopped.

    Args:
        task: Network, images and loss.
        folder: Existing folder of the run, whose log has `COLUMNS`. The run resumes from its
            checkpoint if it has one.
        stop: Checked after each step.
        save_every: Steps between checkpoints.
        on_step: Called after each step.
        tracking: Trackers to start.
        how_to_resume: End of the warning after a signal.

    Returns:
        The end of the training; None if a signal stopped it before.

    Raises:
        InputError: If the checkpoint is damaged or of another network.
        DivergedError: If the loss or the gradient is not finite.
        FullMemoryError: If a batch does not fit into the memory of the GPU.
    """
    module = SupervisedModule(task)
    module.train()  # a network that was loaded is in evaluation mode
    after = last_step(folder.checkpoint, module)
    run_logger = RunLogger(folder, tracking, step=after)
    callback = _Callback(
        run_logger=run_logger, checkpoint=folder.checkpoint, stop=stop, save_every=save_every,
        on_step=on_step, val_every=task.config.val_every(task.num_images),
        how_to_resume=how_to_resume,
    )  # fmt: skip
    try:
        steps = _fit(module, callback, checkpoint=folder.checkpoint if after else None)
    finally:
        run_logger.close()
    if not callback.ended:
        return None
    last = {name: tensor.detach().clone() for name, tensor in task.network.state_dict().items()}
    task.network.load_state_dict(module.best.state_dict())
    task.network.to(best_device()).eval()
    return SupervisedResult(
        steps=steps, best_step=callback.best_step, score=callback.best_score,
        loss=callback.best_loss, last=last,
    )  # fmt: skip


def _fit(module: SupervisedModule, callback: "_Callback", *, checkpoint: Path | None) -> int:
    """Take the steps with Lightning; return the number of all steps taken."""
    device, task = best_device(), module.task
    try:
        with quiet_lightning(), tensor_cores(device):
            trainer = lightning.Trainer(
                accelerator="gpu" if device.type == "cuda" else "cpu", devices=1,
                max_epochs=1,  # the loader returns all epochs as one, so that all steps are alike
                max_steps=task.num_steps, logger=False, enable_checkpointing=False,
                enable_progress_bar=False, enable_model_summary=False,
                use_distributed_sampler=False, callbacks=[callback],
                plugins=[DirectCheckpointIO()],
            )  # fmt: skip
            trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
            # If a signal came at a step with a validation, it is still missing.
            callback.validate_if_due(module.to(device), trainer.global_step)
    except torch.OutOfMemoryError:
        raise FullMemoryError(
            f"CUDA is out of memory with {task.config.images_per_step(task.num_images)} images in "
            "a batch; give a smaller --batch-size"
        ) from None
    return trainer.global_step


class _Callback(lightning.Callback):
    """Validates the network, saves checkpoints and stops the run between two steps."""

    def __init__(
        self, *, run_logger: RunLogger, checkpoint: Path, stop: StopRequest, save_every: int,
        val_every: int, on_step: OnStep, how_to_resume: str,
    ) -> None:  # fmt: skip
        self._run_logger, self._checkpoint, self._stop = run_logger, checkpoint, stop
        self._save_every, self._val_every, self._on_step = save_every, val_every, on_step
        self._how_to_resume = how_to_resume
        self.best_score, self.best_step = -math.inf, 0
        self.best_loss = math.inf
        self.ended = False
        """Whether the last step was taken and validated, or the score stopped improving."""
        self._validated = -1
        self._without_better = 0
        self._sums, self._count = {"loss": 0.0, "grad_norm": 0.0}, 0
        self._row_since = self._step_since = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        """Return the state of early stopping and of the unfinished row, for the checkpoint."""
        return {
            "best_score": self.best_score, "best_step": self.best_step, "ended": self.ended,
            "best_loss": self.best_loss,
            "validated": self._validated, "without_better": self._without_better,
            "sums": dict(self._sums), "count": self._count,
        }  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the state of a checkpoint."""
        self.best_score, self.best_step = state_dict["best_score"], state_dict["best_step"]
        self.best_loss = state_dict["best_loss"]
        self.ended, self._validated = state_dict["ended"], state_dict["validated"]
        self._without_better = state_dict["without_better"]
        self._sums, self._count = dict(state_dict["sums"]), state_dict["count"]

    def on_fit_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Prevent Lightning from handling signals."""
        del pl_module
        leave_signals(trainer)

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Run an interrupted validation; stop if the run is finished."""
        self.validate_if_due(_module(pl_module), trainer.global_step)
        trainer.should_stop = self.ended or self._stop.agreed() or trainer.should_stop
        self._row_since = self._step_since = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Log the step; validate, save and stop if it is time to."""
        del outputs, batch, batch_idx
        module, step = _module(pl_module), trainer.global_step
        self._log_step(module, step)
        self.validate_if_due(module, step)
        stopping = self._stop.agreed()
        if stopping or self.ended or step % self._save_every == 0 or step == module.num_steps:
            save_checkpoint(trainer, self._checkpoint)
        trainer.should_stop = self.ended or stopping
        if stopping and not self.ended:
            _log.warning("stopped after step %d; %s", step, self._how_to_resume)

    def validate_if_due(self, module: SupervisedModule, step: int) -> None:
        """Validate the weights after a step unless that is done or a signal came."""
        due = step % self._val_every == 0 or step == module.num_steps
        if not due or step == self._validated or self.ended or self._stop.agreed():
            return
        started = time.monotonic()
        module.network.eval()
        try:
            with torch.no_grad():
                found = dict(module.task.validate(module.network))
        finally:
            module.network.train()
        if not self._run_logger.has_validation(step):
            self._write(module, step, "val", found)
        self._validated = step
        # Scores of few images are often equal; their loss still tells weights apart.
        if (found[SCORE], -found["loss"]) > (self.best_score, -self.best_loss):
            self.best_score, self.best_step, self._without_better = found[SCORE], step, 0
            self.best_loss = found["loss"]
            module.keep_weights()
        else:
            self._without_better += 1
        patience = module.task.config.patience
        self.ended = step == module.num_steps or 0 < patience <= self._without_better
        # Validation does not count against the speed of training.
        self._row_since += time.monotonic() - started
        self._step_since = time.monotonic()

    def _log_step(self, module: SupervisedModule, step: int) -> None:
        """Report the step, and write a row of means if it is full."""
        config, now = module.task.config, time.monotonic()
        images = config.images_per_step(module.task.num_images)
        pace = Pace(images_per_s=images / max(now - self._step_since, 1e-9))
        self._step_since = now
        self._on_step(step, module.num_steps, module.loss, pace)
        self._sums["loss"] += module.loss
        self._sums["grad_norm"] += module.grad_norm
        self._count += 1
        if step % config.log_every and step < module.num_steps:
            return
        means = {name: total / self._count for name, total in self._sums.items()}
        means["lr"] = config.lr * rate_factor(step - 1, module.num_steps, warmup=config.warmup)
        means["images_per_s"] = images * self._count / max(now - self._row_since, 1e-9)
        self._write(module, step, "train", means)
        self._sums, self._count = dict.fromkeys(self._sums, 0.0), 0
        self._row_since = time.monotonic()

    def _write(
        self, module: SupervisedModule, step: int, split: str, numbers: dict[str, float]
    ) -> None:
        self._run_logger.write_row(
            epoch=module.loader.epoch_of(step), step=step, split=split, numbers=numbers
        )


def _module(module: lightning.LightningModule) -> SupervisedModule:
    assert isinstance(module, SupervisedModule)
    return module
