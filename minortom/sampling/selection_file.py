"""The steps of ``sample``: read the inputs, choose tiles, write the selection, count its tiles."""

import json
import logging
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from minortom.engine.executors import EngineOptions
from minortom.io.artefact import artefact
from minortom.io.atomic_write import atomic_file
from minortom.io.geoparquet import points_table
from minortom.io.memory_tables import table_bytes
from minortom.io.provenance import Provenance
from minortom.io.run_records import has_run_record
from minortom.io.table_result import IN_MEMORY
from minortom.io.up_to_date import check_parquet, now
from minortom.io.work_folder import delete_work_folder, has_work_on, work_folder
from minortom.progress import OnProgress, ignore_progress
from minortom.sampling.coupled_search import SearchResult
from minortom.sampling.inputs import SampleInputs, read_inputs
from minortom.sampling.options import SampleOptions
from minortom.sampling.search_log import SearchLog, search_log_in
from minortom.sampling.selection import Selection, select
from minortom.sampling.selection_table import check_annotated, kept_mask, selected_table
from minortom.sampling.spread_space import SPREAD_KEY
from minortom.sampling.strata import Strata, restratified
from minortom.sampling.summary import SEARCH_KEY, SampleResult, is_search_complete, summarise

_log = logging.getLogger(__name__)

_FEW_REPLACED = 0.5
"""Share of ``SearchResult.replaced`` below which a selection counts as close to random."""


def make_selection(
    annotated: object,
    out: Path | None,
    *,
    options: SampleOptions,
    keep: object = None,
    quota: object = None,
    engine: EngineOptions | None = None,
    started: datetime | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> SampleResult:
    """Choose annotated tiles, with checked options; see ``minortom.sample``.

    Completed searches are stored in ``<out>.partial``, from which an interrupted run resumes.

    Args:
        annotated: Output of ``annotate``: a path or a table.
        out: File to write; None to write nothing.
        options: How to choose, without the quota.
        keep: Cells that must be selected: a path, a table or names.
        quota: Tiles of single strata: a path, a table or a mapping.
        engine: Where the strata are searched; all cores of this machine when None. The result
            does not depend on it.
        started: Start of the time budget; now when None.
        overwrite: Whether to replace a file with another provenance.
        on_progress: Called with (searches done, all searches).

    Raises:
        InputError: If an input cannot be used.
        OutputExistsError: If ``out`` exists with another provenance.
    """
    if out is not None:
        check_parquet(out, "the selection")
    inputs = read_inputs(annotated, keep=keep, quota=quota)
    if inputs.quota is not None:
        options = replace(options, quota=inputs.quota)
    job = _Job(
        inputs=inputs, options=options, engine=engine, started=started or now(),
        on_progress=on_progress,
    )  # fmt: skip
    if out is None:
        content, selection = job.run()
        strata = selection.tiles.strata
        return summarise(_table_in(content), strata, options, out=None, status=IN_MEMORY)
    return _write_selection(job, out, overwrite=overwrite)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Job:
    """One selection to make."""

    inputs: SampleInputs
    options: SampleOptions
    engine: EngineOptions | None
    started: datetime
    on_progress: OnProgress

    @property
    def provenance(self) -> Provenance:
        return Provenance(
            command="sample",
            options=self.options.for_provenance(),
            inputs=self.inputs.hashes,
            seed=self.options.seed,
            licences=self.inputs.licences,
        )

    def run(self, log: SearchLog | None = None) -> tuple[bytes, Selection]:
        """Return the Parquet file of the selection as bytes, and the selection."""
        options, inputs = self.options, self.inputs
        table = restratified(inputs.annotated_table(), options.stratify_by)
        check_annotated(table, inputs.name, to_split=options.split is not None)
        names = inputs.kept_cells()
        kept = np.zeros(len(table), np.bool_)
        if names is not None:
            kept = kept_mask(table, names, source=inputs.keep_name)
        selection = select(
            table, options, kept=kept, engine=self.engine, started=self.started, log=log,
            on_progress=self.on_progress,
        )  # fmt: skip
        more = {}
        if selection.search and options.time_budget_s is not None:
            more[SEARCH_KEY] = json.dumps(_progress_of(selection.search))
            _warn_if_random(selection.search)
        if selection.space:
            spreads = selection.space.spreads_by_stratum(selection.tiles.strata.names)
            more[SPREAD_KEY] = json.dumps(spreads, ensure_ascii=False)
        chosen = selected_table(table, selection.chosen, kept)
        content = table_bytes(points_table(chosen, self.provenance, more=more))
        return content.to_pybytes(), selection

    def strata(self) -> Strata:
        """Return the strata of the annotated tiles."""
        columns = self.options.stratify_by
        table = self.inputs.annotated_table(columns or ("stratum",))
        return Strata.of_column(restratified(table, columns)["stratum"])


def _write_selection(job: _Job, out: Path, *, overwrite: bool) -> SampleResult:
    """Write the selection, or read it if it is up to date."""
    work, provenance = work_folder(out), job.provenance
    with artefact(
        out, provenance, inputs=job.inputs.paths, overwrite=overwrite, started=job.started,
        # With --overwrite, a search that its time budget ended is repeated. A run that was killed
        # before its record was written has left its log, from which the record is completed.
        is_whole=lambda: (
            (not overwrite or is_search_complete(out))
            and (has_run_record(out, provenance) or not has_work_on(work, provenance))
        ),
        in_place=True,
    ) as made:  # fmt: skip
        if made.up_to_date:
            with pq.ParquetFile(out) as file:
                table = file.read()
            strata = job.strata()
        else:
            # A method without a search takes seconds: there is nothing to resume.
            resumable = job.options.method == "genetic"
            log_in = partial(search_log_in, work, provenance, overwrite=overwrite)
            with log_in() if resumable else nullcontext() as log:
                content, selection = job.run(log)
            with atomic_file(out) as path:
                path.write_bytes(content)
            made.run_details["convergence"] = selection.convergence
            table, strata = _table_in(content), selection.tiles.strata
    delete_work_folder(work, provenance)
    return summarise(table, strata, job.options, out=out, status=made.status)


def _warn_if_random(search: SearchResult) -> None:
    if search.finished < search.searches and search.replaced < _FEW_REPLACED:
        _log.warning(
            "the time budget ended after %d of %d searches; the selection is close to a random "
            "draw: of the tiles that an unrelated selection would replace, %.0f %% were replaced; "
            "give a larger --time-budget",
            search.finished, search.searches, 100 * search.replaced,
        )  # fmt: skip


def _progress_of(search: SearchResult) -> dict[str, object]:
    return {
        "complete": search.finished == search.searches, "searches": search.searches,
        "finished": search.finished, "generations": search.generations,
        "replaced": round(search.replaced, 3),
    }  # fmt: skip


def _table_in(content: bytes) -> pa.Table:
    """Return the table of a Parquet file in memory, with the types that its reader returns."""
    return pq.ParquetFile(pa.BufferReader(content)).read()
