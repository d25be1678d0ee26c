"""How tiles are chosen: what a user may ask of `minortom sample`, checked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.genetic.options import GeneticOptions
from minortom.grid.spatial_split import SplitOptions
from minortom.sampling.coupled_search import CouplingOptions
from minortom.sampling.quotas import MOST_TILES, Allocation, wishes
from minortom.sampling.reserves import check_count
from minortom.sampling.spacing import least_chord2
from minortom.sampling.strata import Strata

Method = Literal["genetic", "random", "farthest-point", "grts"]

PER_STRATUM = 100
"""N_s of the paper."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """How tiles are chosen.

    Raises:
        InputError: If a value is out of its range, or does not go with the others.
    """

    per_stratum: int | None = None
    """N_s: tiles to choose in each stratum, all of them where it has no more. None is 100, and
    with a quota 0 for what that does not name."""
    quota: Mapping[str, int] = field(default_factory=dict)
    """N_s of single strata, by name."""
    allocation: Allocation | None = None
    """A total, in place of both."""
    stratify_by: tuple[str, ...] = ()
    """Columns whose values make the strata; the file's own column ``stratum`` when empty."""
    method: Method = "genetic"
    seed: int = 0
    min_distance_km: float | None = None
    """Least distance between any two tiles, reserves among them."""
    reserves: int = 0
    """Ranked further tiles of each stratum."""
    split: SplitOptions | None = None
    """How selected tiles and reserves go to training, validation and test."""
    time_budget_s: float | None = None
    """Seconds after which the search ends with the best so far."""
    genetic: GeneticOptions = field(default_factory=GeneticOptions)
    """For the method ``genetic``."""
    coupling: CouplingOptions = field(default_factory=CouplingOptions)
    """For the method ``genetic``."""

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise InputError(f"--method {self.method}: wanted {', '.join(get_args(Method))}")
        self._check_numbers()
        check_count(self.reserves)
        if self.min_distance_km is not None:
            least_chord2(self.min_distance_km)
        if self.time_budget_s is not None and not 0 < self.time_budget_s < np.inf:
            raise InputError(f"--time-budget must be above 0 seconds, not {self.time_budget_s:g}")
        if self.time_budget_s is not None and self.method != "genetic":
            raise InputError(f"--time-budget: for --method genetic alone, not {self.method}")
        twice = sorted({n for n in self.stratify_by if self.stratify_by.count(n) > 1})
        if twice:
            raise InputError(f"--stratify-by names {', '.join(twice)} more than once")
        coupled = self.coupling.spread > 0 or self.coupling.density > 0
        if coupled and self.genetic.objective != "entropy":
            raise InputError(
                "--spread and --density add entropies and go with --objective entropy alone; "
                f"set both to 0 for {self.genetic.objective}"
            )

    def _check_numbers(self) -> None:
        if self.per_stratum is not None and not 1 <= self.per_stratum <= MOST_TILES:
            raise InputError(
                f"--per-stratum must be from 1 to {MOST_TILES:,}, not {self.per_stratum:,}"
            )
        given = {"--per-stratum": self.per_stratum, "--quota": self.quota}
        named = [name for name, value in given.items() if value]
        if self.allocation and named:
            raise InputError(
                f"--tiles is a total and goes without {' and '.join(named)}; give one or the other"
            )

    @property
    def of_each(self) -> int:
        """Tiles wanted of a stratum that no quota names."""
        if self.per_stratum is not None:
            return self.per_stratum
        return 0 if self.quota else PER_STRATUM

    @property
    def most_seconds(self) -> float:
        """How long the search may take; infinite without a time budget."""
        return np.inf if self.time_budget_s is None else self.time_budget_s

    def wishes(self, strata: Strata) -> IntArray:
        """Give the tiles wanted of each stratum [S], be it more than the stratum has.

        Raises:
            InputError: If the quota does not fit the strata.
        """
        return wishes(
            strata, per_stratum=self.of_each, quota=self.quota, allocation=self.allocation
        )

    def that_matter(self) -> dict[str, object]:
        """Give the options that change the result, for the provenance."""
        used: dict[str, object] = {"method": self.method}
        if self.allocation:
            used |= {"tiles": self.allocation.tiles, "allocation": self.allocation.rule}
        else:
            used |= {"per_stratum": self.of_each}
        used |= {"quota": dict(self.quota)} if self.quota else {}
        used |= {"stratify_by": list(self.stratify_by)} if self.stratify_by else {}
        used |= {"reserves": self.reserves} if self.reserves else {}
        if self.min_distance_km is not None:
            used |= {"min_distance_km": self.min_distance_km}
        if self.split:
            used |= {
                "split": list(self.split.shares), "split_block_km": self.split.block_km,
                "split_buffer_km": self.split.buffer_km,
            }  # fmt: skip
        if self.time_budget_s is not None:
            used |= {"time_budget_s": self.time_budget_s}
        if self.method == "genetic":
            used |= asdict(self.genetic) | asdict(self.coupling)
        return used
