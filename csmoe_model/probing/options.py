"""Options of a probe."""

from dataclasses import dataclass
from typing import Literal

from csmoe_model.inference.encode_dataset import Pooling
from minortom.errors import InputError

Protocol = Literal["standard", "paper"]
SensorChoice = Literal["s2", "s1", "both"]


@dataclass(frozen=True, kw_only=True)
class ProbeOptions:
    """How features are made and probed.

    Raises:
        InputError: If a value is out of range or does not go with another.
    """

    protocol: Protocol = "standard"
    """`standard`: logistic regression, its strength chosen on validation, and k nearest
    neighbours, on standardised features. `paper`: a linear layer, 50 epochs of AdamW."""
    pooling: Pooling = "cls"
    """The raw [CLS], the mean of the patches' tokens, or both beside each other."""
    sensor: SensorChoice | None = None
    """Whose images; those that the model and the set have when None."""
    seed: int = 0
    """First of the seeds."""
    seeds: int = 3
    """Untrained models, random convolutions and, of the paper's protocol, linear layers."""
    lr: float | None = None
    """Rate of the paper's protocol; that of the paper for its sets, else 0.01."""
    shots: int | None = None
    """Training samples of each class at most, drawn `SHOT_DRAWS` times; all when None."""

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise InputError(f"--seeds must be 1 or more; it is {self.seeds}")
        if self.shots is not None and self.shots < 1:
            raise InputError(f"--shots must be 1 or more; it is {self.shots}")
        if self.lr is not None and (self.protocol != "paper" or not 0 < self.lr < float("inf")):
            raise InputError(
                f"--lr {self.lr:g} must be above 0 and goes with --protocol paper alone; the "
                "standard protocol has no learning rate"
            )
