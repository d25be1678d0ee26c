"""All strata -> the selection: from an annotated file to a file of chosen tiles."""

import json
import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.engine.executors import EngineOptions, opened_executor
from minortom.errors import InputError
from minortom.io.atomic_write import sole_writer
from minortom.io.geoparquet import read_table, write_points
from minortom.io.provenance import Provenance, sha256_of
from minortom.io.up_to_date import is_up_to_date, now, stored_licences, write_run_record
from minortom.io.work_folder import is_left_by, work_folder
from minortom.progress import OnProgress, ignore_progress
from minortom.sampling.baselines import (
    farthest_point_selection,
    grts_selection,
    random_selection,
    wanted_sizes,
)
from minortom.sampling.coupled_search import Spread, spread_selection
from minortom.sampling.options import SampleOptions
from minortom.sampling.quotas import read_quota
from minortom.sampling.reserves import ranked_reserves
from minortom.sampling.search_log import SearchLog, kept_searches
from minortom.sampling.selection_table import (
    MADE_BY,
    Chosen,
    check_annotated,
    kept_mask,
    selected_table,
    split_chosen,
)
from minortom.sampling.spacing import check_kept_apart, keep_apart, least_chord2
from minortom.sampling.strata import Tiles, restratified
from minortom.sampling.summary import SEARCH_KEY, summarised, was_cut_short

BASELINES = {
    "random": random_selection,
    "farthest-point": farthest_point_selection,
    "grts": grts_selection,
}
"""Methods without a search: (tiles, sizes, seed, kept) -> chosen rows."""

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """The tiles that were chosen, and how the search came to them."""

    chosen: Chosen
    search: Spread | None = None
    """None without a search."""

    @property
    def rows(self) -> IntArray:
        """Selected rows of the annotated table, ascending."""
        return self.chosen.rows

    @property
    def convergence(self) -> Mapping[str, list[float]]:
        """By stratum, the best score after each generation (nats); empty without a search."""
        return self.search.convergence if self.search else {}


def sample_file(
    annotated: Path,
    out: Path,
    *,
    options: SampleOptions,
    keep: Path | None = None,
    quota: Path | None = None,
    engine: EngineOptions | None = None,
    started: datetime | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> dict[str, object]:
    """Choose tiles of an annotated file and write them as GeoParquet, with ``role``.

    Finished searches lie in ``<out>.partial`` until all are: a stopped run goes on from there.

    Args:
        annotated: File of ``minortom annotate``.
        out: File to write: the chosen rows, in the order of ``annotated``.
        options: How to choose.
        keep: List of cells that must be in: a text file, or a table with ``grid_cell``.
        quota: Numbers of single strata: a table with ``stratum`` and ``tiles``.
        engine: Where the strata are searched; all cores of this machine when None. The result
            does not depend on it.
        started: From when on a time budget counts; now when None.
        overwrite: Whether to replace a file made from something else.
        on_progress: Told how many searches are done.

    Returns:
        A summary.

    Raises:
        InputError: If an input cannot be used.
        OutputExistsError: If ``out`` exists and was made from something else.
    """
    started = started or now()
    if quota:
        options = replace(options, quota=read_quota(quota))
    inputs = {"annotated": annotated, "keep": keep, "quota": quota}
    given = {name: path for name, path in inputs.items() if path}
    provenance = Provenance(
        command="sample",
        options=options.that_matter(),
        inputs={name: sha256_of(path) for name, path in given.items()},
        seed=options.seed,
        licences=stored_licences(annotated),
    )
    there = is_up_to_date(out, provenance, inputs=given.values(), overwrite=overwrite)
    if overwrite and there and was_cut_short(out):
        there = False  # as the machine was then; now there may be more time
    work = work_folder(out)
    if not there:
        table = restratified(read_table(annotated, None, made_by=MADE_BY), options.stratify_by)
        check_annotated(table, annotated, to_split=options.split is not None)
        kept = kept_mask(table, keep) if keep else None
        # A method without a search takes seconds: nothing is kept of it.
        searches = options.method == "genetic"
        keeping = (
            kept_searches(work, provenance, overwrite=overwrite) if searches else nullcontext()
        )
        with sole_writer(out), keeping as log:
            selection = select(
                table, options, kept=kept, engine=engine, started=started, log=log,
                on_progress=on_progress,
            )  # fmt: skip
            _write(table, selection, kept, out, provenance, options)
        write_run_record(out, started, convergence=selection.convergence)
    if is_left_by(work, provenance):
        shutil.rmtree(work)
    return summarised(out, annotated, options, there=there)


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
    """Choose tiles of an annotated table: ``grid_cell``, ``lat``, ``lon``, ``stratum``.

    Args:
        annotated: One row a tile.
        options: How to choose.
        kept: [n] tiles that must be in; they count towards each stratum's number.
        engine: Where the strata are searched; all cores of this machine when None.
        started: From when on a time budget counts; now when None.
        log: Searches that ended in a former run, and where to keep those of this one.
        on_progress: Told how many searches are done.

    Raises:
        InputError: If more tiles of a stratum are kept than it may have, or two that are kept are
            nearer than the least distance.
    """
    tiles = Tiles.of_table(annotated)
    kept = np.zeros(len(tiles), np.bool_) if kept is None else kept
    sizes = wanted_sizes(tiles.strata, options.wishes(tiles.strata))
    _check_kept(tiles, sizes, kept)
    least = 0.0
    if options.min_distance_km is not None:
        least = least_chord2(options.min_distance_km)
        check_kept_apart(tiles, kept, options.min_distance_km, annotated["grid_cell"].to_pylist())
    search = None
    if options.method in BASELINES:
        rows = BASELINES[options.method](tiles, sizes, seed=options.seed, kept=kept)
    else:
        with opened_executor(engine or EngineOptions()) as executor:
            search = spread_selection(
                tiles, sizes, genetic=options.genetic, coupling=options.coupling,
                seed=options.seed, executor=executor, kept=kept, log=log, on_progress=on_progress,
                deadline_s=(started or now()).timestamp() + options.most_seconds,
            )  # fmt: skip
        rows = search.rows
    if least:
        rows = keep_apart(tiles, rows, kept, least)
    chosen = Chosen(rows=rows)
    if options.reserves:
        reserves, ranks = ranked_reserves(tiles, rows, options.reserves, min_chord2=least)
        chosen = Chosen(rows=rows, reserves=reserves, ranks=ranks)
    if options.split:
        chosen = split_chosen(tiles, chosen, kept, options.split, seed=options.seed)
    return Selection(chosen=chosen, search=search)


def _write(
    table: pa.Table,
    selection: Selection,
    kept: BoolArray | None,
    out: Path,
    provenance: Provenance,
    options: SampleOptions,
) -> None:
    kept = np.zeros(len(table), np.bool_) if kept is None else kept
    more, search = {}, selection.search
    if search and options.time_budget_s is not None:
        report = {
            "complete": search.finished == search.searches, "searches": search.searches,
            "finished": search.finished, "generations": search.generations,
        }  # fmt: skip
        more[SEARCH_KEY] = json.dumps(report)
    write_points(selected_table(table, selection.chosen, kept), out, provenance, more=more)


def _check_kept(tiles: Tiles, sizes: IntArray, kept: BoolArray) -> None:
    num_kept = np.bincount(tiles.strata.codes[kept], minlength=len(sizes))
    for s in np.flatnonzero(num_kept > sizes):
        raise InputError(
            f"{num_kept[s]} tiles of the stratum {tiles.strata.names[s]} are to be kept, but only "
            f"{sizes[s]} may be chosen; ask for more of it or keep fewer"
        )
