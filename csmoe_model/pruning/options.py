"""Options of `csmoe prune` that change its result."""

from dataclasses import asdict, dataclass
from typing import get_args

from csmoe_model.choices import Criterion, SensorChoice, sensors_of
from csmoe_model.data.seeds import seed_of
from csmoe_model.training.config import train_recipe
from minortom.api.arguments import finite_number, keep_whole, number, one_of, whole_number
from minortom.errors import InputError
from minortom.sensors import SensorName


@dataclass(frozen=True, kw_only=True)
class RecoverOptions:
    """Options of the recovery.

    Raises:
        InputError: If a value is not valid.
    """

    steps: int
    """Optimiser steps."""
    batch_size: int
    """Images (pairs, for both sensors) in a step."""
    lr: float
    """Maximum learning rate of AdamW."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", whole_number("recover", self.steps, minimum=1))
        keep_whole(self, {"batch_size": 2})  # one image has no variance
        object.__setattr__(self, "lr", number("lr", self.lr))
        if not 0 < self.lr < 1:
            raise InputError(f"lr must be above 0 and below 1, found {self.lr}")


@dataclass(frozen=True, kw_only=True)
class PruneOptions:
    """Options of a pruning.

    Raises:
        InputError: If a value is not valid.
    """

    sensor: SensorChoice
    """Sensor to keep: `s2`, `s1` or `both`."""
    keep: int | None = None
    """Experts to keep in each layer; half of them when neither this nor `budget` is given."""
    budget: float | None = None
    """Most multiply-adds of an image, in billions."""
    by: Criterion = "reap"
    """Score of the experts."""
    calibrate: int = 256
    """Patches to score the experts on, at most."""
    recover: RecoverOptions | None = None
    """None without a recovery."""
    seed: int = 0
    """Seed of the draws of patches, and of the batches of the recovery."""

    def __post_init__(self) -> None:
        one_of("sensor", self.sensor, get_args(SensorChoice))
        one_of("by", self.by, get_args(Criterion))
        keep_whole(self, {"keep": 1, "calibrate": 2})  # one vector has no direction
        object.__setattr__(self, "seed", seed_of(self.seed))
        if self.budget is not None:
            object.__setattr__(self, "budget", finite_number("budget", self.budget))

    @property
    def sensors(self) -> tuple[SensorName, ...]:
        """Sensors to keep."""
        return sensors_of(self.sensor)

    def recorded(self) -> dict[str, object]:
        """Return the options for the provenance, without those that were not given."""
        found: dict[str, object] = {
            "sensor": self.sensor, "by": self.by, "calibrate": self.calibrate
        }  # fmt: skip
        found |= {} if self.keep is None else {"keep": self.keep}
        found |= {} if self.budget is None else {"budget": self.budget}
        return found | ({} if self.recover is None else {"recover": asdict(self.recover)})


def recover_options(
    recipe: str, *, steps: int, batch_size: int, lr: float | None
) -> RecoverOptions | None:
    """Return the options of a recovery with the learning rate of a recipe; None for no steps.

    Raises:
        InputError: If a value is not valid, or a learning rate is given for no steps.
    """
    batch_size = whole_number("batch_size", batch_size, minimum=2)
    if not whole_number("recover", steps, minimum=0):
        if lr is not None:
            raise InputError(
                f"--lr is the learning rate of --recover, found --lr {lr} without --recover; give "
                "both or none"
            )
        return None
    rate = train_recipe(recipe).lr if lr is None else lr
    return RecoverOptions(steps=steps, batch_size=batch_size, lr=rate)
