"""The search over all strata: each stratum takes the selected tiles of the others into account.

``minortom.genetic.score`` defines the score of a stratum's tiles. Strata are searched in fixed
batches, several times. All strata of a batch see the selection from before the batch. In each
search, a new random sample of the stratum's tiles is both the candidates and the reference tiles
that stand for the stratum.
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from minortom.engine import executors
from minortom.errors import InputError
from minortom.genetic.algorithm import Evolution, evolve
from minortom.genetic.options import GeneticOptions, Stratum
from minortom.progress import OnProgress, ignore_progress
from minortom.sampling.baselines import kept_first, random_selection, stratum_seed
from minortom.sampling.other_strata import ChosenTiles, Surroundings
from minortom.sampling.search_log import SearchLog
from minortom.sampling.spread_space import SpreadSpace
from minortom.sampling.strata import Tiles

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

NUM_BATCHES = 16
"""The strata of a batch are searched in parallel, with the selection from before the batch. The
number is fixed, so that the result does not depend on the number of workers."""
_SAMPLED_PER_MEMBER, _MIN_SAMPLED = 40, 6000  # reference tiles of a search
_SEARCH_STAGE, _REFERENCE_STAGE = 1, 2


@dataclass(frozen=True, kw_only=True)
class CouplingOptions:
    """Options for the coupling of the strata.

    Raises:
        InputError: If a value is out of its range.
    """

    coupling: bool = True
    """Whether the strata take each other's selected tiles into account."""
    passes: int = 3
    """Searches of each stratum."""

    def __post_init__(self) -> None:
        if self.passes < 1:
            raise InputError(f"the number of passes must be at least 1, found {self.passes}")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Job:
    """The search of one stratum, as it is sent to a worker."""

    stratum: Stratum
    start: IntArray
    """Members to start from, as rows of the stratum's points."""
    seed: np.random.SeedSequence


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchResult:
    """The tiles chosen by the search, and its progress."""

    rows: IntArray
    """Chosen rows, ascending."""
    convergence: Mapping[str, list[float]]
    """Stratum -> score of its first set, and best score after each generation of all its
    searches, in nats."""
    searches: int
    """Planned searches: passes times the number of strata with more tiles than requested."""
    finished: int
    """Searches that were completed."""
    generations: int
    """Total number of generations of all searches."""
    replaced: float
    """Tiles of the random draw that the search replaced, as a share of those that an unrelated
    selection of the same size would replace on average; at most 1."""


