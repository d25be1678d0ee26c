"""Settings of a supervised training: a frozen, checked dataclass."""

import math
from dataclasses import dataclass

from csmoe_model.data.sampler import steps_per_epoch
from csmoe_model.data.seeds import seed_of
from csmoe_model.training.config import check_types
from minortom.api.arguments import require


@dataclass(frozen=True, kw_only=True)
class SupervisedConfig:
    """Settings of a training on labels that change its result.

    Raises:
        InputError: If a value has the wrong type or is out of range.
    """

    seed: int = 0
    """Seed of the initial head, the order of the images, the drawn labels and the augmentation."""
    epochs: int = 30
    """Maximum number of passes over the split `train`."""
    batch_size: int = 32
    """Images per optimiser step; all of a split with fewer images."""
    lr: float = 5e-4
    """Maximum learning rate of AdamW."""
    warmup: float = 0.1
    """Fraction of the run in which the learning rate rises linearly. After it, the rate decays
    to 0 as a cosine."""
    weight_decay: float = 0.05
    """Weight decay of AdamW. It does not apply to biases, norms and tokens."""
    grad_clip: float = 1.0
    """Maximum norm of the gradient; larger gradients are scaled down to it. 0: no clipping."""
    validations: int = 20
    """Maximum number of validations, evenly spaced; at most one an epoch. The weights with the
    best validation score are kept."""
    patience: int = 0
    """Number of validations without a better score after which the training stops early. 0: train
    for all epochs; scores may fall until the learning rate decays."""
    log_every: int = 10
    """Steps per row of log.csv; a row is their mean."""

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("epochs", "batch_size", "validations", "log_every"):
            require(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        for name in ("patience", "weight_decay", "grad_clip"):
            require(0 <= getattr(self, name) < math.inf, name, "0 or more", getattr(self, name))
        require(0 <= self.warmup < 1, "warmup", "at least 0 and below 1", self.warmup)
        seed_of(self.seed)
        require(0 < self.lr < math.inf, "lr", "above 0", self.lr)

    def images_per_step(self, num_images: int) -> int:
        """Return the size of a batch for a number of training images."""
        return min(self.batch_size, num_images)

    def num_steps(self, num_images: int) -> int:
        """Return the number of optimiser steps for a number of training images."""
        return self.epochs * steps_per_epoch(num_images, self.images_per_step(num_images))

    def val_every(self, num_images: int) -> int:
        """Return the number of steps between two validations."""
        return max(1, math.ceil(self.num_steps(num_images) / min(self.validations, self.epochs)))
