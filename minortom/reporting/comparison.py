"""A selection beside the full set and selections that cost nothing, each measured."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.engine.executors import available_cores
from minortom.errors import InputError
from minortom.progress import OnProgress, ignore_progress
from minortom.reporting.metrics import (
    BoolArray,
    Counts,
    IntArray,
    Metrics,
    count_tiles,
    measure_tiles,
)
from minortom.sampling.baselines import farthest_point_selection, random_selection
from minortom.sampling.strata import Tiles

SETS = ("full", "random", "farthest-point", "selection")
SPREADS = ("nn_km", "within_km", "cover_km", "pairwise_km", "balance")
"""The measures that differ between draws; the counts are the same by construction."""


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What some random draws have in common."""

    number: int
    mean: Metrics
    """Mean over the draws of each measure."""
    sd: dict[str, float]
    """Measure of ``SPREADS`` -> standard deviation (n - 1) over the draws; NaN for one draw."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """A selection, and what it is held against."""

    tiles: Tiles
    wanted: IntArray
    """[S] tiles wanted of each stratum."""
    masks: Mapping[str, BoolArray]
    """Set -> [n] mask over the annotated tiles, in the order of ``SETS``; ``random`` is the first
    of the draws."""
    metrics: Mapping[str, Metrics]
    """Set -> its measures; of ``random`` the mean over the draws."""
    counts: Mapping[str, Counts]
    draws: Draws

    @property
    def held(self) -> IntArray:
        """[S] tiles that the selection has of each stratum."""
        codes = self.tiles.strata.codes[self.masks["selection"]]
        return np.bincount(codes, minlength=len(self.tiles.strata))


def compare(
    annotated: pa.Table,
    tiles: Tiles,
    chosen: BoolArray,
    *,
    wanted: IntArray | None = None,
    draws: int = 20,
    seed: int = 0,
    on_progress: OnProgress = ignore_progress,
) -> Compared:
    """Measure a selection, the full set, and draws with as many tiles of each stratum.

    Args:
        annotated: All tiles, with the columns of ``annotated.parquet``.
        tiles: The same, by stratum.
        chosen: [n] mask of the selection.
        wanted: [S] tiles wanted of each stratum, strata by name; of each the most that the
            selection has of any, when None.
        draws: Random draws to measure.
        seed: Of the first random draw, and of the farthest-point selection.
        on_progress: Told how many sets are measured.

    Raises:
        InputError: If ``draws`` is below 1.
    """
    sizes = np.bincount(tiles.strata.codes[chosen], minlength=len(tiles.strata))
    wanted = np.full(len(sizes), sizes.max()) if wanted is None else wanted
    total = draws + len(SETS) - 1
    found = measure_draws(
        tiles, sizes, wanted, number=draws, seed=seed,
        on_progress=lambda done, _: on_progress(done, total),
    )  # fmt: skip
    masks = {
        "full": np.ones(len(tiles), np.bool_),
        "random": _mask(random_selection(tiles, sizes, seed=seed), len(tiles)),
        "farthest-point": _mask(farthest_point_selection(tiles, sizes, seed=seed), len(tiles)),
        "selection": chosen,
    }
    metrics, done = {}, draws
    for name in SETS:
        if name == "random":
            metrics[name] = found.mean
            continue
        metrics[name] = measure_tiles(tiles, masks[name], wanted)
        done += 1
        on_progress(done, total)
    counts = {name: count_tiles(annotated, tiles, masks[name], wanted) for name in SETS}
    return Compared(
        tiles=tiles, wanted=wanted, masks=masks, metrics=metrics, counts=counts, draws=found
    )


def measure_draws(
    tiles: Tiles,
    sizes: IntArray,
    wanted: IntArray,
    *,
    number: int,
    seed: int,
    on_progress: OnProgress = ignore_progress,
) -> Draws:
    """Measure random draws, on all cores.

    Args:
        tiles: All tiles and their strata.
        sizes: [S] tiles to draw of each stratum.
        wanted: [S] tiles wanted of each stratum, for the measures.
        number: How many draws.
        seed: Of the first draw; the others have the seeds after it. Each is what ``minortom
            sample --method random`` draws with that seed.
        on_progress: Told how many draws are measured.

    Raises:
        InputError: If ``number`` is below 1.
    """
    if number < 1:
        raise InputError(f"--draws must be at least 1, not {number}")

    def measured(offset: int) -> Metrics:
        mask = np.zeros(len(tiles), np.bool_)
        mask[random_selection(tiles, sizes, seed=seed + offset)] = True
        return measure_tiles(tiles, mask, wanted)

    found = []
    with ThreadPoolExecutor(min(available_cores(), number)) as threads:
        for metrics in threads.map(measured, range(number)):
            found.append(metrics)
            on_progress(len(found), number)
    values = {name: np.array([getattr(m, name) for m in found]) for name in SPREADS}
    mean = asdict(found[0]) | {name: float(v.mean()) for name, v in values.items()}
    sd = {name: float(v.std(ddof=1)) if number > 1 else np.nan for name, v in values.items()}
    return Draws(number=number, mean=Metrics(**mean), sd=sd)


def _mask(rows: NDArray[np.int64], length: int) -> BoolArray:
    mask = np.zeros(length, np.bool_)
    mask[rows] = True
    return mask
