"""Annotate tiles with climate, land cover and their stratum (Algorithm 1 of the CSMoE paper).

A tile has the classes of the pixels at its cell's centre. On request a class is taken from all
pixels of the cell. A tile without a class in either map is dropped and counted, unless the
class ``unmapped`` is requested.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow as pa

from minortom.annotation.annotated_table import Annotated, annotated_table
from minortom.annotation.candidates import Candidates, from_archives, from_lists
from minortom.annotation.cell_table import CellTable, opened_tables
from minortom.annotation.class_columns import colour_metadata
from minortom.annotation.column_names import require_distinct
from minortom.annotation.columns import look_up
from minortom.annotation.further_columns import FurtherColumns
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
from minortom.io.up_to_date import now
from minortom.maps.descriptor import Descriptor
from minortom.maps.tiled_map import TileMap
from minortom.progress import OnProgress

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
        archives, descriptors = self.sources.open_archives(on_fetch), self.maps.open(on_fetch)
        candidates = self._candidates(archives)
        with (
            opened_tables(self.tables) as tables,
            self._executor(descriptors) as executor,
        ):
            self._require_distinct(tables)
            opened = OpenedSources(
                archives=archives, descriptors=descriptors, candidates=candidates, tables=tables,
                executor=executor,
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
        classes = look_up(
            opened.candidates.cells, opened.descriptors, modes=self.options.modes,
            keep_unmapped=self.options.keep_unmapped, executor=opened.executor,
            on_progress=on_progress,
        )  # fmt: skip
        further = partial(self._further, opened.tables) if opened.tables else None
        found = annotated_table(opened.candidates, classes, further)
        more = colour_metadata(opened.descriptors)
        return points_table(found.table, provenance, more=more), found

    def _further(self, tables: Mapping[str, CellTable], cells: Cells) -> FurtherColumns:
        """Look up the further columns of tiles."""
        return look_up_tables(tables, cells, drop=self.tables.missing == "drop")

    def _require_distinct(self, tables: Mapping[str, CellTable]) -> None:
        of_tables = [name for table in tables.values() for name in table.columns]
        require_distinct([*self.maps.further, *of_tables])

    def _inputs(self) -> list[Path]:
        parts = (self.sources, self.options, self.maps, self.tables)
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
        if not tiled and not self.options.modes.count_pixels:
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
            options=legends | options | self.tables.as_options(),
            inputs=inputs,
            licences=opened.licences(),
        )
