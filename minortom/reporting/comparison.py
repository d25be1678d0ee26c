"""The comparison of a selection with the full set, random draws and the other baselines."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from minortom.api.cores import available_cores
from minortom.api.results import Result
from minortom.errors import InputError
from minortom.progress import OnProgress, ignore_progress
from minortom.reporting.held_out import HeldOutFigure, Scores, figures, mean_over_draws
from minortom.reporting.held_out_rasters import Yardstick
from minortom.reporting.measures import (
    BoolArray,
    Counts,
    IntArray,
    Metrics,
    count_tiles,
    measure_tiles,
    without_nan,
)
from minortom.reporting.spread_cover import SpreadCover
from minortom.sampling.baselines import random_selection
from minortom.sampling.selection import BASELINES
from minortom.sampling.strata import Tiles

T = TypeVar("T")

SETS = ("full", *BASELINES, "selection")
SPREADS = ("nn_km", "within_km", "cover_km", "pairwise_km", "balance")
"""The measures that differ between random draws; the counts are the same by construction."""


@dataclass(frozen=True, kw_only=True)
class RandomDraws(Result):
    """The measures of several random draws."""

    number: int
    mean: Metrics
    """Mean of each measure over the draws."""
    sd: Mapping[str, float]
    """Measure of ``SPREADS`` -> standard deviation (n - 1) over the draws; NaN for one draw."""

    def as_dict(self) -> dict[str, Any]:
        """Return the means, the number of draws and the deviations, as in ``metrics.json``."""
        spread = without_nan({f"{name}_sd": value for name, value in self.sd.items()})
        return {**self.mean.as_dict(), "draws": self.number, **spread}


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOutComparison:
    """The measures of all sets but the full one on held-out data."""

    yardstick: Yardstick
    figures: Mapping[str, list[HeldOutFigure]]
    """Set -> one figure a measure; for ``random`` the mean over the draws."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SpreadComparison:
    """The coverage of all sets but the full one in the space of ``--spread-over``."""

    units: Mapping[str, str]
    """Measure -> its unit; the whole space first."""
    figures: Mapping[str, list[HeldOutFigure]]
    """Set -> one figure a measure; for ``random`` the mean over the draws."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """A selection and the sets that it is compared with."""

    tiles: Tiles
    wanted: IntArray
    """[S] tiles requested of each stratum."""
    masks: Mapping[str, BoolArray]
    """Set -> [n] mask over the annotated tiles, in the order of ``SETS``; ``random`` is the first
    random draw."""
    metrics: Mapping[str, Metrics]
    """Set -> its measures; for ``random`` the mean over the draws."""
    counts: Mapping[str, Counts]
    draws: RandomDraws
    held_out: tuple["HeldOutComparison", ...] = ()
    spread: SpreadComparison | None = None
    """None for a selection that was spread over the ground alone."""

    @property
    def held(self) -> IntArray:
        """Return the number of selected tiles of each stratum [S]."""
        codes = self.tiles.strata.codes[self.masks["selection"]]
        return np.bincount(codes, minlength=len(self.tiles.strata))


def compare(
    annotated: pa.Table,
    tiles: Tiles,
    chosen: BoolArray,
    *,
    kept: BoolArray | None = None,
    wanted: IntArray | None = None,
    draws: int = 20,
    seed: int = 0,
    yardsticks: Sequence[Yardstick] = (),
    spread: SpreadCover | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Comparison:
    """Measure a selection, the full set, and baselines with as many tiles of each stratum.

    Args:
        annotated: All tiles, with the columns of ``annotated.parquet``.
        tiles: The same tiles and their strata.
        chosen: [n] mask of the selection.
        kept: [n] mask of the chosen tiles that each baseline must select too.
        wanted: [S] tiles requested of each stratum, sorted by name of the stratum. None means
            the maximum number of tiles that the selection has in a stratum.
        draws: Random draws to measure.
        seed: Seed of the first random draw and of the other baselines.
        yardsticks: Held-out data to measure the sets on.
        spread: Space of ``--spread-over`` to measure the sets in.
        on_progress: Called with (sets measured, all sets).

    Raises:
        InputError: If ``draws`` is below 1.
    """
    sizes = np.bincount(tiles.strata.codes[chosen], minlength=len(tiles.strata))
    wanted = np.full(len(sizes), sizes.max()) if wanted is None else wanted
    total = draws + len(SETS) - 1

    scorers = [*(yardstick.values for yardstick in yardsticks), *([spread] if spread else [])]

    def measured(mask: BoolArray) -> tuple[Metrics, list[Scores]]:
        return measure_tiles(tiles, mask, wanted), [scorer.scores(mask) for scorer in scorers]

    drawn = for_each_draw(
        tiles, sizes, range(seed, seed + _checked_number(draws)), measured, kept,
        lambda done, _: on_progress(done, total),
    )  # fmt: skip
    found = summary_of([of_draw for of_draw, _ in drawn])
    masks, metrics, scores, done = {}, {}, {}, draws
    for name in SETS:
        if name in BASELINES:
            masks[name] = mask_of_rows(BASELINES[name](tiles, sizes, seed=seed, kept=kept), tiles)
        else:
            masks[name] = chosen if name == "selection" else np.ones(len(tiles), np.bool_)
        if name == "random":
            metrics[name] = found.mean
            continue
        metrics[name], scores[name] = measured(masks[name])
        done += 1
        on_progress(done, total)
    counts = {name: count_tiles(annotated, tiles, masks[name], wanted) for name in SETS}
    compared = [
        _compared(
            {name: of_set[i] for name, of_set in scores.items() if name != "full"},
            [of_draw[i] for _, of_draw in drawn],
        )
        for i in range(len(scorers))
    ]
    on_held_out = [
        HeldOutComparison(yardstick=yardstick, figures=found_on)
        for yardstick, found_on in zip(yardsticks, compared, strict=False)
    ]
    return Comparison(
        tiles=tiles, wanted=wanted, masks=masks, metrics=metrics, counts=counts, draws=found,
        held_out=tuple(on_held_out),
        spread=SpreadComparison(units=spread.units, figures=compared[-1]) if spread else None,
    )  # fmt: skip


def _compared(
    scores: Mapping[str, Scores], draws: Sequence[Scores]
) -> dict[str, list[HeldOutFigure]]:
    """Return the figures of each set on one yardstick, of the random draws first."""
    of_draws = figures(mean_over_draws(draws), [])
    return {"random": of_draws, **{name: figures(of, draws) for name, of in scores.items()}}


def _checked_number(draws: int) -> int:
    if draws < 1:
        raise InputError(f"--draws must be at least 1, found {draws}")
    return draws


def measure_draws(
    tiles: Tiles,
    sizes: IntArray,
    wanted: IntArray,
    *,
    kept: BoolArray | None = None,
    number: int,
    seed: int,
    on_progress: OnProgress = ignore_progress,
) -> RandomDraws:
    """Measure random draws, on all cores.

    Args:
        tiles: All tiles and their strata.
        sizes: [S] tiles to draw of each stratum.
        wanted: [S] tiles requested of each stratum, for the measures.
        kept: [n] mask of tiles that are in every draw.
        number: Number of draws.
        seed: Seed of the first draw; the next draws use the next seeds. A draw equals ``minortom
            sample --method random`` with its seed and the kept tiles.
        on_progress: Called with (draws measured, all draws).

    Raises:
        InputError: If ``number`` is below 1.
    """

    def measured(mask: BoolArray) -> Metrics:
        return measure_tiles(tiles, mask, wanted)

    seeds = range(seed, seed + _checked_number(number))
    return summary_of(for_each_draw(tiles, sizes, seeds, measured, kept, on_progress))


def for_each_draw(
    tiles: Tiles,
    sizes: IntArray,
    seeds: range,
    measured: Callable[[BoolArray], T],
    kept: BoolArray | None,
    on_progress: OnProgress,
) -> list[T]:
    """Apply a function to the mask [n] of one random draw a seed, on all cores."""

    def of(seed: int) -> T:
        rows = random_selection(tiles, sizes, seed=seed, kept=kept)
        return measured(mask_of_rows(rows, tiles))

    found = []
    with ThreadPoolExecutor(min(available_cores(), len(seeds))) as threads:
        for result in threads.map(of, seeds):
            found.append(result)
            on_progress(len(found), len(seeds))
    return found


def summary_of(found: Sequence[Metrics]) -> RandomDraws:
    """Return the mean and the standard deviation of the measures of draws."""
    number = len(found)
    values = {name: np.array([getattr(m, name) for m in found]) for name in SPREADS}
    means: dict[str, Any] = {name: float(v.mean()) for name, v in values.items()}
    sd = {name: float(v.std(ddof=1)) if number > 1 else np.nan for name, v in values.items()}
    return RandomDraws(number=number, mean=replace(found[0], **means), sd=sd)


def mask_of_rows(rows: IntArray, tiles: Tiles) -> BoolArray:
    """Return a mask [n] of rows."""
    mask = np.zeros(len(tiles), np.bool_)
    mask[rows] = True
    return mask
