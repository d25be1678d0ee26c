"""One step of pretraining, and the Lightning module that repeats it."""

import math
from collections.abc import Callable
from typing import cast

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from csmoe_model.collectives import (
    ElsewhereError,
    gather_objects,
    mean_over_processes,
    process_number,
)
from csmoe_model.csmoe import CSMoE, PretrainOutput
from csmoe_model.data import Batch, Loader
from csmoe_model.ema import Ema
from csmoe_model.images import Normalise, autocast, draw_flips
from csmoe_model.masking import Masks, draw_masks
from csmoe_model.order import Samples
from csmoe_model.run_log import TERMS
from csmoe_model.train_config import TrainConfig
from minortom.errors import MinorTomError
from minortom.shards import ShardSet

Forward = Callable[[Tensor, Tensor, Masks], PretrainOutput]
"""The objective: both sensors' images and their masks to the loss."""


class DivergedError(MinorTomError):
    """A loss term or the gradient that is not a finite number."""


def pretrain_batch(
    model: CSMoE,
    normalise: Normalise,
    batch: Batch,
    *,
    seed: int,
    flip: bool,
    forward: Forward | None = None,
) -> PretrainOutput:
    """Compute the objective on a batch: masks and flips are a function of (seed, epoch, sample).

    The tensors of the batch may still be on the CPU; they go to the model's device here.
    `forward` takes the place of the model's own, where it is compiled.
    """
    config, device = model.config, next(model.parameters()).device
    masks = draw_masks(
        batch.samples, num_patches=config.num_patches, mask_ratio=config.mask_ratio,
        mode=config.mask_mode, seed=seed, epoch=batch.epoch,
    )  # fmt: skip
    flips_B2 = draw_flips(batch.samples, seed=seed, epoch=batch.epoch) if flip else None
    tensors = {column: tensor.to(device) for column, tensor in batch.tensors.items()}
    images = normalise(tensors, flips_B2)
    with autocast(device):
        return (forward or cast(Forward, model))(images["s2"], images["s1"], masks.to(device))


def numbers_of(output: PretrainOutput) -> tuple[list[str], Tensor]:
    """Give all that is logged of a batch: the terms, and `LAYER/…` of the routing.

    Returns:
        Their names, and the numbers as one vector on the device.
    """
    terms = output.terms()
    names, parts = list(terms), [torch.stack(list(terms.values()))]
    for layer in output.layers:
        experts = len(layer.usage_E)
        names += [f"{layer.name}/dispatch_entropy", f"{layer.name}/combine_entropy"]
        names += [f"{layer.name}/usage_{expert}" for expert in range(experts)]
        parts += [torch.stack([layer.dispatch_entropy, layer.combine_entropy]), layer.usage_E]
    return names, torch.cat([part.detach().to(parts[0].dtype) for part in parts])


class Pretraining(lightning.LightningModule):
    """The model, its optimiser and its data, as Lightning wants them."""

    def __init__(
        self,
        *,
        model: CSMoE,
        normalise: Normalise,
        config: TrainConfig,
        loader: Loader,
        shards: ShardSet,
    ) -> None:
        """Gather what a run needs.

        Args:
            model: Its weights are what is trained.
            normalise: Makes images from stored values.
            config: Settings of the run.
            loader: All micro-batches of the run, one after the other.
            shards: Where they come from; names the cells of a batch that fails.
        """
        super().__init__()
        self.model, self.normalise = model, normalise
        self.ema = Ema(model, decay=config.ema_decay) if config.ema_decay else None
        self.config, self.loader, self.shards = config, loader, shards
        self.num_steps = len(loader) // config.accumulate
        self.forward_pass: Forward | None = None
        """In place of the model's own, where it is compiled."""
        self.numbers: dict[str, float] = {}
        """Numbers of the last step, over all processes, and its `grad_norm`."""
        self._names: list[str] = []
        self._sum: Tensor | None = None
        self._samples: list[Samples] = []

    def train_dataloader(self) -> Loader:
        """Give the batches of the whole run: to Lightning a single long epoch."""
        return self.loader

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Leave it: `pretrain_batch` moves what it needs."""
        del device, dataloader_idx
        return batch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute the loss of a micro-batch."""
        del batch_idx
        output = pretrain_batch(
            self.model, self.normalise, batch,
            seed=self.config.seed, flip=self.config.flips, forward=self.forward_pass,
        )  # fmt: skip
        self._names, numbers = numbers_of(output)
        self._sum = numbers if self._sum is None else self._sum + numbers
        self._samples.append(batch.samples)
        return output.loss

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Measure and clip the gradient; stop before a step that would spoil the weights.

        Raises:
            DivergedError: If a term or the gradient is not finite; it names the term.
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
        names = [*self._names, "grad_norm"]
        # The one place in a step where the CPU waits for the device.
        found = mean_over_processes(own).tolist()
        self.numbers = dict(zip(names, found, strict=True))
        if not all(map(math.isfinite, found)):
            self._stop_diverged(dict(zip(names, own.tolist(), strict=True)))
        self._sum, self._samples = None, []

    def _stop_diverged(self, own: dict[str, float]) -> None:
        """Say which term of which process it is; the first process tells."""
        watched = (*TERMS, "grad_norm")
        bad = {name: own[name] for name in watched if not math.isfinite(own[name])}
        # Sums, and the gradient, are not finite because a term is not: name the terms.
        sums = ("loss", "umr", "cmr", "grad_norm")
        terms = {name: value for name, value in bad.items() if name not in sums}
        samples = [int(sample) for part in self._samples for sample in part]
        everywhere = gather_objects((terms, bad, samples))
        guilty = [part for part in everywhere if part[0]] or everywhere
        values = {name: value for part in guilty for name, value in (part[0] or part[1]).items()}
        chosen = [sample for *_, part in guilty for sample in part]
        cells = self.shards.metadata(["grid_cell"])["grid_cell"].take(chosen).to_pylist()
        message = (
            f"training stopped at step {self.trainer.global_step + 1}: "
            f"{', '.join(f'{name} is {value}' for name, value in values.items())}; cells of the "
            f"batch: {', '.join(dict.fromkeys(cells))}; look at their patches, or start anew with "
            "a lower --lr"
        )
        raise ElsewhereError(message) if process_number() else DivergedError(message)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Give AdamW, and a learning rate that rises and falls by step."""
        config, num_steps = self.config, self.num_steps
        optimizer = AdamW(
            self.model.parameter_groups(config.weight_decay),
            lr=config.lr,
            betas=(config.beta1, config.beta2),
        )
        schedule = LambdaLR(optimizer, lambda step: config.lr_factor(step, num_steps))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
