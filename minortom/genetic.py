"""The genetic algorithm for one stratum: pymoo's engine, operators on index arrays.

Algorithm 2 of the CSMoE paper (Section II-C), and beyond it a memetic variant: each child is
improved by the compiled swap search before it is judged.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.soo.nonconvex.ga import GA, comp_by_cv_and_fitness
from pymoo.core.crossover import Crossover
from pymoo.core.duplicate import DefaultDuplicateElimination
from pymoo.core.mating import Mating
from pymoo.core.mutation import Mutation
from pymoo.core.problem import Problem
from pymoo.core.repair import Repair
from pymoo.core.sampling import Sampling
from pymoo.operators.selection.tournament import TournamentSelection
from pymoo.util.display.output import Output

from minortom import kernels, subsets
from minortom.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MATING_ROUNDS = 3
"""Children equal to others are made again so often; in a small stratum new ones run out."""


@dataclass(frozen=True, kw_only=True)
class GeneticOptions:
    """How long and how the genetic algorithm searches.

    Raises:
        InputError: If a value is out of its range.
    """

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


@dataclass(frozen=True, kw_only=True, eq=False)
class Evolution:
    """What the search found."""

    members: IntArray
    """Chosen tiles, ascending, the fixed ones among them."""
    best_by_generation: FloatArray
    """[generations] score of the best so far, in nats."""


class SpreadProblem(Problem):  # type: ignore[misc]
    """Choose members of a stratum so that their score is highest (pymoo minimises its negative)."""

    def __init__(self, stratum: Stratum, options: GeneticOptions) -> None:
        """Set the band of sizes; a genome is a row as in ``minortom.subsets``."""
        self.stratum, self.options = stratum, options
        self.low, self.high = stratum.num_fixed, len(stratum.points)
        fixed, free = stratum.num_fixed, self.high - stratum.num_fixed
        self.size = stratum.size - fixed
        self.fewest = max(int(np.ceil((1 - options.tolerance) * stratum.size)) - fixed, 0)
        self.most = min(int(np.floor((1 + options.tolerance) * stratum.size)) - fixed, free)
        self.fixed = np.arange(fixed)
        # Room above the band: a mutation may overshoot before the repair prunes it.
        width = self.size if options.tolerance == 0 else min(2 * self.most, free)
        super().__init__(n_var=max(width, 1), n_obj=1, xl=subsets.EMPTY, xu=self.high, vtype=int)

    def members(self, row: IntArray) -> IntArray:
        """Give the members of a genome, the fixed ones first."""
        return np.concatenate([self.fixed, subsets.members_of(row)])

    def score(self, row: IntArray) -> float:
        """Give entropy + mean weight of the members, in nats."""
        members = self.members(row)
        mean_weight = self.stratum.weight[members].mean()
        return kernels.entropy(self.stratum.points, members) + float(mean_weight)

    def _evaluate(self, x: IntArray, out: dict[str, Any], *_: object, **__: object) -> None:
        out["F"] = np.array([[-self.score(row)] for row in x])


class SeededSampling(Sampling):  # type: ignore[misc]
    """The first population: what is known to be good, filled up with random subsets."""

    def __init__(self, seeds: list[IntArray]) -> None:
        super().__init__()
        self.seeds = seeds

    def _do(
        self, problem: SpreadProblem, n_samples: int, *_: object,
        random_state: np.random.Generator, **__: object,
    ) -> IntArray:  # fmt: skip
        rows = np.full((n_samples, problem.n_var), subsets.EMPTY, np.int64)
        uniforms = random_state.random((n_samples, problem.size))
        for i, row in enumerate(rows):
            if i < len(self.seeds):
                free = np.sort(self.seeds[i][self.seeds[i] >= problem.low])
                row[len(row) - len(free) :] = free
            else:
                row[:] = subsets.draw(
                    len(row), problem.size, problem.low, problem.high, uniforms[i]
                )
        return rows


class HalfOfTheRest(Crossover):  # type: ignore[misc]
    """Children keep what their parents share and take half of the rest each."""

    def __init__(self, rate: float) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=rate)

    def _do(
        self, _: SpreadProblem, parents: IntArray, *__: object,
        random_state: np.random.Generator, **___: object,
    ) -> IntArray:  # fmt: skip
        uniforms = random_state.random((parents.shape[1], 2 * parents.shape[2]))
        children = np.empty_like(parents)
        for i in range(parents.shape[1]):
            children[:, i] = subsets.recombine(parents[0, i], parents[1, i], uniforms[i])
        return children


class ReplaceMembers(Mutation):  # type: ignore[misc]
    """Each member is replaced with a small probability."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def _do(
        self, problem: SpreadProblem, rows: IntArray, *_: object,
        random_state: np.random.Generator, **__: object,
    ) -> IntArray:  # fmt: skip
        uniforms = random_state.random((len(rows), 3, rows.shape[1]))
        exact = problem.options.tolerance == 0
        mutated = [
            subsets.mutate(row, self.rate, problem.low, problem.high, exact, uniforms[i])
            for i, row in enumerate(rows)
        ]
        return np.array(mutated)


