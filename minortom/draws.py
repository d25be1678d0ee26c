"""Random draws with as many tiles of each stratum: what a selection is held against."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from minortom.baselines import random_selection
from minortom.engine import available_cores
from minortom.errors import InputError
from minortom.metrics import Metrics, measure_tiles
from minortom.progress import OnProgress, ignore_progress
from minortom.strata import Tiles

SPREADS = ("nn_km", "within_km", "cover_km", "pairwise_km", "balance")
"""The measures that differ between draws; the counts are the same by construction."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What some random draws have in common."""

    number: int
    mean: Metrics
    """Mean over the draws of each measure."""
    sd: dict[str, float]
    """Measure of ``SPREADS`` -> standard deviation (n - 1) over the draws; NaN for one draw."""


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
