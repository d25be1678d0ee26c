"""The input of the search of one stratum: its tiles and the options of the search."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minortom.api.choices import Objective
from minortom.errors import InputError
from minortom.genetic.objectives import CODES

DIAMETER2 = 4.0
"""Squared chord of a diameter."""

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class GeneticOptions:
    """Options of the genetic algorithm.

    Raises:
        InputError: If a value is out of its range.
    """

    objective: Objective = "entropy"
    """Score that the search maximises; see ``minortom.genetic.objectives``."""
    coverage_weight: float = 1.75
    """κ of ``minortom.genetic.score``: weight of the distance from the stratum's tiles to the
    nearest member. For the objective ``entropy`` only, here and below."""
    within_weight: float = 0.2
    """ν: weight of the mean distance between members."""
    generations: int = 1
    """T of the paper: number of generations, including the first population."""
    population: int = 1
    """N_p of the paper: sets of members in a generation."""
    crossover_rate: float = 0.5
    """r_c of the paper: share of couples that exchange members; the other couples are copied."""
    mutation_rate: float | None = None
    """r_m of the paper: probability that a member is replaced; None means 1/N_s."""
    tolerance: float = 0.0
    """Allowed deviation of the number of members from N_s, as a share of it; 0 is exact."""
    swap_rounds: int = 1
    """Times that the swap search tries each tile for each child; 0 is a plain genetic algorithm."""

    def __post_init__(self) -> None:
        rate = self.mutation_rate or 0
        weights = {
            "--coverage-weight": self.coverage_weight, "--within-weight": self.within_weight
        }  # fmt: skip
        allowed = {
            f"{name} must be a number from 0, found {value}": 0 <= value < np.inf
            for name, value in weights.items()
        } | {
            f"--generations must be at least 1, found {self.generations}": self.generations >= 1,
            f"--population must be at least 1, found {self.population}": self.population >= 1,
            f"--crossover-rate must be from 0 to 1, found {self.crossover_rate}": (
                0 <= self.crossover_rate <= 1
            ),
            f"--mutation-rate must be from 0 to 1, found {rate}": 0 <= rate <= 1,
            f"--tolerance must be from 0 to below 1, found {self.tolerance}": (
                0 <= self.tolerance < 1
            ),
            f"the number of swap rounds must not be negative, found {self.swap_rounds}": (
                self.swap_rounds >= 0
            ),
            f"--objective must be one of {', '.join(CODES)}, found {self.objective}": (
                self.objective in CODES
            ),
            f"the objective must be entropy for the swap search, found {self.objective}; set its "
            "rounds to 0": not self.swap_rounds or self.objective == "entropy",
            "--objective must be entropy for --coverage-weight and --within-weight, found "
            f"{self.objective}; set both to 0": (
                self.objective == "entropy" or not any(weights.values())
            ),
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
    is_reference: BoolArray
    """[n] whether the distance from the tile to its nearest member counts."""
    outside: FloatArray
    """[n] squared chord from each tile to the nearest chosen tile of another stratum; 4, a
    diameter, without one."""
    foreign: FloatArray
    """[f, 3] chosen tiles of other strata to which a tile of this one can be the nearest."""
    foreign_outside: FloatArray
    """[f] squared chord from each of them to its nearest chosen tile outside this stratum."""
    cover_points: FloatArray | None = None
    """[n, d] coordinates of the tiles in another space in which they are covered, at least three;
    None for the ground alone."""
    cover_weight: float = 0.0
    """Weight of the coverage in that space."""

    @classmethod
    def alone(cls, points: FloatArray, *, size: int, num_fixed: int = 0) -> "Stratum":
        """Return a stratum without others, whose tiles all count for its coverage."""
        return cls(
            points=points, num_fixed=num_fixed, size=size,
            is_reference=np.ones(len(points), np.bool_), outside=np.full(len(points), DIAMETER2),
            foreign=np.empty((0, 3)), foreign_outside=np.empty(0),
        )  # fmt: skip

    @property
    def is_alone(self) -> bool:
        """Return whether no other stratum matters."""
        return not len(self.foreign) and bool((self.outside >= DIAMETER2).all())
