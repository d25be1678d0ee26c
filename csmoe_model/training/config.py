"""How a model is pretrained: one frozen, checked record, and what each recipe changes in it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import get_args

from csmoe_model.config import check_keys
from csmoe_model.data.sampler import steps_per_epoch
from minortom.errors import InputError


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Settings of a pretraining run, the published ones where the paper gives them.

    Only what changes the result. Exactly one of `epochs` and `steps` says how long it is.

    Raises:
        InputError: If a value is out of range.
    """

    seed: int = 0
    """Of the initial weights, the order, the masks and the flips."""
    epochs: int | None = 150
    """Passes over the split `train`."""
    steps: int | None = None
    """Optimiser steps, instead of epochs."""
    batch_size: int = 256
    """Pairs a step, over all processes."""
    accumulate: int = 1
    """Parts in which a batch is computed, one after the other, where it does not fit at once;
    pairs are contrasted, and experts balanced, within a part alone."""
    lr: float = 1e-4
    """Highest learning rate of AdamW."""
    warmup: float = 1 / 15
    """Part of the run in which the learning rate rises linearly; then it falls as a cosine to 0."""
    weight_decay: float = 0.05
    """Of weights; biases, norms and tokens have none."""
    beta1: float = 0.9
    """Of AdamW: memory of the gradient."""
    beta2: float = 0.95
    """Of AdamW: memory of its square."""
    grad_clip: float = 0.0
    """Largest norm of the gradient, to which longer ones are cut; 0 for none."""
    ema_decay: float = 0.0
    """Memory of the moving average of the weights that is kept beside them; 0 for none."""
    flips: bool = True
    """Mirror each pair west-east and north-south, half of the times each."""
    log_every: int = 10
    """Steps that a row of log.csv is the mean of."""
    val_every: int = 0
    """Steps between two validations; 0 for one after each epoch."""
    keep_every: int = 0
    """Epochs after which the weights of the moment are kept, again and again; 0 for never."""

    def __post_init__(self) -> None:
        self._check_types()
        if (self.epochs is None) == (self.steps is None):
            raise InputError(
                f"give epochs or steps, one of the two; they are {self.epochs} and {self.steps}"
            )
        for name in ("batch_size", "accumulate", "log_every", "epochs", "steps"):
            value = getattr(self, name)
            _require(value is None or value >= 1, name, "1 or more", value)
        for name in ("seed", "val_every", "keep_every", "weight_decay", "grad_clip"):
            _require(0 <= getattr(self, name) < math.inf, name, "0 or more", getattr(self, name))
        for name in ("warmup", "beta1", "beta2", "ema_decay"):
            value = getattr(self, name)
            _require(0 <= value < 1, name, "at least 0 and below 1", value)
        # Torch and the masks take 64 bits.
        _require(self.seed < 2**63, "seed", "below 2**63", self.seed)
        _require(0 < self.lr < math.inf, "lr", "above 0", self.lr)

    def _check_types(self) -> None:
        for field in fields(self):
            value, allowed = getattr(self, field.name), get_args(field.type) or (field.type,)
            if type(value) not in allowed and not (type(value) is int and float in allowed):
                kinds = " or ".join(getattr(kind, "__name__", "") for kind in allowed)
                raise InputError(
                    f"{field.name} must be {kinds.replace('NoneType', 'null')}; it is {value!r}"
                )

    def num_steps(self, num_samples: int) -> int:
        """Count the optimiser steps of the run, for so many training samples.

        Raises:
            InputError: If a batch is larger than the training split.
        """
        an_epoch = steps_per_epoch(num_samples, self.batch_size)
        return self.steps if self.steps is not None else an_epoch * (self.epochs or 0)

    def lr_factor(self, step: int, num_steps: int) -> float:
        """Give the learning rate of a step (from 0), over the highest one."""
        warm = round(self.warmup * num_steps)
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, num_steps - warm)))

    def to_dict(self) -> dict[str, object]:
        """Give plain values, for `config.yaml`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> "TrainConfig":
        """Build from plain values; fields that are not given keep their default.

        Raises:
            InputError: If a key is not a field, or a value is not allowed.
        """
        return changed(cls(), values)


def changed(config: TrainConfig, values: Mapping[str, object]) -> TrainConfig:
    """Change some fields; giving `epochs` takes away `steps`, and the other way round.

    Raises:
        InputError: If a key is not a field, or a value is not allowed.
    """
    check_keys(values, [field.name for field in fields(TrainConfig)], kind="training")
    length: dict[str, object] = {}
    if ("epochs" in values) != ("steps" in values):
        length = {"epochs": None, "steps": None}
    return replace(config, **{**length, **values})  # type: ignore[arg-type]  # checked on the way


_SMALL: dict[str, dict[str, object]] = {
    "small": {"lr": 5e-4},
    "tiny": {
        "lr": 1e-3, "grad_clip": 5.0, "batch_size": 16, "epochs": None, "steps": 300,
        "log_every": 1,
    },
}  # fmt: skip
"""What recipes change. The published rate is for models a hundred times as large; that of
`tiny` was the best of 0.5, 1, 2 and 4e-3 on 80 real pairs. Its gradient, mostly below 5, has
rare spikes a hundred times as long; cutting them lowered the validation loss."""


def train_recipe(name: str) -> TrainConfig:
    """Give the training settings of a named model; the published ones if it names no others."""
    return changed(TrainConfig(), _SMALL.get(name, {}))


def _require(holds: bool, name: str, wanted: str, found: object) -> None:
    if not holds:
        raise InputError(f"{name} must be {wanted}; it is {found}")
