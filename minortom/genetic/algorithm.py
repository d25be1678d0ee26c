"""The genetic algorithm for one stratum, run by pymoo.

Algorithm 2 of the CSMoE paper (Section II-C), and a memetic variant of it: the compiled swap
search improves each child before it is evaluated.
"""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.util.display.output import Output

from minortom.genetic.operators import (
    DropDuplicates,
    MatingUntilNew,
    RepairAndImprove,
    ReplacementMutation,
    SeededSampling,
    SpreadProblem,
    SubsetCrossover,
    Tournament,
)
from minortom.genetic.options import GeneticOptions, Stratum

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evolution:
    """The outcome of the search of one stratum."""

    members: IntArray
    """Chosen tiles, ascending, fixed tiles included."""
    best_by_generation: FloatArray
    """[generations] best score after each generation, in nats."""
    start_score: float | None = None
    """Score of the first set before its swaps; None without swaps."""
    cut_short: bool = False
    """Whether the deadline ended the search before its last generation."""


def evolve(
    stratum: Stratum,
    options: GeneticOptions,
    *,
    seed: np.random.SeedSequence,
    seeds: list[IntArray] | None = None,
    deadline_s: float = np.inf,
) -> Evolution:
    """Search for the members of one stratum with the highest score.

    Args:
        stratum: The tiles and the number to choose: more than are fixed, fewer than all.
        options: How to search.
        seed: Same seed, same members.
        seeds: Sets of members in the first population; random sets complete it.
        deadline_s: Time to stop with the best set so far, in seconds since 1970. The first
            generation is always completed.
    """
    problem = SpreadProblem(stratum, options)
    rate = 1 / stratum.size if options.mutation_rate is None else options.mutation_rate
    repair, drop_duplicates = RepairAndImprove(), DropDuplicates()
    mating = MatingUntilNew(
        Tournament(),
        SubsetCrossover(options.crossover_rate),
        ReplacementMutation(rate),
        repair=repair,
        eliminate_duplicates=drop_duplicates,
    )
    algorithm = GA(
        pop_size=options.population,
        sampling=SeededSampling(seeds or []),
        mating=mating,
        repair=repair,
        eliminate_duplicates=drop_duplicates,
        output=Output(),
    )
    algorithm.setup(problem, termination=("n_gen", options.generations), seed=seed)
    best: list[float] = []
    while algorithm.has_next():
        if best and time.time() >= deadline_s:
            break
        algorithm.next()
        best.append(-float(algorithm.opt[0].F[0]))
    members = np.sort(problem.members(algorithm.opt[0].X))
    return Evolution(
        members=members, best_by_generation=np.array(best), start_score=problem.start_score,
        cut_short=algorithm.has_next(),
    )  # fmt: skip
