"""Training settings: a frozen, checked dataclass, and the changes that each recipe makes."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Literal, get_args, get_origin

from csmoe_model.data.sampler import steps_per_epoch
from csmoe_model.data.seeds import seed_of
from minortom.api.arguments import check_keys, one_of, require, shown
from minortom.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_KINDS = {
    int: "a whole number", float: "a number", bool: "true or false", type(None): "null",
}  # fmt: skip
"""Types of the fields, in words."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Settings of a pretraining run that change its result.

    The defaults are the published settings where the paper gives them. Exactly one of `epochs`
    and `steps` sets the length of the run.

    Raises:
        InputError: If a value has the wrong type or is out of range.
    """

    seed: int = 0
    """Seed of the initial weights, the order of the pairs, the masks and the flips."""
    epochs: int | None = 150
    """Number of passes over the split `train`."""
    steps: int | None = None
    """Number of optimiser steps, in place of `epochs`."""
    batch_size: int = 256
    """Pairs per optimiser step, over all processes."""
    accumulate: int = 1
    """Micro-batches per step, for batches that do not fit into memory at once. Pairs are
    contrasted, and experts balanced, within a micro-batch only."""
    lr: float = 1e-4
    """Maximum learning rate of AdamW."""
    warmup: float = 1 / 15
    """Fraction of the run in which the learning rate rises linearly. After it, the rate decays
    to 0 as a cosine."""
    weight_decay: float = 0.05
    """Weight decay of AdamW. It does not apply to biases, norms and tokens."""
    beta1: float = 0.9
    """Decay of AdamW's mean of the gradient."""
    beta2: float = 0.95
    """Decay of AdamW's mean of the squared gradient."""
    grad_clip: float = 0.0
    """Maximum norm of the gradient; larger gradients are scaled down to it. 0: no clipping."""
    ema_decay: float = 0.0
    """Decay of the moving average (EMA) of the weights, which is saved too. 0: no average."""
    flips: bool = True
    """Flip pairs at random: west-east and north-south, each with probability 0.5."""
    log_every: int = 10
    """Steps per row of log.csv; a row is their mean."""
    val_every: int = 0
    """Steps between two validations. 0: validate after each epoch."""
    keep_every: int = 0
    """Epochs between two copies of the weights that are kept. 0: keep no copies."""

    def __post_init__(self) -> None:
        check_types(self)
        if (self.epochs is None) == (self.steps is None):
            raise InputError(
                f"expected either epochs or steps, found epochs {self.epochs} and steps "
                f"{self.steps}; give one of the two"
            )
        for name in ("batch_size", "accumulate", "log_every", "epochs", "steps"):
            value = getattr(self, name)
            require(value is None or value >= 1, name, "1 or more", value)
        for name in ("val_every", "keep_every", "weight_decay", "grad_clip"):
            require(0 <= getattr(self, name) < math.inf, name, "0 or more", getattr(self, name))
        for name in ("warmup", "beta1", "beta2", "ema_decay"):
            value = getattr(self, name)
            require(0 <= value < 1, name, "at least 0 and below 1", value)
        seed_of(self.seed)
        require(0 < self.lr < math.inf, "lr", "above 0", self.lr)

    def num_steps(self, num_samples: int) -> int:
        """Return the number of optimiser steps of the run for a number of training samples.

        Raises:
            InputError: If a batch is larger than the training split.
        """
        an_epoch = steps_per_epoch(num_samples, self.batch_size)
        return self.steps if self.steps is not None else an_epoch * (self.epochs or 0)

    def lr_factor(self, step: int, num_steps: int) -> float:
        """Return the learning rate of a step (counted from 0), relative to the maximum."""
        return rate_factor(step, num_steps, warmup=self.warmup)

    def to_dict(self) -> dict[str, object]:
        """Return plain values for `config.yaml`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "TrainConfig":
        """Build the settings from plain values; missing fields have their default.

        Raises:
            InputError: If a key is not a field, or a value is not allowed.
        """
        return changed(cls(), values)


def check_types(config: "DataclassInstance") -> None:
    """Check that each field of a configuration has its declared type.

    Raises:
        InputError: If a value has another type.
    """
    for field in fields(config):
        value, allowed = getattr(config, field.name), get_args(field.type) or (field.type,)
        if get_origin(field.type) is Literal:
            one_of(field.name, value, allowed)
        elif type(value) not in allowed and not (type(value) is int and float in allowed):
            kinds = " or ".join(_KINDS[kind] for kind in allowed)
            raise InputError(f"{field.name} must be {kinds}, found {shown(value)}")


def rate_factor(step: int, num_steps: int, *, warmup: float) -> float:
    """Return the learning rate of a step (counted from 0), relative to the maximum.

    It rises linearly in the first part of a run, `warmup`, and then decays to 0 as a cosine.
    """
    warm = round(warmup * num_steps)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, num_steps - warm)))


def changed(config: TrainConfig, values: Mapping[str, object]) -> TrainConfig:
    """Return settings with some fields changed; a new `epochs` removes `steps` and vice versa.

    Raises:
        InputError: If a key is not a field, or a value is not allowed.
    """
    check_keys(values, [field.name for field in fields(TrainConfig)], kind="training")
    length: dict[str, object] = {}
    if ("epochs" in values) != ("steps" in values):
        length = {"epochs": None, "steps": None}
    return replace(config, **{**length, **values})  # type: ignore[arg-type]  # checked by __post_init__


_TINY: dict[str, object] = {
    "lr": 1e-3, "grad_clip": 5.0, "batch_size": 16, "epochs": None, "steps": 300, "log_every": 1,
}  # fmt: skip
_SMALL: dict[str, dict[str, object]] = {
    "small": {"lr": 5e-4},
    "tiny": _TINY,
    "tiny-p12": _TINY | {
        "grad_clip": 1.0, "batch_size": 64, "steps": 3300, "warmup": 0.1, "val_every": 500,
    },
}  # fmt: skip
"""Changes that recipes make to the defaults.

The published learning rate is for models that are 100 times as large. The rate of `tiny` was the
best of 0.5, 1, 2 and 4e-3 on 80 real pairs. The norm of its gradient is mostly below 5, with rare
spikes 100 times as high; clipping them lowered the validation loss.
"""


def train_recipe(name: str) -> TrainConfig:
    """Return the training settings of a recipe: the published ones unless the recipe differs."""
    return changed(TrainConfig(), _SMALL.get(name, {}))
