"""One step of pretraining: loss of a batch, optimiser and numbers for the log.

This module does not use Lightning, and it never makes the CPU wait for the GPU.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.optim import AdamW

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.loader import Batch
from csmoe_model.data.normalise import Normalise, draw_flips, signed
from csmoe_model.data.sampler import Samples
from csmoe_model.distributed.device import autocast, copied_to
from csmoe_model.nn.masking import Masks, masks_of
from csmoe_model.nn.pretrain_output import PretrainOutput
from csmoe_model.training.config import TrainConfig

Forward = Callable[[Mapping[str, Tensor], Tensor | None, Masks], PretrainOutput]
"""Function that computes the loss from stored values by tensor column, flips and masks."""


class Objective:
    """Converts stored values to images and computes the loss; compiled as one graph."""

    def __init__(self, model: CSMoE, normalise: Normalise) -> None:
        """Store the model and the normalisation of its images."""
        self.model, self.normalise = model, normalise

    def __call__(
        self, stored: Mapping[str, Tensor], flips_B2: Tensor | None, masks: Masks
    ) -> PretrainOutput:
        """Compute the loss of stored values, as `data.normalise.signed` returns them."""
        images = self.normalise.images(stored, flips_B2)
        output: PretrainOutput = self.model(images["s2"], images["s1"], masks)
        return output


def pretrain_batch(
    objective: Objective,
    batch: Batch,
    *,
    seed: int,
    flip: bool,
    forward: Forward | None = None,
) -> PretrainOutput:
    """Compute the loss of a batch; masks, crops and flips are functions of (seed, epoch, sample).

    Args:
        objective: Model and normalisation.
        batch: Stored values; the tensors are copied to the model's device.
        seed: Seed of masks, crops and flips.
        flip: Whether to flip pairs at random.
        forward: The compiled objective; the objective itself when None.
    """
    config, device = objective.model.config, next(objective.model.parameters()).device
    masks = masks_of(config, batch.samples, seed=seed, epoch=batch.epoch)
    flips_B2 = draw_flips(batch.samples, seed=seed, epoch=batch.epoch) if flip else None
    tensors = {column: tensor.to(device) for column, tensor in batch.tensors.items()}
    flips_B2 = None if flips_B2 is None else copied_to(flips_B2, device)
    with autocast(device):
        return (forward or objective)(signed(tensors), flips_B2, masks.to(device))


def numbers_of(output: PretrainOutput) -> tuple[list[str], Tensor]:
    """Return the numbers to log: the loss terms, and the routing of each layer as `LAYER/…`.

    Returns:
        The names, and the numbers as one vector on the device.
    """
    terms = output.terms()
    names, parts = list(terms), [torch.stack(list(terms.values()))]
    for layer in output.layers:
        names += [f"{layer.name}/dispatch_entropy", f"{layer.name}/combine_entropy"]
        names += [f"{layer.name}/usage_{expert}" for expert in layer.experts]
        parts += [torch.stack([layer.dispatch_entropy, layer.combine_entropy]), layer.usage_E]
    return names, torch.cat([part.detach().to(parts[0].dtype) for part in parts])


class StepNumbers:
    """Numbers of one step, computed on the device; only reading them waits for the device."""

    def __init__(
        self,
        *,
        step: int,
        names: Sequence[str],
        everywhere: Tensor,
        here: Tensor,
        samples: Sequence[Samples],
    ) -> None:
        """Start to copy the numbers to the CPU.

        Args:
            step: Step, counted from 1.
            names: Name of each number.
            everywhere: Vector of the means over all processes.
            here: Vector of the numbers of this process.
            samples: Samples of this process, one array per micro-batch.
        """
        self.step, self.names, self.here, self.samples = step, tuple(names), here, samples
        self._copied: torch.cuda.Event | None = None
        self._means = everywhere
        if everywhere.is_cuda:
            self._means = torch.empty(everywhere.shape, dtype=everywhere.dtype, pin_memory=True)
            self._means.copy_(everywhere, non_blocking=True)
            self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._copied.record()

    def read(self) -> dict[str, float]:
        """Wait for the means over all processes and return them by name."""
        if self._copied is not None:
            self._copied.synchronize()
        return dict(zip(self.names, self._means.tolist(), strict=True))


def adamw(model: CSMoE, config: TrainConfig) -> AdamW:
    """Return the optimiser; on a GPU the fused version, one kernel for many weights."""
    return AdamW(
        model.parameter_groups(config.weight_decay),
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        fused=next(model.parameters()).is_cuda or None,
    )
