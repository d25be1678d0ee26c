"""pymoo's problem and operators for choosing members of a stratum, on index arrays."""

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

from minortom.genetic import kernels, subset_kernels
from minortom.genetic.objectives import CODES, scores
from minortom.genetic.options import GeneticOptions, Stratum

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_MOST_ROUNDS = 10


class SpreadProblem(Problem):  # type: ignore[misc]
    """Choose members of a stratum so that their score is highest (pymoo minimises its negative)."""

    def __init__(self, stratum: Stratum, options: GeneticOptions) -> None:
        """Set the band of sizes; a genome is a row as in ``minortom.genetic.subset_kernels``."""
        self.stratum, self.options = stratum, options
        self.low, self.high = stratum.num_fixed, len(stratum.points)
        fixed, free = stratum.num_fixed, self.high - stratum.num_fixed
        self.size = stratum.size - fixed
        self.fewest = max(int(np.ceil((1 - options.tolerance) * stratum.size)) - fixed, 0)
        self.most = min(int(np.floor((1 + options.tolerance) * stratum.size)) - fixed, free)
        # Room above the band: a mutation may overshoot before the repair prunes it.
        width = self.size if options.tolerance == 0 else min(2 * self.most, free)
        super().__init__(
            n_var=max(width, 1), n_obj=1, xl=subset_kernels.EMPTY, xu=self.high, vtype=int
        )

    def members(self, row: IntArray) -> IntArray:
        """Give the members of a genome, the fixed ones first."""
        return np.concatenate([np.arange(self.low), subset_kernels.members_of(row)])

    def _evaluate(self, rows: IntArray, out: dict[str, Any], *_: object, **__: object) -> None:
        stratum, code = self.stratum, CODES[self.options.objective]
        values = scores(stratum.points, rows, stratum.num_fixed, stratum.weight, code)
        out["F"] = -values[:, None]


class SeededSampling(Sampling):  # type: ignore[misc]
    """The first population: what is known to be good, filled up with random subsets."""

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
    """The better of two becomes a parent; pymoo's own compares them one by one in Python."""

    def _do(
        self, _: SpreadProblem, population: Population, n_select: int, n_parents: int, *__: object,
        random_state: np.random.Generator, **___: object,
    ) -> IntArray:  # fmt: skip
        cost = population.get("F")[:, 0]
        rivals = random_state.integers(len(population), size=(2, n_select, n_parents))
        first_wins = cost[rivals[0]] <= cost[rivals[1]]
        return np.asarray(np.where(first_wins, rivals[0], rivals[1]), np.int64)


class HalfOfTheRest(Crossover):  # type: ignore[misc]
    """Children keep what their parents share and take half of the rest each."""

    def __init__(self, rate: float) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=rate)

    def _do(
        self, _: SpreadProblem, parents: IntArray, *__: object,
        random_state: np.random.Generator, **___: object,
    ) -> IntArray:  # fmt: skip
        uniforms = random_state.random((parents.shape[1], 2 * parents.shape[2]))
        return subset_kernels.recombine_all(parents[0], parents[1], uniforms)


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
        return subset_kernels.mutate_all(
            rows, self.rate, problem.low, problem.high, exact, uniforms
        )


class FitAndImprove(Repair):  # type: ignore[misc]
    """Bring children into the band of sizes, then improve them by swaps (Lamarckian)."""

    def _do(
        self, problem: SpreadProblem, rows: IntArray, *_: object,
        random_state: np.random.Generator, **__: object,
    ) -> IntArray:  # fmt: skip
        if problem.options.tolerance > 0:
            band = (problem.fewest, problem.size, problem.most, problem.low, problem.high)
            rows = subset_kernels.fit_all(rows, *band, random_state.random(rows.shape))
        if not problem.options.tries:
            return rows
        stratum, tries = problem.stratum, (len(rows), problem.options.tries)
        candidates = random_state.integers(problem.low, problem.high, tries)
        for row, tried in zip(rows, candidates, strict=True):
            members = problem.members(row)
            kernels.swap_search(stratum.points, members, stratum.num_fixed, stratum.weight, tried)
            free = np.sort(members[stratum.num_fixed :])
            row[len(row) - len(free) :] = free
        return rows


class NoTwins(DuplicateElimination):  # type: ignore[misc]
    """Children equal to another go; pymoo's own measures all distances between genomes."""

    def _do(self, children: Population, others: Population | None, is_twin: BoolArray) -> BoolArray:
        seen = set() if others is None else {other.X.tobytes() for other in others}
        for i, child in enumerate(children):
            genome = child.X.tobytes()
            is_twin[i] = genome in seen
            if others is None:
                seen.add(genome)
        return is_twin


class MateUntilNew(Mating):  # type: ignore[misc]
    """Couples mate once a generation, and again only as long as no child is new.

    pymoo's own fills up the generation in further rounds, which takes most of its time. Where
    new children run out, in a tiny stratum, the search ends.
    """

    def do(
        self, problem: SpreadProblem, population: Population, n_offsprings: int,
        *args: object, **kwargs: object,
    ) -> Population:  # fmt: skip
        """Give up to ``n_offsprings`` children unlike their elders and each other."""
        kwargs["n_max_iterations"] = 1
        for _ in range(_MOST_ROUNDS):
            children = super().do(problem, population, n_offsprings, *args, **kwargs)
            if len(children):
                break
        return children
