"""The search over all strata: each spreads its tiles, and sees what the others chose.

The score of a stratum's set S of k tiles, in nats::

    J(S) = H(S) + spread * C(S; others) - density * C(S; stratum)

H is the Kozachenko-Leonenko entropy of the tiles' location (``kernels.entropy``); C(S; T) the
cross-entropy of S relative to T by the same nearest-neighbour estimate, but for a constant:
1/k sum_i log(A_i) with A_i the area of the cap up to the nearest tile of T (Wang, Kulkarni and
Verdú 2009, doi 10.1109/TIT.2009.2016060). The first C keeps the set away from what other strata
chose. The second draws it to where the stratum has its tiles: with weight 1 and without coupling
J is the negative Kullback-Leibler divergence of S from the stratum; a little of it mends the
estimator's bias towards the rim, where half of each cap is empty.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # it publishes no types

from minortom.engine import executors
from minortom.errors import InputError
from minortom.genetic.algorithm import Evolution, evolve
from minortom.genetic.kernels import FLOOR_CHORD2
from minortom.genetic.options import GeneticOptions, Stratum
from minortom.progress import OnProgress, ignore_progress
from minortom.sampling.baselines import kept_first, random_selection, stratum_seed
from minortom.sampling.search_log import SearchLog
from minortom.sampling.strata import Tiles

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

NUM_BATCHES = 16
"""Strata of a batch are searched at once, each seeing the others as before the batch. A fixed
number, so that the result does not depend on the number of workers."""
_REFERENCE_PER_MEMBER = 8  # tiles of the stratum that stand for it in C(S; stratum), for each of S
_SEARCH_STAGE, _REFERENCE_STAGE = 1, 2


@dataclass(frozen=True, kw_only=True)
class CouplingOptions:
    """How strata see each other.

    Raises:
        InputError: If a value is out of its range.
    """

    spread: float = 0.5
    """Weight of the distance to what other strata chose; 0 leaves the strata independent."""
    density: float = 0.1
    """0 spreads evenly over the stratum's area, 1 in proportion to its tiles."""
    passes: int = 3
    """How often each stratum is searched; once is enough where they are independent."""

    def __post_init__(self) -> None:
        if not 0 <= self.spread < np.inf:
            raise InputError(f"--spread must be 0 or more, not {self.spread}")
        if not 0 <= self.density <= 1:
            raise InputError(f"--density must be from 0 to 1, not {self.density}")
        if self.passes < 1:
            raise InputError(f"--passes must be at least 1, not {self.passes}")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Job:
    """One stratum's search, as it is sent to a worker."""

    points: FloatArray
    num_fixed: int
    size: int
    others: FloatArray | None
    """[m, 3] what other strata chose, where that counts."""
    start: IntArray | None
    """Members to start from, as rows of ``points``."""
    seeds: tuple[np.random.SeedSequence, np.random.SeedSequence]
    """Of the search, and of the tiles that stand for the stratum."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Spread:
    """The tiles that the search chose, and how far it came."""

    rows: IntArray
    """Chosen rows, ascending."""
    convergence: Mapping[str, list[float]]
    """By stratum, the best score after each generation of its last search (nats)."""
    searches: int
    """Searches that were to be made: passes times strata that leave a choice."""
    finished: int
    """Those that ran to their end."""
    generations: int
    """Generations of all searches together."""


def spread_selection(
    tiles: Tiles,
    sizes: IntArray,
    *,
    genetic: GeneticOptions,
    coupling: CouplingOptions,
    seed: int,
    executor: Executor,
    kept: BoolArray | None = None,
    log: SearchLog | None = None,
    deadline_s: float = np.inf,
    on_progress: OnProgress = ignore_progress,
) -> Spread:
    """Choose so many tiles of each stratum by the genetic algorithm.

    Args:
        tiles: Tiles and strata.
        sizes: [S] tiles to choose in each stratum.
        genetic: How each stratum is searched.
        coupling: How strata see each other.
        seed: Same seed, same tiles, whatever the executor.
        executor: Where to search; see ``minortom.engine.executors``.
        kept: [n] tiles that must be in; they count towards ``sizes``.
        log: Searches that ended in a former run, and where to keep those of this one.
        deadline_s: When to stop, in seconds since 1970. A stratum that was not searched by then
            keeps a random draw.
        on_progress: Told how many searches are done.
    """
    kept = np.zeros(len(tiles), np.bool_) if kept is None else kept
    log = SearchLog() if log is None else log
    chosen = _by_stratum(tiles, random_selection(tiles, sizes, seed=seed, kept=kept))
    searched = _to_search(tiles, sizes, kept)
    num_batches = NUM_BATCHES if coupling.spread > 0 else 1
    passes = coupling.passes if coupling.spread > 0 else 1
    search = partial(_search, genetic=genetic, coupling=coupling, deadline_s=deadline_s)
    total = passes * len(searched)
    last: dict[int, Evolution] = {}
    done: list[Evolution] = []
    for number, batch in product(range(passes), range(min(num_batches, len(searched)))):
        strata = searched[batch::num_batches]
        found = {s: ended for s in strata if (ended := log.found((number, s)))}
        todo = [s for s in strata if s not in found] if time.time() < deadline_s else []
        jobs = {
            s: _job(tiles, chosen, s, int(sizes[s]), kept, coupling, (seed, number)) for s in todo
        }
        for s, evolution in _as_found(executor, search, jobs):
            if not evolution.cut_short:
                log.keep((number, s), evolution)
            found[s] = evolution
            on_progress(len(done) + len(found), total)
        for s, evolution in found.items():
            rows, _ = kept_first(tiles.strata.rows(s), kept)
            chosen[s] = np.sort(rows[evolution.members])
        last |= found
        done += found.values()
        on_progress(len(done), total)
    names = {tiles.strata.names[s]: s for s in last}
    return Spread(
        rows=np.sort(np.concatenate(chosen)),
        convergence={name: last[names[name]].best_by_generation.tolist() for name in sorted(names)},
        searches=total,
        finished=sum(not evolution.cut_short for evolution in done),
        generations=sum(len(evolution.best_by_generation) for evolution in done),
    )


def _as_found(
    executor: Executor,
    search: Callable[[_Job], Evolution | None],
    jobs: Mapping[int, _Job],
) -> Iterator[tuple[int, Evolution]]:
    """Yield strata and what was found in them, as searches end."""
    strata = list(jobs)
    for position, evolution in executors.as_done(executor, search, list(jobs.values())):
        if evolution is not None:
            yield strata[position], evolution


def _to_search(tiles: Tiles, sizes: IntArray, kept: BoolArray) -> list[int]:
    """List the strata that leave a choice, largest first: the longest work is handed out first."""
    num_kept = np.bincount(tiles.strata.codes[kept], minlength=len(sizes))
    open_ones = np.flatnonzero((sizes < tiles.strata.sizes) & (sizes > num_kept))
    largest_first = np.argsort(-tiles.strata.sizes[open_ones], kind="stable")
    return [int(s) for s in open_ones[largest_first]]


def _by_stratum(tiles: Tiles, rows: IntArray) -> list[IntArray]:
    codes = tiles.strata.codes[rows]
    return [rows[codes == s] for s in range(len(tiles.strata))]


def _job(
    tiles: Tiles,
    chosen: Sequence[IntArray],
    stratum: int,
    size: int,
    kept: BoolArray,
    coupling: CouplingOptions,
    run: tuple[int, int],
) -> _Job:
    seed, number = run
    rows, num_fixed = kept_first(tiles.strata.rows(stratum), kept)
    others = [rows for s, rows in enumerate(chosen) if s != stratum]
    start = np.flatnonzero(np.isin(rows, chosen[stratum])) if number else None
    return _Job(
        points=tiles.points[rows],
        num_fixed=num_fixed,
        size=size,  # not what a former pass chose: a tolerance counts from what is wanted
        others=tiles.points[np.concatenate(others)] if coupling.spread and others else None,
        start=start,
        seeds=(
            stratum_seed(seed, _SEARCH_STAGE, number, stratum),
            stratum_seed(seed, _REFERENCE_STAGE, stratum),
        ),
    )


def _search(
    job: _Job, *, genetic: GeneticOptions, coupling: CouplingOptions, deadline_s: float
) -> Evolution | None:
    """Search one stratum; None if time was up before. Runs in a worker."""
    if time.time() >= deadline_s:
        return None
    weight = np.zeros(len(job.points))
    if job.others is not None and len(job.others):
        weight += coupling.spread * _log_chord2(job.others, job.points, 1)
    if coupling.density:
        weight -= coupling.density * _log_chord2_to_stratum(job)
    stratum = Stratum(points=job.points, num_fixed=job.num_fixed, size=job.size, weight=weight)
    starts = [] if job.start is None else [job.start]
    return evolve(stratum, genetic, seed=job.seeds[0], seeds=starts, deadline_s=deadline_s)


def _log_chord2_to_stratum(job: _Job) -> FloatArray:
    """Give log of the squared chord within which the stratum has 1/k of its tiles, about.

    A sample of the stratum's tiles stands for all, and the same share of neighbours is counted.
    """
    num_reference = min(_REFERENCE_PER_MEMBER * job.size, len(job.points))
    generator = np.random.default_rng(job.seeds[1])
    reference = generator.choice(len(job.points), num_reference, replace=False)
    neighbours = max(round(num_reference / job.size), 2)
    return _log_chord2(job.points[reference], job.points, min(neighbours, num_reference))


def _log_chord2(targets: FloatArray, points: FloatArray, neighbour: int) -> FloatArray:
    """Give log of each point's squared chord to its n-th nearest target."""
    chords, _ = cKDTree(targets).query(points, k=[neighbour])
    return np.asarray(np.log(np.maximum(chords[:, 0] ** 2, FLOOR_CHORD2)))
