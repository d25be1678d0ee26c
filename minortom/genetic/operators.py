"""The pymoo problem and operators for choosing members of a stratum, on index arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.core.crossover import Crossover
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.mating import Mating
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.repair import Repair
from pymoo.core.sampling import Sampling
from pymoo.core.selection import Selection

from minortom.genetic import subset_kernels
from minortom.genetic.objectives import CODES, scores
from minortom.genetic.options import GeneticOptions, Stratum
from minortom.genetic.score import StratumScore

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_MAX_ROUNDS = 10


class SpreadProblem(Problem):  # type: ignore[misc]
    """The members of a stratum with the highest score; pymoo minimises the negative score."""

    def __init__(self, stratum: Stratum, options: GeneticOptions) -> None:
        """Set the range of sizes; a genome is a row as in ``minortom.genetic.subset_kernels``."""
        self.stratum, self.options = stratum, options
        self.low, self.high = stratum.num_fixed, len(stratum.points)
        fixed, free = stratum.num_fixed, self.high - stratum.num_fixed
        self.size = stratum.size - fixed
        weighted = options.coverage_weight or options.within_weight or stratum.cover_weight
        is_scored = bool(weighted or options.swap_rounds) or not stratum.is_alone
        self.score = StratumScore(stratum, options) if is_scored else None
        self.start_score: float | None = None
        self._known: dict[bytes, float] = {}
        self.min_size = max(int(np.ceil((1 - options.tolerance) * stratum.size)) - fixed, 0)
        self.max_size = min(int(np.floor((1 + options.tolerance) * stratum.size)) - fixed, free)
        # Wider than the maximum size: a mutation may exceed it before the repair prunes the row.
        width = self.size if options.tolerance == 0 else min(2 * self.max_size, free)
        super().__init__(
            n_var=max(width, 1), n_obj=1, xl=subset_kernels.EMPTY, xu=self.high, vtype=int
        )

    def members(self, row: IntArray) -> IntArray:
        """Return the members of a genome, fixed tiles first."""
        return np.concatenate([np.arange(self.low), subset_kernels.members_of(row)])

    def improve(self, row: IntArray, candidates: IntArray) -> None:
        """Improve a genome by swaps for candidates, in place (Lamarckian)."""
        if self.score is None:
            return
        members, before, value = self.score.improved(self.members(row), candidates)
        self.start_score = before if self.start_score is None else self.start_score
        free = np.sort(members[self.low :])
        row[len(row) - len(free) :] = free
        self._known[row.tobytes()] = value

    def _evaluate(self, rows: IntArray, out: dict[str, Any], *_: object, **__: object) -> None:
        if self.score is None:
            code = CODES[self.options.objective]
            values = scores(self.stratum.points, rows, self.stratum.num_fixed, code)
        else:
            values = np.array([self._value(self.score, row) for row in rows])
        out["F"] = -values[:, None]

    def _value(self, score: StratumScore, row: IntArray) -> float:
        known = self._known.get(row.tobytes())
        return score.score(self.members(row)) if known is None else known


class SeededSampling(Sampling):  # type: ignore[misc]
    """The first population: given sets of members, completed with random subsets."""

    def __init__(self, seeds: list[IntArray]) -> None:
        super().__init__()
        self.seeds = seeds

    def _do(
        self, problem: SpreadProblem, n_samples: int, *_: object,
        random_state: np.random.Generator, **__: object,
    ) -> IntArray:  # fmt: skip
        rows = np.full((n_samples, problem.n_var), subset_kernels.EMPTY, np.int64)
        uniforms = random_state.random((n_samples, problem.size))
        for i, row in enumerate(rows):
            if i < len(self.seeds):
                free = np.sort(self.seeds[i][self.seeds[i] >= problem.low])
                row[len(row) - len(free) :] = free
            else:
                row[:] = subset_kernels.draw(
                    len(row), problem.size, problem.low, problem.high, uniforms[i]
                )
        return rows


class Tournament(Selection):  # type: ignore[misc]
    """Binary tournament: the better of two becomes a parent. pymoo's own loops in Python."""

    def _do(
        self, _: SpreadProblem, population: Population, n_select: int, n_parents: int, *__: object,
        random_state: np.random.Generator, **___: object,
    ) -> IntArray:  # fmt: skip
        cost = population.get("F")[:, 0]
        rivals = random_state.integers(len(population), size=(2, n_select, n_parents))
        first_wins = cost[rivals[0]] <= cost[rivals[1]]
        return np.asarray(np.where(first_wins, rivals[0], rivals[1]), np.int64)


class SubsetCrossover(Crossover):  # type: ignore[misc]
    """Crossover of subsets: both children get the shared members and half of the others each."""

    def __init__(self, rate: float) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=rate)

    def _do(
        self, _: SpreadProblem, parents: IntArray, *__: object,
        random_state: np.random.Generator, **___: object,
    ) -> IntArray:  # fmt: skip
        uniforms = random_state.random((parents.shape[1], 2 * parents.shape[2]))
        return subset_kernels.recombine_all(parents[0], parents[1], uniforms)


class ReplacementMutation(Mutation):  # type: ignore[misc]
    """Mutation that replaces each member with a given probability."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def _do(
        self, problem: SpreadProblem, rows: IntArray, *_: object,
        random_state: np.random.Generator, **__: object,
    ) -> IntArray:  # fmt: skip
        uniforms = random_state.random((len(rows), 3, rows.shape[1]))
        exact = problem.options.tolerance == 0
        return subset_kernels.mutate_all(
            rows, self.rate, problem.low, problem.high, exact, uniforms
        )


class RepairAndImprove(Repair):  # type: ignore[misc]
    """Repair of the size of children, then improvement by swaps (Lamarckian)."""

    def _do(
        self, problem: SpreadProblem, rows: IntArray, *_: object,
        random_state: np.random.Generator, **__: object,
    ) -> IntArray:  # fmt: skip
        if problem.options.tolerance > 0:
            sizes = (problem.min_size, problem.size, problem.max_size)
            uniforms = random_state.random(rows.shape)
            rows = subset_kernels.fit_all(rows, *sizes, problem.low, problem.high, uniforms)
        for row in rows if problem.options.swap_rounds else ():
            # Each tile in random order before one is tried again.
            rounds = [
                random_state.permutation(problem.high - problem.low)
                for _ in range(problem.options.swap_rounds)
            ]
            problem.improve(row, problem.low + np.concatenate(rounds))
        return rows


class DropDuplicates(DuplicateElimination):  # type: ignore[misc]
    """Removal of equal children. pymoo's own computes all distances between genomes."""

    def _do(
        self, children: Population, others: Population | None, is_duplicate: BoolArray
    ) -> BoolArray:
        seen = set() if others is None else {other.X.tobytes() for other in others}
        for i, child in enumerate(children):
            genome = child.X.tobytes()
            is_duplicate[i] = genome in seen
            if others is None:
                seen.add(genome)
        return is_duplicate


class MatingUntilNew(Mating):  # type: ignore[misc]
    """Mating in one round a generation, repeated only while no child is new.

    pymoo's own repeats the round until the generation is full, which takes most of its time. In
    a tiny stratum that has no new children left, the search ends.
    """

    def do(
        self, problem: SpreadProblem, population: Population, n_offsprings: int,
        *args: object, **kwargs: object,
    ) -> Population:  # fmt: skip
        """Return at most ``n_offsprings`` children, all new and different."""
        kwargs["n_max_iterations"] = 1
        for _ in range(_MAX_ROUNDS):
            children = super().do(problem, population, n_offsprings, *args, **kwargs)
            if len(children):
                break
        return children
