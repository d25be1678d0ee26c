"""Compare a straightforward implementation of Algorithm 2 with minortom's on three real strata.

    python benchmarks/algorithm_2.py [--data $MINORTOM_DATA] [--generations 250] [--write]

The straightforward implementation uses pymoo with a boolean mask over the stratum, uniform
crossover and bit flips of pymoo (one per child), a repair that prunes or adds at random, and the
Haversine formula in NumPy. Both use the paper's N_p = 10, r_c = 0.5 and 90 to 110 of 100 tiles,
for a tenth of the paper's generations. Both maximise the Kozachenko-Leonenko entropy. The third
search is minortom's swap search for this entropy alone, on a sample of the stratum's tiles.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from _results import store
from _stand_in import PER_STRATUM, parsed, parser, stand_in
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.core.problem import ElementwiseProblem
from pymoo.core.repair import Repair
from pymoo.core.sampling import Sampling
from pymoo.operators.crossover.ux import UniformCrossover
from pymoo.operators.mutation.bitflip import BitflipMutation
from pymoo.optimize import minimize
from scipy.special import digamma

from minortom.genetic.algorithm import evolve
from minortom.genetic.options import GeneticOptions, Stratum
from minortom.grid.sphere import EARTH_RADIUS_KM, unit_vectors
from minortom.io.table_columns import read_table
from minortom.sampling.presets import paper
from minortom.sampling.strata import Strata

FEWEST, MOST = round(0.9 * PER_STRATUM), round(1.1 * PER_STRATUM)
SWAPS = GeneticOptions(coverage_weight=0, within_weight=0)
SAMPLED = 6000
SIZES = (1_000, 10_000, 10**9)  # the strata nearest to these


class FirstProblem(ElementwiseProblem):
    """Problem of choosing tiles by a mask with the highest entropy of their Haversine distances."""

    def __init__(self, lon_deg, lat_deg):
        self.lon, self.lat = np.radians(lon_deg), np.radians(lat_deg)
        super().__init__(n_var=len(lon_deg), n_obj=1, vtype=bool)

    def _evaluate(self, mask, out, *_, **__):
        lon, lat = self.lon[mask], self.lat[mask]
        haversine = (
            np.sin((lat[:, None] - lat) / 2) ** 2
            + np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
        )
        np.fill_diagonal(haversine, np.inf)
        caps_km2 = 4 * np.pi * EARTH_RADIUS_KM**2 * haversine.min(axis=1)
        out["F"] = -(digamma(len(lon)) - digamma(1) + np.log(caps_km2).mean())


class RandomMasks(Sampling):
    """Draw masks of N_s tiles."""

    def _do(self, problem, n_samples, *_, random_state, **__):
        masks = np.zeros((n_samples, problem.n_var), np.bool_)
        for mask in masks:
            mask[random_state.choice(problem.n_var, PER_STRATUM, replace=False)] = True
        return masks


class FitNumber(Repair):
    """Prune or add tiles at random until their number is in the allowed range."""

    def _do(self, _, masks, random_state, **__):
        for mask in masks:
            count = int(mask.sum())
            if count > MOST:
                mask[random_state.choice(np.flatnonzero(mask), count - MOST, replace=False)] = False
            if count < FEWEST:
                more = random_state.choice(np.flatnonzero(~mask), FEWEST - count, replace=False)
                mask[more] = True
        return masks


def timed(function):
    """Return the seconds that a call takes, and the entropy that it reaches."""
    started = time.perf_counter()
    entropy = function()
    return time.perf_counter() - started, entropy


def first(lon_deg, lat_deg, generations):
    """Search with the straightforward implementation; return the entropy."""
    algorithm = GA(
        pop_size=10, sampling=RandomMasks(), crossover=UniformCrossover(prob=0.5),
        mutation=BitflipMutation(prob_var=1 / len(lon_deg)), repair=FitNumber(),
    )  # fmt: skip
    problem = FirstProblem(lon_deg, lat_deg)
    return -float(minimize(problem, algorithm, ("n_gen", generations), seed=0).F[0])


def ours(lon_deg, lat_deg, options):
    """Search one stratum with minortom, independent of the others; return the entropy."""
    stratum = Stratum.alone(unit_vectors(lon_deg, lat_deg), size=PER_STRATUM)
    found = evolve(stratum, options, seed=np.random.SeedSequence(0))
    return float(found.best_by_generation[-1])


def swapped(lon_deg, lat_deg):
    """Search a sample of a stratum's tiles by swaps for the entropy alone; return the entropy."""
    some = np.random.default_rng(0).permutation(len(lon_deg))[:SAMPLED]
    return ours(lon_deg[some], lat_deg[some], SWAPS)


def compare(annotated, generations):
    """Return the measurements of each stratum."""
    table = read_table(annotated, ["lat", "lon", "stratum"], made_by="minortom annotate")
    strata = Strata.of_column(table["stratum"])
    as_in_paper = GeneticOptions(**(vars(paper()[0]) | {"generations": generations}))
    for options in (as_in_paper, SWAPS):  # compile, or read the cache
        ours(np.linspace(0, 9, 300), np.linspace(0, 9, 300), options)
    found = []
    for size in SIZES:
        s = int(np.argmin(np.abs(strata.sizes - size)))
        rows = strata.rows(s)
        place = table["lon"].to_numpy()[rows], table["lat"].to_numpy()[rows]
        row = {"stratum": strata.names[s], "tiles": len(rows)}
        for name, search in (
            ("first", lambda place=place: first(*place, generations)),
            ("ours", lambda place=place: ours(*place, as_in_paper)),
            ("swaps", lambda place=place: swapped(*place)),
        ):
            row[f"{name}_s"], row[f"{name}_nats"] = timed(search)
        found.append(row)
        print(row, flush=True)
    return found


def main():
    """Run the benchmark."""
    arguments = parser(__doc__)
    arguments.add_argument("--generations", type=int, default=250)
    options = parsed(arguments)
    with tempfile.TemporaryDirectory() as name:
        rows = compare(stand_in(options.data, Path(name)), options.generations)
    if options.write:
        store("algorithm_2", {"generations": options.generations, "rows": rows})


if __name__ == "__main__":
    main()
