"""Lightning module of pretraining: loss, gradient clipping, optimiser and schedule."""

import math
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.loader import Batch, Loader
from csmoe_model.data.normalise import Normalise
from csmoe_model.data.sampler import Samples
from csmoe_model.distributed.collectives import (
    OtherProcessError,
    gather_objects,
    mean_over_processes,
    process_rank,
)
from csmoe_model.training.config import TrainConfig
from csmoe_model.training.ema import Ema
from csmoe_model.training.step import (
    Forward,
    Objective,
    StepNumbers,
    adamw,
    numbers_of,
    pretrain_batch,
)
from minortom.errors import MinorTomError
from minortom.shards.shard_set import ShardSet


class DivergedError(MinorTomError):
    """A loss term or the gradient is not finite."""


class Pretraining(lightning.LightningModule):
    """The model, its optimiser and its data, in the form that Lightning needs."""

    def __init__(
        self,
        *,
        model: CSMoE,
        normalise: Normalise,
        config: TrainConfig,
        loader: Loader,
        shards: ShardSet,
    ) -> None:
        """Store the parts of a run.

        Args:
            model: Model to train.
            normalise: Converts stored values to images.
            config: Settings of the run.
            loader: All micro-batches of the run, in order.
            shards: Source of the batches; used to name the grid cells of a batch that fails.
        """
        super().__init__()
        self.model, self.normalise = model, normalise
        self.ema = Ema(model, decay=config.ema_decay) if config.ema_decay else None
        self.config, self.loader, self.shards = config, loader, shards
        self.num_steps = len(loader) // config.accumulate
        self.objective = Objective(model, normalise)
        self.forward_pass: Forward | None = None
        """The compiled objective; None if it is not compiled."""
        self.steps_unread = 0
        """Number of steps whose numbers are unread when the next step begins. With 1, a GPU runs
        without a pause between steps; the step after a diverged one is then wasted."""
        self.numbers: StepNumbers | None = None
        """Numbers of the last step over all processes, including its `grad_norm`."""
        self._names: list[str] = []
        self._sum: Tensor | None = None
        self._samples: list[Samples] = []

    def train_dataloader(self) -> Loader:
        """Return the batches of the whole run; Lightning sees them as one long epoch."""
        return self.loader

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Return the batch unchanged: `pretrain_batch` moves the tensors it needs."""
        del device, dataloader_idx
        return batch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute the loss of a micro-batch."""
        del batch_idx
        output = pretrain_batch(
            self.objective, batch,
            seed=self.config.seed, flip=self.config.flips, forward=self.forward_pass,
        )  # fmt: skip
        self._names, numbers = numbers_of(output)
        self._sum = numbers if self._sum is None else self._sum + numbers
        self._samples.append(batch.samples)
        return output.loss

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Measure and clip the gradient, and start to copy the numbers of the step.

        Raises:
            DivergedError: As in `read_numbers`, before the step changes the weights. If the
                numbers are read later (`steps_unread`), the error is raised then.
        """
        del optimizer
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        if self.config.grad_clip:
            torch.nn.utils.clip_grads_with_norm_(
                self.model.parameters(), self.config.grad_clip, norm
            )
        assert self._sum is not None
        own = torch.cat([self._sum / self.config.accumulate, norm[None].to(self._sum.dtype)])
        self.numbers = StepNumbers(
            step=self.trainer.global_step + 1,
            names=[*self._names, "grad_norm"],
            everywhere=mean_over_processes(own),
            here=own,
            samples=self._samples,
        )
        self._sum, self._samples = None, []
        if not self.steps_unread:
            self.read_numbers(self.numbers)

    def read_numbers(self, numbers: StepNumbers) -> dict[str, float]:
        """Wait for the numbers of a step and check them, in all processes together.

        Raises:
            DivergedError: If a term or the gradient is not finite. The message names the term.
        """
        found = numbers.read()
        if not all(map(math.isfinite, found.values())):
            self._stop_diverged(numbers)
        return found

    def _stop_diverged(self, numbers: StepNumbers) -> None:
        """Raise an error that names the term and the cells, collected from all processes."""
        own = dict(zip(numbers.names, numbers.here.tolist(), strict=True))
        watched = [name for name in own if "/" not in name]
        bad = {name: own[name] for name in watched if not math.isfinite(own[name])}
        # If a term is not finite, neither are the sums and the gradient: name only the term.
        sums = ("loss", "umr", "cmr", "grad_norm")
        terms = {name: value for name, value in bad.items() if name not in sums}
        samples = [int(sample) for part in numbers.samples for sample in part]
        everywhere = gather_objects((terms, bad, samples))
        failed = [part for part in everywhere if part[0]] or everywhere
        values = {name: value for part in failed for name, value in (part[0] or part[1]).items()}
        chosen = [sample for *_, part in failed for sample in part]
        cells = self.shards.metadata(["grid_cell"])["grid_cell"].take(chosen).to_pylist()
        message = (
            f"training stopped at step {numbers.step}: "
            f"{', '.join(f'{name} is {value}' for name, value in values.items())}; cells of the "
            f"batch: {', '.join(dict.fromkeys(cells))}; check their patches, or start again with "
            "a lower --lr"
        )
        raise OtherProcessError(message) if process_rank() else DivergedError(message)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return AdamW and the learning-rate schedule, updated after each step."""
        config, num_steps = self.config, self.num_steps
        optimizer = adamw(self.model, config)
        schedule = LambdaLR(optimizer, lambda step: config.lr_factor(step, num_steps))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Mark the last batch of a run that was lengthened as one before others."""
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        progress["is_last_batch"] = checkpoint["global_step"] >= self.num_steps

    def follow_schedule(self, step: int) -> None:
        """Set the learning rate of a step (counted from 0).

        A checkpoint has the rate of the schedule that the run had when it was saved; a run that
        was lengthened since has another one.
        """
        rate = self.config.lr * self.config.lr_factor(step, self.num_steps)
        for optimizer in self.trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