def spread_selection(
    tiles: Tiles,
    sizes: IntArray,
    *,
    genetic: GeneticOptions,
    coupling: CouplingOptions,
    seed: int,
    executor: Executor,
    kept: BoolArray | None = None,
    space: SpreadSpace | None = None,
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
        space: Space in which the tiles are covered too; None for the ground alone.
        log: Completed searches of an interrupted run; stores those of this run.
        deadline_s: Time to stop, in seconds since 1970. A stratum without a completed search
            keeps its best or its random selection.
        on_progress: Called with (searches done, all searches).
    """
    kept = np.zeros(len(tiles), np.bool_) if kept is None else kept
    log = SearchLog() if log is None else log
    chosen = _by_stratum(tiles, random_selection(tiles, sizes, seed=seed, kept=kept))
    drawn, searched = tuple(chosen), _to_search(tiles, sizes, kept)
    num_batches = NUM_BATCHES if coupling.coupling else 1
    search = partial(_search, genetic=genetic, deadline_s=deadline_s)
    total = coupling.passes * len(searched)
    convergence: dict[int, list[float]] = {}
    done: list[Evolution] = []
    for number, batch in product(range(coupling.passes), range(min(num_batches, len(searched)))):
        strata = searched[batch::num_batches]
        found = {s: stored for s in strata if (stored := log.stored((number, s)))}
        todo = [s for s in strata if s not in found] if time.time() < deadline_s else []
        jobs = _Jobs(
            tiles=tiles, chosen=tuple(chosen), sizes=sizes, kept=kept, space=space, seed=seed,
            number=number, strata=todo,
            others=ChosenTiles(tiles.points, chosen) if coupling.coupling and todo else None,
        )  # fmt: skip
        for position, evolution in executors.as_done(executor, search, jobs):
            if evolution is None:
                continue
            if not evolution.cut_short:
                log.store((number, todo[position]), evolution)
            found[todo[position]] = evolution
            on_progress(len(done) + len(found), total)
        for s, evolution in found.items():
            chosen[s] = np.sort(jobs.part(s).rows[evolution.members])
            start = [] if evolution.start_score is None else [evolution.start_score]
            convergence.setdefault(s, start).extend(evolution.best_by_generation.tolist())
        done += found.values()
        on_progress(len(done), total)
    return SearchResult(
        rows=np.sort(np.concatenate(chosen)),
        convergence={tiles.strata.names[s]: convergence[s] for s in sorted(convergence)},
        searches=total,
        finished=sum(not evolution.cut_short for evolution in done),
        generations=sum(len(evolution.best_by_generation) for evolution in done),
        replaced=_replaced([drawn[s] for s in searched], [chosen[s] for s in searched],
                           tiles.strata.sizes[searched], kept),
    )  # fmt: skip


def _replaced(
    drawn: Sequence[IntArray], chosen: Sequence[IntArray], sizes: IntArray, kept: BoolArray
) -> float:
    """Return ``SearchResult.replaced`` of strata with a random draw, chosen tiles and sizes."""
    replaced = by_chance = 0.0
    for before, after, size in zip(drawn, chosen, sizes.tolist(), strict=True):
        num_kept = int(kept[before].sum())
        free = len(before) - num_kept
        replaced += len(np.setdiff1d(before, after))
        by_chance += free * (1 - free / (size - num_kept))
    return min(1.0, replaced / by_chance) if by_chance else 1.0


def _to_search(tiles: Tiles, sizes: IntArray, kept: BoolArray) -> list[int]:
    """Return the strata to search, largest first, so that the longest searches start first."""
    num_kept = np.bincount(tiles.strata.codes[kept], minlength=len(sizes))
    with_choice = np.flatnonzero((sizes < tiles.strata.sizes) & (sizes > num_kept))
    largest_first = np.argsort(-tiles.strata.sizes[with_choice], kind="stable")
    return [int(s) for s in with_choice[largest_first]]


def _by_stratum(tiles: Tiles, rows: IntArray) -> list[IntArray]:
    codes = tiles.strata.codes[rows]
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(tiles.strata)))[:-1]
    return np.split(rows[order], ends)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """The tiles of a stratum that take part in one search."""

    rows: IntArray
    """Rows of the table, kept ones first."""
    is_sampled: BoolArray
    """Whether each is in the sample; the other ones are chosen."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Jobs(Sequence[_Job]):
    """The searches of a batch; each is made when it is read, so that few are in memory."""

    tiles: Tiles
    chosen: Sequence[IntArray]
    """Chosen rows of each stratum, before the batch."""
    sizes: IntArray
    kept: BoolArray
    space: SpreadSpace | None
    seed: int
    number: int
    """Number of the pass."""
    strata: Sequence[int]
    others: ChosenTiles | None
    """None without coupling."""
    parts: dict[int, _Part] = field(default_factory=dict)
    """Stratum -> its tiles that take part, once they were drawn."""

    def __len__(self) -> int:
        return len(self.strata)

    def part(self, stratum: int) -> _Part:
        """Return the tiles that take part: kept ones first, the chosen ones, and a sample."""
        if stratum not in self.parts:
            of_stratum = self.tiles.strata.rows(stratum)
            sampled = self._sampled(of_stratum, stratum)
            rows = kept_first(np.union1d(sampled, self.chosen[stratum]), self.kept)[0]
            self.parts[stratum] = _Part(rows=rows, is_sampled=np.isin(rows, sampled))
        return self.parts[stratum]

    def _sampled(self, rows: IntArray, stratum: int) -> IntArray:
        size = max(_MIN_SAMPLED, _SAMPLED_PER_MEMBER * int(self.sizes[stratum]))
        if len(rows) <= size:
            return rows
        seed = stratum_seed(self.seed, _REFERENCE_STAGE, self.number, stratum)
        return rows[np.random.default_rng(seed).choice(len(rows), size, replace=False)]

    def __getitem__(self, index: int) -> _Job:  # type: ignore[override]  # no slices
        s = self.strata[index]
        part = self.part(s)
        points = self.tiles.points[part.rows]
        around = self.others.around(points, s) if self.others else Surroundings.none(len(points))
        stratum = Stratum(
            points=points,
            num_fixed=int(self.kept[part.rows].sum()),
            size=int(self.sizes[s]),  # not the size that an earlier pass chose, with a tolerance
            is_reference=part.is_sampled,
            outside=around.outside,
            foreign=around.foreign,
            foreign_outside=around.foreign_outside,
            cover_points=self.space.points(part.rows, s) if self.space else None,
            cover_weight=self.space.weight if self.space else 0.0,
        )
        return _Job(
            stratum=stratum,
            start=np.flatnonzero(np.isin(part.rows, self.chosen[s])),
            seed=stratum_seed(self.seed, _SEARCH_STAGE, self.number, s),
        )


def _search(job: _Job, *, genetic: GeneticOptions, deadline_s: float) -> Evolution | None:
    """Search one stratum in a worker and return the outcome; None after the deadline."""
    if time.time() >= deadline_s:
        return None
    return evolve(job.stratum, genetic, seed=job.seed, seeds=[job.start], deadline_s=deadline_s)
