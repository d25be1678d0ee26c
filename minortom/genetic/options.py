"""What a search over one stratum is given: the stratum, and how to search."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.genetic.objectives import CODES, Objective

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class GeneticOptions:
    """How long and how the genetic algorithm searches.

    Raises:
        InputError: If a value is out of its range.
    """

    objective: Objective = "entropy"
    """What is made highest; see ``minortom.genetic.objectives``."""
    generations: int = 4
    """T of the paper: generations, the first population included."""
    population: int = 4
    """N_p of the paper."""
    crossover_rate: float = 0.5
    """r_c of the paper: the share of couples that exchange members; the others are copied."""
    mutation_rate: float | None = None
    """r_m of the paper: the probability a member that it is replaced; None is 1/N_s."""
    tolerance: float = 0.0
    """How far the number of members may be from N_s, as a share of it; 0 is exact."""
    tries: int = 3000
    """Candidates that the swap search tries on each child; 0 is a plain genetic algorithm."""

    def __post_init__(self) -> None:
        wanted = {
            "--generations must be at least 1": self.generations >= 1,
            "--population must be at least 2": self.population >= 2,
            "--crossover-rate must be from 0 to 1": 0 <= self.crossover_rate <= 1,
            "--mutation-rate must be from 0 to 1": 0 <= (self.mutation_rate or 0) <= 1,
            "--tolerance must be from 0 to below 1": 0 <= self.tolerance < 1,
            "the number of swap tries must not be negative": self.tries >= 0,
        }
        wanted |= {
            f"--objective must be one of {', '.join(CODES)}": self.objective in CODES,
            "the objective must be entropy for the swap search; set its tries to 0": (
                not self.tries or self.objective == "entropy"
            ),
        }
        for message, holds in wanted.items():
            if not holds:
                raise InputError(message)


@dataclass(frozen=True, kw_only=True, eq=False)
class Stratum:
    """One stratum as the search sees it: its tiles, those that must be in first."""

    points: FloatArray
    """[n, 3] unit vectors."""
    num_fixed: int
    """The first so many tiles are members whatever happens."""
    size: int
    """Members wanted, the fixed ones included; less than n."""
    weight: FloatArray
    """[n] what choosing a tile adds to the sum over members, in nats (coupling, density)."""
