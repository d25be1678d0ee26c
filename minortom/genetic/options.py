"""The input of the search of one stratum: its tiles and the options of the search."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minortom.api.choices import Objective
from minortom.errors import InputError
from minortom.genetic.objectives import CODES

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class GeneticOptions:
    """Options of the genetic algorithm.

    Raises:
        InputError: If a value is out of its range.
    """

    objective: Objective = "entropy"
    """Score that the search maximises; see ``minortom.genetic.objectives``."""
    generations: int = 4
    """T of the paper: number of generations, including the first population."""
    population: int = 4
    """N_p of the paper: sets of members in a generation."""
    crossover_rate: float = 0.5
    """r_c of the paper: share of couples that exchange members; the other couples are copied."""
    mutation_rate: float | None = None
    """r_m of the paper: probability that a member is replaced; None means 1/N_s."""
    tolerance: float = 0.0
    """Allowed deviation of the number of members from N_s, as a share of it; 0 is exact."""
    tries: int = 3000
    """Candidates that the swap search tries for each child; 0 is a plain genetic algorithm."""

    def __post_init__(self) -> None:
        rate = self.mutation_rate or 0
        allowed = {
            f"--generations must be at least 1, found {self.generations}": self.generations >= 1,
            f"--population must be at least 2, found {self.population}": self.population >= 2,
            f"--crossover-rate must be from 0 to 1, found {self.crossover_rate}": (
                0 <= self.crossover_rate <= 1
            ),
            f"--mutation-rate must be from 0 to 1, found {rate}": 0 <= rate <= 1,
            f"--tolerance must be from 0 to below 1, found {self.tolerance}": (
                0 <= self.tolerance < 1
            ),
            f"the number of swap tries must not be negative, found {self.tries}": self.tries >= 0,
            f"--objective must be one of {', '.join(CODES)}, found {self.objective}": (
                self.objective in CODES
            ),
            f"the objective must be entropy for the swap search, found {self.objective}; set its "
            "tries to 0": not self.tries or self.objective == "entropy",
        }
        for message, holds in allowed.items():
            if not holds:
                raise InputError(message)


@dataclass(frozen=True, kw_only=True, eq=False)
class Stratum:
    """The tiles of one stratum, fixed tiles first."""

    points: FloatArray
    """[n, 3] unit vectors."""
    num_fixed: int
    """Number of fixed tiles, which are always members."""
    size: int
    """Requested number of members, including the fixed ones; less than n."""
    weight: FloatArray
    """[n] contribution of a tile to the sum over members, in nats (coupling, density)."""
