"""The selection: choose tiles of all strata of an annotated table."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.engine.executors import EngineOptions, opened_executor
from minortom.errors import InputError
from minortom.io.up_to_date import now
from minortom.progress import OnProgress, ignore_progress
from minortom.sampling.baselines import (
    farthest_point_selection,
    feasible_sizes,
    grts_selection,
    random_selection,
)
from minortom.sampling.coupled_search import SearchResult, spread_selection
from minortom.sampling.kmeans import k_means_selection
from minortom.sampling.options import SampleOptions
from minortom.sampling.reserves import ranked_reserves
from minortom.sampling.search_log import SearchLog
from minortom.sampling.selection_table import Chosen, split_chosen
from minortom.sampling.spacing import check_kept_apart, keep_apart, min_chord2_of
from minortom.sampling.spread_space import SpreadSpace
from minortom.sampling.strata import Tiles

BASELINES = {
    "random": random_selection,
    "farthest-point": farthest_point_selection,
    "grts": grts_selection,
    "k-means": k_means_selection,
}
"""Methods without a search: (tiles, sizes, seed, kept) -> chosen rows."""

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """The chosen tiles and the search that found them."""

    tiles: Tiles
    """All annotated tiles and their strata."""
    chosen: Chosen
    search: SearchResult | None = None
    """None for a method without a search."""
    space: SpreadSpace | None = None
    """Space in which the tiles were covered beside the ground; None for the ground alone."""

    @property
    def rows(self) -> IntArray:
        """Return the selected rows of the annotated table, ascending."""
        return self.chosen.rows

    @property
    def convergence(self) -> Mapping[str, list[float]]:
        """Return stratum -> best score after each generation (nats); empty without a search."""
        return self.search.convergence if self.search else {}


def select(
    annotated: pa.Table,
    options: SampleOptions,
    *,
    kept: BoolArray | None = None,
    engine: EngineOptions | None = None,
    started: datetime | None = None,
    log: SearchLog | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Selection:
    """Choose tiles of an annotated table with ``grid_cell``, ``lat``, ``lon`` and ``stratum``.

    Args:
        annotated: One row a tile.
        options: How to choose.
        kept: [n] mask of the tiles that must be selected; they count towards the number of
            their stratum.
        engine: Where the strata are searched; all cores of this machine when None.
        started: Start of the time budget; now when None.
        log: Completed searches of an interrupted run; stores those of this run.
        on_progress: Called with (searches done, all searches).

    Raises:
        InputError: If a stratum has more kept tiles than may be chosen, or two kept tiles are
            closer than the minimum distance.
    """
    tiles = Tiles.of_table(annotated)
    kept = np.zeros(len(tiles), np.bool_) if kept is None else kept
    sizes = feasible_sizes(tiles.strata, options.requested_sizes(tiles.strata))
    _check_kept(tiles, sizes, kept)
    min_chord2 = 0.0
    if options.min_distance_km is not None:
        min_chord2 = min_chord2_of(options.min_distance_km)
        check_kept_apart(tiles, kept, options.min_distance_km, annotated["grid_cell"].to_pylist())
    space = SpreadSpace.of_table(annotated, tiles, options.spread) if options.spread else None
    search = None
    if options.method == "k-means":
        rows = k_means_selection(tiles, sizes, seed=options.seed, kept=kept, space=space)
    elif options.method in BASELINES:
        rows = BASELINES[options.method](tiles, sizes, seed=options.seed, kept=kept)
    else:
        with opened_executor(engine or EngineOptions()) as executor:
            search = spread_selection(
                tiles, sizes, genetic=options.genetic, coupling=options.coupling,
                seed=options.seed, executor=executor, kept=kept, space=space, log=log,
                deadline_s=(started or now()).timestamp() + options.max_search_s,
                on_progress=on_progress,
            )  # fmt: skip
        rows = search.rows
    if min_chord2:
        rows = keep_apart(tiles, rows, kept, min_chord2)
    chosen = Chosen(rows=rows)
    if options.reserves:
        reserves, ranks = ranked_reserves(
            tiles, rows, options.reserves, min_chord2=min_chord2, space=space
        )
        chosen = Chosen(rows=rows, reserves=reserves, ranks=ranks)
    if options.split:
        chosen = split_chosen(tiles, chosen, kept, options.split, seed=options.seed)
    return Selection(tiles=tiles, chosen=chosen, search=search, space=space)


def _check_kept(tiles: Tiles, sizes: IntArray, kept: BoolArray) -> None:
    num_kept = np.bincount(tiles.strata.codes[kept], minlength=len(sizes))
    for s in np.flatnonzero(num_kept > sizes):
        raise InputError(
            f"the stratum {tiles.strata.names[s]} may have {sizes[s]} tiles, found "
            f"{num_kept[s]} to keep; request more tiles of it or keep fewer"
        )
