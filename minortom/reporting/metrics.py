"""The public function ``metrics``: the numbers of a report, without its page."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from minortom.api.arguments import whole_number
from minortom.progress import OnProgress, ignore_progress
from minortom.reporting.comparison import RandomDraws, measure_draws
from minortom.reporting.inputs import read_input
from minortom.reporting.measures import Metrics, measure_tiles

if TYPE_CHECKING:
    import geopandas as gpd


@dataclass(frozen=True, kw_only=True)
class SelectionMetrics(Metrics):
    """The measures of a selection, and of random draws if requested."""

    random: RandomDraws | None = None
    """Random draws with as many tiles of each stratum; None without draws."""

    def as_dict(self) -> dict[str, Any]:
        """Return the measures by name as in ``metrics.json``, and ``random`` if measured."""
        values = super().as_dict()
        if self.random is None:
            del values["random"]
        return values


def metrics(
    selection: "str | Path | pa.Table | gpd.GeoDataFrame",
    annotated: "str | Path | pa.Table | gpd.GeoDataFrame",
    *,
    draws: int = 0,
    seed: int = 0,
    on_progress: OnProgress = ignore_progress,
) -> SelectionMetrics:
    """Compute the measures of a selection, as ``report`` does.

    Args:
        selection: The output of ``sample``: a path, a ``pyarrow.Table`` or a ``GeoDataFrame``.
            Reserves are not measured.
        annotated: The tiles that the selection was made from, in one of these forms.
        draws: Random draws to compare with, as many tiles of each stratum, the kept tiles among
            them; 0 makes no draws.
        seed: Seed of the first draw; the next draws use the next seeds.
        on_progress: Called with (draws measured, all draws).

    Returns:
        ``tiles``, ``strata``, ``underfull``, ``taken_whole``, ``nn_km``, ``within_km``,
        ``cover_km``, ``pairwise_km`` and ``balance`` (see docs/report.md), and ``random`` with
        draws.

    Raises:
        InputError: If an input cannot be used, or the selection has other tiles or strata.
    """
    number = whole_number("draws", draws, minimum=0)
    first_seed = whole_number("seed", seed, minimum=0)
    source = read_input(selection, annotated)
    tiles, chosen = source.tiles, source.chosen
    sizes = np.bincount(tiles.strata.codes[chosen], minlength=len(tiles.strata))
    wanted = source.wanted
    random = None
    if number:
        random = measure_draws(
            tiles, sizes, wanted, kept=source.kept, number=number, seed=first_seed,
            on_progress=on_progress,
        )  # fmt: skip
    found = measure_tiles(tiles, chosen, wanted)
    return SelectionMetrics(**vars(found), random=random)
