"""Options of a probe."""

from dataclasses import dataclass
from typing import get_args

from csmoe_model.choices import Pooling, Protocol, SensorChoice
from csmoe_model.data.seeds import seed_of
from minortom.api.arguments import keep_whole, one_of
from minortom.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ProbeOptions:
    """Options for computing features and training probes on them.

    Raises:
        InputError: If a value is out of range or does not go with another.
    """

    protocol: Protocol = "standard"
    """`standard`: logistic regression, with the regularisation strength chosen on validation, and
    k nearest neighbours, both on standardised features. `paper`: one linear layer, trained for 50
    epochs of AdamW."""
    pooling: Pooling = "cls"
    """The unnormalised [CLS] token, the mean of the patch tokens, or both concatenated."""
    sensor: SensorChoice | None = None
    """Sensor to encode; None for all sensors that both the model and the set have."""
    seed: int = 0
    """First of the seeds."""
    seeds: int = 3
    """Number of untrained models, of sets of random filters and, in the paper's protocol, of
    linear layers."""
    lr: float | None = None
    """Learning rate of the paper's protocol; None for the paper's own on its data sets and 0.01 on
    others."""
    shots: int | None = None
    """Maximum number of training samples of each class, drawn `SHOT_DRAWS` times; None for all."""

    def __post_init__(self) -> None:
        one_of("protocol", self.protocol, get_args(Protocol))
        one_of("pooling", self.pooling, get_args(Pooling))
        if self.sensor is not None:
            one_of("sensor", self.sensor, get_args(SensorChoice))
        object.__setattr__(self, "seed", seed_of(self.seed))
        keep_whole(self, {"seeds": 1, "shots": 1})
        if self.lr is not None and (self.protocol != "paper" or not 0 < self.lr < float("inf")):
            raise InputError(
                "--lr must be above 0 and applies to --protocol paper only, found "
                f"--lr {self.lr:g} with --protocol {self.protocol}; change it or leave it out"
            )

    @property
    def seed_range(self) -> range:
        """Return all seeds."""
        return range(self.seed, self.seed + self.seeds)
