"""Annotate tiles with climate, land cover and their stratum (Algorithm 1 of the CSMoE paper).

A tile has the classes of the pixels at its cell's centre. On request a class is taken from all
pixels of the cell. A tile without a class in either map is dropped and counted, unless the
class ``unmapped`` is requested.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from minortom.annotation.annotated_table import Annotated, annotated_table
from minortom.annotation.bins import legends_metadata, quantile_edges
from minortom.annotation.candidates import Candidates, from_archives, from_lists
from minortom.annotation.cell_table import CellTable, opened_tables
from minortom.annotation.class_columns import colour_metadata
from minortom.annotation.column_names import require_distinct
from minortom.annotation.columns import look_up
from minortom.annotation.further_columns import FurtherColumns
from minortom.annotation.further_inputs import FurtherInputs
from minortom.annotation.opened_sources import OpenedSources
from minortom.annotation.options import AnnotateOptions, Maps, Sources
from minortom.annotation.result import AnnotateResult
from minortom.annotation.table_choice import Tables
from minortom.annotation.table_lookup import look_up_tables
from minortom.archive.archive import Archive
from minortom.archive.pair_rules import PairRules
from minortom.engine.executors import EngineOptions, opened_executor
from minortom.errors import InputError
from minortom.grid.cells import Cells
from minortom.io.artefact import artefact
from minortom.io.geoparquet import points_table, write_table
from minortom.io.provenance import Provenance
from minortom.io.table_columns import read_table
from minortom.io.table_result import IN_MEMORY
from minortom.io.up_to_date import check_parquet, now
from minortom.maps.descriptor import Descriptor
from minortom.maps.tiled_map import TileMap
from minortom.progress import OnProgress, part_of

MADE_BY = "minortom annotate"
"""The command that makes such a file, for error messages."""


@dataclass(frozen=True, kw_only=True)
class AnnotateJob:
    """Tiles to annotate, and how.

    Raises:
        InputError: If there are rules about products without archives.
    """

    sources: Sources
    """Where tiles come from."""
    maps: Maps
    """Maps that give the classes."""
    options: AnnotateOptions
    """Which tiles are selected, and how they are looked up."""
    tables: Tables = field(default_factory=Tables)
    """Tables of cells that give further columns."""
    further: FurtherInputs = field(default_factory=FurtherInputs)
    """Continuous rasters and bins that give further columns."""
    engine: EngineOptions
    """Where maps in many tiles are read; the result does not depend on it."""

    def __post_init__(self) -> None:
        if self.sources.s2 is None and self.options.rules != PairRules():
            raise InputError("rules about products need the archives; give --s2 and --s1")

    def run(
        self, out: Path | None, *, overwrite: bool, on_fetch: OnProgress, on_progress: OnProgress
    ) -> AnnotateResult:
        """Look up the tiles, and write ``annotated.parquet`` if ``out`` is given.

        The rows are in spatial order, for any order of the sources; see ``spatial_order``.
        """
        started = now()
        if out is not None:
            check_parquet(out, "the annotated tiles")
        archives, descriptors = self.sources.open_archives(on_fetch), self.maps.open(on_fetch)
        candidates = self._candidates(archives)
        with (
            opened_tables(self.tables, on_fetch=on_fetch) as tables,
            self._executor(descriptors) as executor,
        ):
            self._check_columns(tables)
            opened = OpenedSources(
                archives=archives, descriptors=descriptors, candidates=candidates, tables=tables,
                further=self.further, executor=executor,
            )  # fmt: skip
            provenance = self._provenance(opened)
            if out is None:
                table, found = self._make(opened, provenance, on_progress)
                return opened.result(
                    out=None, status=IN_MEMORY, table=table, found=found, made=table
                )
            with artefact(
                out, provenance, inputs=self._inputs(), overwrite=overwrite, started=started
            ) as made:
                if made.up_to_date:
                    columns = ["stratum", *opened.may_be_unknown]
                    table = read_table(out, columns, made_by=MADE_BY)
                    result = opened.result(out=out, status=made.status, table=table)
                else:
                    table, found = self._make(opened, provenance, on_progress)
                    write_table(table, made.path)
                    result = opened.result(out=out, status=made.status, table=table, found=found)
                    made.run_details["summary"] = result.as_dict()
        return result

    def _make(
        self, opened: OpenedSources, provenance: Provenance, on_progress: OnProgress
    ) -> tuple[pa.Table, Annotated]:
        """Return the table of the file, and the counts about it."""
        maps, later = len(opened.descriptors), len(self.further.variables)
        num_cells = len(opened.candidates.cells)
        classes = look_up(
            opened.candidates.cells, opened.descriptors, modes=self.options.modes,
            keep_unmapped=self.options.keep_unmapped, executor=opened.executor, num_later=later,
            on_progress=on_progress,
        )  # fmt: skip

        def progress_of(number: int) -> OnProgress:
            return part_of(on_progress, maps + number, parts=maps + later, size=num_cells)

        further = partial(self._further, opened, progress_of)
        has_further = bool(opened.tables or self.further.names)
        found = annotated_table(opened.candidates, classes, further if has_further else None)
        del classes, further  # copied into the table, in another order: a tenth of the memory
        more = colour_metadata(opened.descriptors) | legends_metadata(found.legends)
        derived = quantile_edges(self.further.bins, found.legends)
        return points_table(found.table, replace(provenance, derived=derived), more=more), found

    def _further(
        self, opened: OpenedSources, progress_of: Callable[[int], OnProgress], cells: Cells
    ) -> FurtherColumns:
        """Look up the further columns of tiles; tables may drop some of the tiles."""
        of_tables = look_up_tables(opened.tables, cells, drop=self.tables.missing == "drop")
        kept = cells if of_tables.kept is None else cells.take(of_tables.kept)
        of_rasters = self.further.look_up(kept, executor=opened.executor, progress_of=progress_of)
        columns = {**of_tables.columns, **of_rasters}
        binned = {bins.column: bins.of(columns) for bins in self.further.bins}
        classes = {name: found.classes for name, found in binned.items()}
        legends = {name: found.legend() for name, found in binned.items()}
        return replace(of_tables, columns=columns | classes, legends=legends)

    def _check_columns(self, tables: Mapping[str, CellTable]) -> None:
        """Check the further columns before anything is looked up."""
        of_tables = [name for table in tables.values() for name in table.columns]
        require_distinct([*self.maps.further, *of_tables, *self.further.names])
        self.further.check(of_tables)

    def _inputs(self) -> list[Path]:
        parts = (self.sources, self.options, self.maps, self.tables, self.further)
        return [path for part in parts for path in part.local_paths()]

    def _candidates(self, archives: tuple[Archive, Archive] | None) -> Candidates:
        lists, places = self.sources.cells, self.options.places()
        if archives is None:
            return from_lists(lists, places)
        return from_archives(*archives, rules=self.options.rules, places=places, lists=lists)

    @contextmanager
    def _executor(self, descriptors: Mapping[str, Descriptor]) -> Iterator[Executor | None]:
        """Open workers if there is much to read; without them, centres in one raster are faster."""
        tiled = any(isinstance(map_.source, TileMap) for map_ in descriptors.values())
        if not (tiled or self.options.modes.count_pixels or self.further.reads_cells):
            yield None
            return
        with opened_executor(self.engine) as executor:
            yield executor

    def _provenance(self, opened: OpenedSources) -> Provenance:
        inputs = opened.hashes(self.sources.cells)
        if self.options.region is not None:
            inputs["region"] = self.options.region.sha256
        legends = {f"{name}_legend": map_.legend for name, map_ in opened.descriptors.items()}
        options = self.options.as_options(with_archives=opened.archives is not None)
        return Provenance(
            command="annotate",
            options=legends | options | self.tables.as_options() | self.further.as_options(),
            inputs=inputs,
            licences=opened.licences(),
        )
