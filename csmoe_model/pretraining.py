"""One step of pretraining, and the Lightning module that repeats it."""

import math
from collections.abc import Callable, Mapping

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from csmoe_model.csmoe import CSMoE, PretrainOutput
from csmoe_model.data import Batch, Loader
from csmoe_model.images import Normalise, autocast, draw_flips
from csmoe_model.masking import draw_masks
from csmoe_model.order import Samples
from csmoe_model.run_log import TERMS
from csmoe_model.train_config import TrainConfig
from minortom.errors import MinorTomError
from minortom.shards import ShardSet


class DivergedError(MinorTomError):
    """A loss term or the gradient that is not a finite number."""


def pretrain_batch(
    model: CSMoE, normalise: Normalise, batch: Batch, *, seed: int, flip: bool
) -> PretrainOutput:
    """Compute the objective on a batch: masks and flips are a function of (seed, epoch, sample).

    The tensors of the batch may still be on the CPU; they go to the model's device here.
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
        output: PretrainOutput = model(images["s2"], images["s1"], masks.to(device))
    return output


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
            loader: All batches of the run, one after the other.
            shards: Where they come from; names the cells of a batch that fails.
        """
        super().__init__()
        self.model, self.normalise = model, normalise
        self.config, self.loader, self.shards = config, loader, shards
        self.terms: dict[str, float] = {}
        """Terms of the last step, and its `grad_norm`."""
        self._device_terms: Mapping[str, Tensor] = {}
        self._samples: Samples | None = None

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
        """Compute the loss of a batch."""
        del batch_idx
        output = pretrain_batch(
            self.model, self.normalise, batch, seed=self.config.seed, flip=self.config.flips
        )
        self._device_terms, self._samples = output.terms(), batch.samples
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
        names = (*TERMS, "grad_norm")
        stacked = torch.stack([*(self._device_terms[name] for name in TERMS), norm])
        # The one place in a step where the CPU waits for the device.
        self.terms = dict(zip(names, stacked.tolist(), strict=True))
        bad = [name for name in names if not math.isfinite(self.terms[name])]
        if bad:
            raise self._diverged(bad)

    def _diverged(self, bad: list[str]) -> DivergedError:
        # Sums are not finite because a term is not: name the terms.
        found = [name for name in bad if name not in ("loss", "umr", "cmr", "grad_norm")] or bad
        values = ", ".join(f"{name} is {self.terms[name]}" for name in found)
        cells = self.shards.metadata(["grid_cell"])["grid_cell"].take(self._samples).to_pylist()
        return DivergedError(
            f"training stopped at step {self.trainer.global_step + 1}: {values}; cells of the "
            f"batch: {', '.join(dict.fromkeys(cells))}; look at their patches, or start anew with "
            "a lower --lr"
        )

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Give AdamW, and a learning rate that rises and falls by step."""
        config, num_steps = self.config, len(self.loader)
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


def validation_terms(
    run: Pretraining, loader: Loader, *, should_stop: Callable[[], bool]
) -> dict[str, float] | None:
    """Average the terms over a split, each time with the same masks and without flips.

    Returns:
        The terms by name; None if it was to stop on the way.
    """
    sums, count = dict.fromkeys(TERMS, 0.0), 0
    loader.load_state_dict({"step": 0})
    run.model.eval()
    try:
        for batch in loader:
            if should_stop():
                return None
            with torch.no_grad():
                output = pretrain_batch(
                    run.model, run.normalise, batch, seed=run.config.seed, flip=False
                )
            for name, value in output.terms().items():
                sums[name] += float(value) * len(batch.samples)
            count += len(batch.samples)
    finally:
        run.model.train()
    return {name: total / count for name, total in sums.items()}
