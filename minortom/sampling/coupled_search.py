"""The search over all strata: each stratum takes the selected tiles of the others into account.

The score of a stratum's set S of k tiles, in nats::

    J(S) = H(S) + spread * C(S; others) - density * C(S; stratum)

H is the Kozachenko-Leonenko entropy of the tiles' location (``kernels.entropy``). C(S; T) is the
cross-entropy of S relative to T by the same nearest-neighbour estimate, up to a constant:
1/k sum_i log(A_i) with A_i the area of the cap up to the nearest tile of T (Wang, Kulkarni and
Verdú 2009, doi 10.1109/TIT.2009.2016060).

The first C keeps the set away from the selected tiles of other strata. The second C attracts it
to where the stratum has its tiles: with density 1 and spread 0, J is the negative
Kullback-Leibler divergence of S from the stratum. A small density reduces the bias of H towards
the edge of a stratum, where half of each cap is empty.
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
"""The strata of a batch are searched in parallel, with the selection from before the batch. The
number is fixed, so that the result does not depend on the number of workers."""
_REFERENCE_PER_MEMBER = 8  # reference tiles of the stratum in C(S; stratum), for each tile of S
_SEARCH_STAGE, _REFERENCE_STAGE = 1, 2


@dataclass(frozen=True, kw_only=True)
class CouplingOptions:
    """Options for the coupling of the strata.

    Raises:
        InputError: If a value is out of its range.
    """

    spread: float = 0.5
    """Weight of the distance to the selected tiles of other strata; 0 makes strata independent."""
    density: float = 0.1
    """0 spreads tiles evenly over the stratum's area, 1 in proportion to its tiles."""
    passes: int = 3
    """Searches of each stratum; independent strata are searched once."""

    def __post_init__(self) -> None:
        if not 0 <= self.spread < np.inf:
            raise InputError(f"--spread must be 0 or more, found {self.spread}")
        if not 0 <= self.density <= 1:
            raise InputError(f"--density must be from 0 to 1, found {self.density}")
        if self.passes < 1:
            raise InputError(f"the number of passes must be at least 1, found {self.passes}")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Job:
    """The search of one stratum, as it is sent to a worker."""

    points: FloatArray
    num_fixed: int
    size: int
    others: FloatArray | None
    """[m, 3] selected tiles of other strata; None without coupling."""
    start: IntArray | None
    """Members to start from, as rows of ``points``; None in the first pass."""
    seeds: tuple[np.random.SeedSequence, np.random.SeedSequence]
    """Seeds of the search and of the reference tiles."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchResult:
    """The tiles chosen by the search, and its progress."""

    rows: IntArray
    """Chosen rows, ascending."""
    convergence: Mapping[str, list[float]]
    """Stratum -> best score after each generation of its last search, in nats."""
    searches: int
    """Planned searches: passes times the number of strata with more tiles than requested."""
    finished: int
    """Searches that were completed."""
    generations: int
    """Total number of generations of all searches."""


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
) -> SearchResult:
    """Choose tiles of each stratum by the genetic algorithm.

    Args:
        tiles: Tiles and strata.
        sizes: [S] tiles to choose in each stratum.
        genetic: How each stratum is searched.
        coupling: How the strata are coupled.
        seed: Same seed, same tiles, with any executor.
        executor: Runs the searches; see ``minortom.engine.executors``.
        kept: [n] mask of the tiles that must be selected; they count towards ``sizes``.
        log: Completed searches of an interrupted run; stores those of this run.
        deadline_s: Time to stop, in seconds since 1970. A stratum without a completed search
            keeps its best or its random selection.
        on_progress: Called with (searches done, all searches).
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
        found = {s: stored for s in strata if (stored := log.stored((number, s)))}
        todo = [s for s in strata if s not in found] if time.time() < deadline_s else []
        jobs = {
            s: _job(tiles, chosen, s, int(sizes[s]), kept, coupling, (seed, number)) for s in todo
        }
        for s, evolution in _as_completed(executor, search, jobs):
            if not evolution.cut_short:
                log.store((number, s), evolution)
            found[s] = evolution
            on_progress(len(done) + len(found), total)
        for s, evolution in found.items():
            rows, _ = kept_first(tiles.strata.rows(s), kept)
            chosen[s] = np.sort(rows[evolution.members])
        last |= found
        done += found.values()
        on_progress(len(done), total)
    names = {tiles.strata.names[s]: s for s in last}
    return SearchResult(
        rows=np.sort(np.concatenate(chosen)),
        convergence={name: last[names[name]].best_by_generation.tolist() for name in sorted(names)},
        searches=total,
        finished=sum(not evolution.cut_short for evolution in done),
        generations=sum(len(evolution.best_by_generation) for evolution in done),
    )


def _as_completed(
    executor: Executor,
    search: Callable[[_Job], Evolution | None],
    jobs: Mapping[int, _Job],
) -> Iterator[tuple[int, Evolution]]:
    """Yield each stratum and the outcome of its search, in the order of completion."""
    strata = list(jobs)
    for position, evolution in executors.as_done(executor, search, list(jobs.values())):
        if evolution is not None:
            yield strata[position], evolution


def _to_search(tiles: Tiles, sizes: IntArray, kept: BoolArray) -> list[int]:
    """Return the strata to search, largest first, so that the longest searches start first."""
    num_kept = np.bincount(tiles.strata.codes[kept], minlength=len(sizes))
    with_choice = np.flatnonzero((sizes < tiles.strata.sizes) & (sizes > num_kept))
    largest_first = np.argsort(-tiles.strata.sizes[with_choice], kind="stable")
    return [int(s) for s in with_choice[largest_first]]


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
        size=size,  # not the size that an earlier pass chose: the tolerance refers to N_s
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
    """Search one stratum in a worker and return the outcome; None after the deadline."""
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
    """Return the log of the squared chord within which the stratum has about 1/k of its tiles.

    A random sample of the stratum's tiles is used, with the same share of neighbours.
    """
    num_reference = min(_REFERENCE_PER_MEMBER * job.size, len(job.points))
    generator = np.random.default_rng(job.seeds[1])
    reference = generator.choice(len(job.points), num_reference, replace=False)
    neighbours = max(round(num_reference / job.size), 2)
    return _log_chord2(job.points[reference], job.points, min(neighbours, num_reference))


def _log_chord2(targets: FloatArray, points: FloatArray, neighbour: int) -> FloatArray:
    """Return the log of each point's squared chord to its n-th nearest target."""
    chords, _ = cKDTree(targets).query(points, k=[neighbour])
    return np.asarray(np.log(np.maximum(chords[:, 0] ** 2, FLOOR_CHORD2)))