class FitAndImprove(Repair):  # type: ignore[misc]
    """Bring children into the band of sizes, then improve them by swaps (Lamarckian)."""

    def _do(
        self, problem: SpreadProblem, rows: IntArray, *_: object,
        random_state: np.random.Generator, **__: object,
    ) -> IntArray:  # fmt: skip
        if problem.options.tolerance > 0:
            uniforms = random_state.random(rows.shape)
            band = (problem.fewest, problem.size, problem.most, problem.low, problem.high)
            rows = np.array([subsets.fit(row, *band, uniforms[i]) for i, row in enumerate(rows)])
        if not problem.options.tries:
            return rows
        stratum, tries = problem.stratum, (len(rows), problem.options.tries)
        candidates = random_state.integers(problem.low, problem.high, tries)
        for row, tried in zip(rows, candidates, strict=True):
            members = problem.members(row)
            kernels.swap_search(stratum.points, members, stratum.num_fixed, stratum.weight, tried)
            row[len(row) - len(members) + stratum.num_fixed :] = np.sort(
                members[stratum.num_fixed :]
            )
        return rows


def evolve(
    stratum: Stratum,
    options: GeneticOptions,
    *,
    seed: np.random.SeedSequence,
    seeds: list[IntArray] | None = None,
) -> Evolution:
    """Search for the members of one stratum with the highest score.

    Args:
        stratum: Its tiles, and how many to choose: more than are fixed, fewer than there are.
        options: How to search.
        seed: Same seed, same members.
        seeds: Sets of members to start from, among random ones.
    """
    problem = SpreadProblem(stratum, options)
    rate = 1 / stratum.size if options.mutation_rate is None else options.mutation_rate
    repair, unequal = FitAndImprove(), DefaultDuplicateElimination()
    mating = Mating(
        TournamentSelection(func_comp=comp_by_cv_and_fitness),
        HalfOfTheRest(options.crossover_rate),
        ReplaceMembers(rate),
        repair=repair,
        eliminate_duplicates=unequal,
        n_max_iterations=_MATING_ROUNDS,
    )
    algorithm = GA(
        pop_size=options.population,
        sampling=SeededSampling(seeds or []),
        mating=mating,
        repair=repair,
        eliminate_duplicates=unequal,
        output=Output(),
    )
    algorithm.setup(problem, termination=("n_gen", options.generations), seed=seed)
    best = []
    while algorithm.has_next():
        algorithm.next()
        best.append(-float(algorithm.opt[0].F[0]))
    members = np.sort(problem.members(algorithm.opt[0].X))
    return Evolution(members=members, best_by_generation=np.array(best))
