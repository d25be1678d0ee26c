"""One step of pretraining: a batch to its loss, the optimiser, and what is logged of it.

Needs no Lightning, and never makes the CPU wait for the GPU.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.optim import AdamW

from csmoe_model.csmoe import CSMoE, PretrainOutput
from csmoe_model.data.loader import Batch
from csmoe_model.data.normalise import Normalise, draw_flips, signed
from csmoe_model.data.sampler import Samples
from csmoe_model.distributed.device import autocast, copied_to
from csmoe_model.nn.masking import Masks, draw_masks
from csmoe_model.training.config import TrainConfig

Forward = Callable[[Mapping[str, Tensor], Tensor | None, Masks], PretrainOutput]
"""Stored values by tensor column, flips and masks to the loss."""


class Objective:
    """Makes images of stored values and computes the loss: what is compiled as a whole."""

    def __init__(self, model: CSMoE, normalise: Normalise) -> None:
        """Take the model, and what its images are made with."""
        self.model, self.normalise = model, normalise

    def __call__(
        self, stored: Mapping[str, Tensor], flips_B2: Tensor | None, masks: Masks
    ) -> PretrainOutput:
        """Compute the objective on stored values, as `images.signed` gives them."""
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
    """Compute the objective on a batch: masks and flips are a function of (seed, epoch, sample).

    The tensors of the batch may still be on the CPU; they go to the model's device here.
    `forward` takes the place of the objective itself, where it is compiled.
    """
    config, device = objective.model.config, next(objective.model.parameters()).device
    masks = draw_masks(
        batch.samples, num_patches=config.num_patches, mask_ratio=config.mask_ratio,
        mode=config.mask_mode, seed=seed, epoch=batch.epoch,
    )  # fmt: skip
    flips_B2 = draw_flips(batch.samples, seed=seed, epoch=batch.epoch) if flip else None
    tensors = {column: tensor.to(device) for column, tensor in batch.tensors.items()}
    flips_B2 = None if flips_B2 is None else copied_to(flips_B2, device)
    with autocast(device):
        return (forward or objective)(signed(tensors), flips_B2, masks.to(device))


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


class StepNumbers:
    """The numbers of one step, computed on the device; reading them waits for it, making not."""

    def __init__(
        self,
        *,
        step: int,
        names: Sequence[str],
        everywhere: Tensor,
        here: Tensor,
        samples: Sequence[Samples],
    ) -> None:
        """Let the numbers set off.

        Args:
            step: That they are of, counted from 1.
            names: A name for each number.
            everywhere: Means over all processes, a vector.
            here: The numbers of this process.
            samples: What this process was trained on, by part of the batch.
        """
        self.step, self.names, self.here, self.samples = step, tuple(names), here, samples
        self._arrived: torch.cuda.Event | None = None
        self._found = everywhere
        if everywhere.is_cuda:
            self._found = torch.empty(everywhere.shape, dtype=everywhere.dtype, pin_memory=True)
            self._found.copy_(everywhere, non_blocking=True)
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrived.record()

    def read(self) -> dict[str, float]:
        """Wait for the means over all processes, and give them by name."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return dict(zip(self.names, self._found.tolist(), strict=True))


def adamw(model: CSMoE, config: TrainConfig) -> AdamW:
    """Make the optimiser; on a GPU as one kernel over many weights."""
    return AdamW(
        model.parameter_groups(config.weight_decay),
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        fused=next(model.parameters()).is_cuda or None,
    )
