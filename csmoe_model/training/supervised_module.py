"""Lightning module of a supervised training, for any network, batches and loss."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from csmoe_model.data.sampler import Samples, ShuffledBatches
from csmoe_model.distributed.device import autocast
from csmoe_model.nn.layers import takes_weight_decay
from csmoe_model.training.config import rate_factor
from csmoe_model.training.module import DivergedError
from csmoe_model.training.supervised_config import SupervisedConfig

B = TypeVar("B")
"""A batch, as `Supervised.read` returns it."""

BETAS = (0.9, 0.999)
"""Decays of AdamW's means."""


@dataclass(frozen=True, kw_only=True)
class WeightGroup:
    """Weights with a learning rate and a weight decay of their own."""

    weights: Sequence[nn.Parameter]
    rate: float = 1.0
    """Learning rate, relative to that of the configuration."""
    decayed: bool = True
    """Whether the weight decay applies."""


def plain_groups(network: nn.Module) -> list[WeightGroup]:
    """Return all weights of a network in two groups: with and without weight decay."""
    weights = list(network.named_parameters())
    return [
        WeightGroup(
            weights=[w for name, w in weights if takes_weight_decay(name, w) == decayed],
            decayed=decayed,
        )
        for decayed in (True, False)
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class Supervised(Generic[B]):
    """A network, its labelled images and its loss: all that a supervised training needs."""

    network: nn.Module
    """Trained in place. Random numbers that it draws from torch's global generator, such as those
    of drop path, are a function of (seed, step)."""
    groups: Sequence[WeightGroup]
    """Weights to train. All others are constant."""
    num_images: int
    """Number of training images."""
    read: Callable[[int, Samples], B]
    """Reads the images with some numbers and their labels, in an epoch (counted from 0)."""
    loss: Callable[[nn.Module, B], Tensor]
    """Mean loss of a batch, with gradient; it moves the batch to the device of the network."""
    validate: Callable[[nn.Module], Mapping[str, float]]
    """Numbers of the validation split by name: `loss`, and `score`, of which more is better. The
    network is in evaluation mode, without gradients."""
    config: SupervisedConfig

    @property
    def num_steps(self) -> int:
        """Maximum number of optimiser steps."""
        return self.config.num_steps(self.num_images)


class BatchLoader(Generic[B]):
    """Iterable over the batches of a run; `Stateful` in the sense of Lightning.

    Its state is the number of batches returned so far, so that resuming reads no earlier batch.
    """

    def __init__(self, task: Supervised[B]) -> None:
        """Prepare the batches: a function of (seed, step)."""
        self.step = 0
        self._read = task.read
        self._batches = ShuffledBatches(
            samples=np.arange(task.num_images), num_steps=task.num_steps, seed=task.config.seed,
            batch_size=task.config.images_per_step(task.num_images),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self._batches)

    def state_dict(self) -> dict[str, int]:
        """Return the number of batches returned so far."""
        return {"step": self.step}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Start the next iteration at the batch of a saved state."""
        self.step = state["step"]

    def __iter__(self) -> Iterator[B]:
        """Iterate over the batches from the current step on."""
        while self.step < len(self):
            epoch, samples = self._batches.at(self.step)
            self.step += 1
            yield self._read(epoch, samples)

    def epoch_of(self, step: int) -> int:
        """Return the epoch of a step (counted from 1), from 0."""
        return self._batches.at(max(0, step - 1))[0]


class SupervisedModule(lightning.LightningModule):
    """The network, a copy of its best weights, and its optimiser, as Lightning needs them."""

    def __init__(self, task: Supervised[Any]) -> None:
        """Store the task; the best weights are the initial ones."""
        super().__init__()
        self.task = task
        self.network = task.network
        self.best = deepcopy(task.network).requires_grad_(requires_grad=False)
        self.loader = BatchLoader(task)
        self.loss, self.grad_norm = math.nan, math.nan
        """Numbers of the last step."""

    @property
    def num_steps(self) -> int:
        """Maximum number of optimiser steps."""
        return self.task.num_steps

    def train_dataloader(self) -> BatchLoader[Any]:
        """Return the batches of the whole run; Lightning sees them as one long epoch."""
        return self.loader

    def transfer_batch_to_device(
        self,
        batch: Any,  # noqa: ANN401  # of any kind
        device: torch.device,
        dataloader_idx: int,
    ) -> Any:  # noqa: ANN401
        """Return the batch unchanged: the loss moves what it needs."""
        del device, dataloader_idx
        return batch

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ANN401
        """Compute the loss of a batch."""
        del batch_idx
        drawn = np.random.default_rng([self.task.config.seed, self.trainer.global_step])
        with torch.random.fork_rng():
            torch.manual_seed(int(drawn.integers(2**63)))
            with autocast(self.device):
                loss = self.task.loss(self.network, batch)
        self.loss = float(loss.detach())
        return loss

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Measure and clip the gradient.

        Raises:
            DivergedError: If the loss or the gradient is not finite.
        """
        del optimizer
        weights = [w for group in self.task.groups for w in group.weights if w.grad is not None]
        norm = torch.nn.utils.get_total_norm([w.grad for w in weights if w.grad is not None])
        self.grad_norm = float(norm)
        for name, value in (("the loss", self.loss), ("the gradient", self.grad_norm)):
            if not math.isfinite(value):
                raise DivergedError(
                    f"training stopped at step {self.trainer.global_step + 1}: {name} is {value}; "
                    f"start again with a --lr below {self.task.config.lr:g}"
                )
        if self.task.config.grad_clip:
            torch.nn.utils.clip_grads_with_norm_(weights, self.task.config.grad_clip, norm)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return AdamW and the learning-rate schedule, updated after each step."""
        config = self.task.config
        optimizer = AdamW(
            [
                {
                    "params": list(group.weights), "lr": config.lr * group.rate,
                    "weight_decay": config.weight_decay if group.decayed else 0.0,
                }
                for group in self.task.groups
                if group.weights
            ],
            betas=BETAS,
        )  # fmt: skip
        schedule = LambdaLR(
            optimizer, lambda step: rate_factor(step, self.num_steps, warmup=config.warmup)
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    @torch.no_grad()
    def keep_weights(self) -> None:
        """Store the current weights as the best ones."""
        self.best.load_state_dict(self.network.state_dict())
