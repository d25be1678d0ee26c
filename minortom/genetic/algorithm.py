"""The genetic algorithm for one stratum, with pymoo as its engine.

Algorithm 2 of the CSMoE paper (Section II-C), and beyond it a memetic variant: each child is
improved by the compiled swap search before it is judged.
"""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.util.display.output import Output

from minortom.genetic.operators import (
    FitAndImprove,
    HalfOfTheRest,
    MateUntilNew,
    NoTwins,
    ReplaceMembers,
    SeededSampling,
    SpreadProblem,
    Tournament,
)
from minortom.genetic.options import GeneticOptions, Stratum

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evolution:
    """What the search found."""

    members: IntArray
    """Chosen tiles, ascending, the fixed ones among them."""
    best_by_generation: FloatArray
    """[generations] score of the best so far, in nats."""
    cut_short: bool = False
    """Whether time was up before all generations were through."""


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
        stratum: Its tiles, and how many to choose: more than are fixed, fewer than there are.
        options: How to search.
        seed: Same seed, same members.
        seeds: Sets of members to start from, among random ones.
        deadline_s: When to stop with the best so far, in seconds since 1970; not before the
            first generation.
    """
    problem = SpreadProblem(stratum, options)
    rate = 1 / stratum.size if options.mutation_rate is None else options.mutation_rate
    repair, no_twins = FitAndImprove(), NoTwins()
    mating = MateUntilNew(
        Tournament(),
        HalfOfTheRest(options.crossover_rate),
        ReplaceMembers(rate),
        repair=repair,
        eliminate_duplicates=no_twins,
    )
    algorithm = GA(
        pop_size=options.population,
        sampling=SeededSampling(seeds or []),
        mating=mating,
        repair=repair,
        eliminate_duplicates=no_twins,
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
        members=members, best_by_generation=np.array(best), cut_short=algorithm.has_next()
    )
