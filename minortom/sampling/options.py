"""The options of ``sample``, checked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from minortom.api.choices import Method
from minortom.errors import InputError
from minortom.genetic.options import GeneticOptions
from minortom.grid.spatial_split import SplitOptions
from minortom.sampling.coupled_search import CouplingOptions
from minortom.sampling.quotas import MAX_TILES, Allocation, requested_sizes
from minortom.sampling.reserves import check_count
from minortom.sampling.spacing import min_chord2_of
from minortom.sampling.spread_parts import SpreadOptions
from minortom.sampling.strata import Strata

PER_STRATUM = 100
"""N_s of the paper."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """Options for the choice of tiles.

    Raises:
        InputError: If a value is out of its range, or two options contradict each other.
    """

    per_stratum: int | None = None
    """N_s: tiles to choose in each stratum; a smaller stratum gives all its tiles. None means 100
    without a quota, and 0 for the strata that a quota does not name."""
    quota: Mapping[str, int] = field(default_factory=dict)
    """Tiles to choose in single strata: name of the stratum -> tiles."""
    allocation: Allocation | None = None
    """Total number of tiles; replaces ``per_stratum`` and ``quota``."""
    stratify_by: tuple[str, ...] = ()
    """Columns whose joined values form the strata; the column ``stratum`` when empty."""
    method: Method = "genetic"
    seed: int = 0
    min_distance_km: float | None = None
    """Minimum distance between any two tiles, reserves included."""
    reserves: int = 0
    """Ranked reserve tiles in each stratum."""
    split: SplitOptions | None = None
    """How selected tiles and reserves are split into training, validation and test."""
    spread: SpreadOptions | None = None
    """Space in which the tiles are covered beside the ground, for the methods ``genetic`` and
    ``k-means``; None for the ground alone."""
    time_budget_s: float | None = None
    """Seconds after which the search stops with the best selection found so far."""
    genetic: GeneticOptions = field(default_factory=GeneticOptions)
    """For the method ``genetic``."""
    coupling: CouplingOptions = field(default_factory=CouplingOptions)
    """For the method ``genetic``."""

    def __post_init__(self) -> None:
        if self.method not in get_args(Method):
            raise InputError(
                f"--method must be one of {', '.join(get_args(Method))}, found {self.method}"
            )
        self._check_numbers()
        check_count(self.reserves)
        if self.min_distance_km is not None:
            min_chord2_of(self.min_distance_km)
        if self.time_budget_s is not None and not 0 < self.time_budget_s < np.inf:
            raise InputError(f"--time-budget must be above 0 seconds, found {self.time_budget_s:g}")
        if self.time_budget_s is not None and self.method != "genetic":
            raise InputError(f"--time-budget works with --method genetic only, found {self.method}")
        repeated = sorted({n for n in self.stratify_by if self.stratify_by.count(n) > 1})
        if repeated:
            raise InputError(
                f"--stratify-by names {', '.join(repeated)} more than once; name each column once"
            )
        if self.spread:
            self._check_spread()
        if self.coupling.coupling and self.genetic.objective != "entropy":
            raise InputError(
                "--coupling on works with --objective entropy only; set it to off for "
                f"{self.genetic.objective}"
            )

    def _check_spread(self) -> None:
        if self.method not in ("genetic", "k-means"):
            raise InputError(
                f"--spread-over works with --method genetic or k-means only, found {self.method}"
            )
        if self.method == "genetic" and self.genetic.objective != "entropy":
            raise InputError(
                f"--spread-over works with --objective entropy only, found {self.genetic.objective}"
            )

    def _check_numbers(self) -> None:
        if self.per_stratum is not None and not 1 <= self.per_stratum <= MAX_TILES:
            raise InputError(
                f"--per-stratum must be from 1 to {MAX_TILES:,}, found {self.per_stratum:,}"
            )
        given = {"--per-stratum": self.per_stratum, "--quota": self.quota}
        named = [name for name, value in given.items() if value]
        if self.allocation and named:
            raise InputError(
                f"--tiles is a total and excludes {' and '.join(named)}; give one or the other"
            )

    @property
    def default_size(self) -> int:
        """Tiles requested of a stratum that the quota does not name."""
        if self.per_stratum is not None:
            return self.per_stratum
        return 0 if self.quota else PER_STRATUM

    @property
    def max_search_s(self) -> float:
        """Maximum duration of the search in seconds; infinite without a time budget."""
        return np.inf if self.time_budget_s is None else self.time_budget_s

    def requested_sizes(self, strata: Strata) -> IntArray:
        """Return the tiles requested of each stratum [S]; a stratum may have fewer.

        Raises:
            InputError: If the quota does not fit the strata.
        """
        return requested_sizes(
            strata, per_stratum=self.default_size, quota=self.quota, allocation=self.allocation
        )

    def for_provenance(self) -> dict[str, object]:
        """Return the options that change the result."""
        used: dict[str, object] = {"method": self.method}
        if self.allocation:
            used |= {"tiles": self.allocation.tiles, "allocation": self.allocation.rule}
        else:
            used |= {"per_stratum": self.default_size}
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
        used |= self.spread.for_provenance() if self.spread else {}
        if self.time_budget_s is not None:
            used |= {"time_budget_s": self.time_budget_s}
        if self.method == "genetic":
            used |= asdict(self.genetic) | asdict(self.coupling)
        return used
