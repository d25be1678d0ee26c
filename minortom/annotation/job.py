"""Annotate tiles with climate, land cover and their stratum (Algorithm 1 of the CSMoE paper).

A tile has the classes of the pixels at its cell's centre. On request a class is taken from all
pixels of the cell. A tile without a class in either map is dropped and counted, unless the
class ``unmapped`` is requested.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from minortom.annotation.bins import Binned, bins_metadata, quantile_edges
from minortom.annotation.candidates import Candidates, from_archives, from_lists
from minortom.annotation.class_columns import colour_metadata
from minortom.annotation.column_names import require_distinct
from minortom.annotation.columns import TileClasses, look_up
from minortom.annotation.further_columns import FurtherColumns
from minortom.annotation.further_inputs import FurtherInputs
from minortom.annotation.options import AnnotateOptions, Maps, Sources
from minortom.annotation.result import AnnotateResult
from minortom.annotation.tile_table import tile_table
from minortom.archive.archive import Archive
from minortom.archive.pair_rules import PairRules
from minortom.engine.executors import EngineOptions, opened_executor
from minortom.errors import InputError
from minortom.grid.cell_lists import hash_cells
from minortom.io.artefact import artefact
from minortom.io.geoparquet import points_table, write_table
from minortom.io.provenance import Provenance, sha256_of
from minortom.io.table_columns import read_table
from minortom.io.table_result import IN_MEMORY
from minortom.io.up_to_date import now
from minortom.maps.descriptor import Descriptor
from minortom.maps.tiled_map import TileMap
from minortom.progress import OnProgress, part_of
from minortom.shards.layout import ATTRIBUTION, LICENCE

MADE_BY = "minortom annotate"
"""The command that makes such a file, for error messages."""


@dataclass(frozen=True, kw_only=True)
class AnnotateJob:
    """Tiles to annotate, and how.

    Raises:
        InputError: If there are rules about products without archives, or two columns of one name.
    """

    sources: Sources
    """Where tiles come from."""
    maps: Maps
    """Maps that give the classes."""
    options: AnnotateOptions
    """Which tiles are selected, and how they are looked up."""
    further: FurtherInputs = field(default_factory=FurtherInputs)
    """Inputs of further columns."""
    engine: EngineOptions
    """Where maps in many tiles are read; the result does not depend on it."""

    def __post_init__(self) -> None:
        if self.sources.s2 is None and self.options.rules != PairRules():
            raise InputError("rules about products need the archives; give --s2 and --s1")
        require_distinct([*self.maps.further, *self.further.names])

    def run(
        self, out: Path | None, *, overwrite: bool, on_fetch: OnProgress, on_progress: OnProgress
    ) -> AnnotateResult:
        """Look up the tiles, and write ``annotated.parquet`` if ``out`` is given.

        The rows are in spatial order, for any order of the sources; see ``spatial_order``.
        """
        started = now()
        archives, descriptors = self.sources.open_archives(on_fetch), self.maps.open(on_fetch)
        candidates = self._candidates(archives)
        with self._executor(descriptors) as executor:
            provenance = self._provenance(archives, descriptors, candidates, executor)
            result = partial(self._result, out, candidates, descriptors)
            make = partial(self._make, candidates, descriptors, provenance, executor, on_progress)
            if out is None:
                tiles = make()
                return result(status=IN_MEMORY, table=tiles.table, tiles=tiles, made=tiles.table)
            with artefact(
                out, provenance, inputs=self._inputs(), overwrite=overwrite, started=started
            ) as made:
                if made.up_to_date:
                    columns = ["stratum", *candidates.may_be_unknown, *self.further.variables]
                    found = result(
                        status=made.status, table=read_table(out, columns, made_by=MADE_BY)
                    )
                else:
                    tiles = make()
                    write_table(tiles.table, made.path)
                    found = result(status=made.status, table=tiles.table, tiles=tiles)
                    made.run_details["summary"] = found.as_dict()
        return found

    def _make(
        self,
        candidates: Candidates,
        descriptors: Mapping[str, Descriptor],
        provenance: Provenance,
        executor: Executor | None,
        on_progress: OnProgress,
    ) -> "_Tiles":
        """Look up the tiles in all maps and rasters."""
        maps, later = len(descriptors), len(self.further.variables)
        classes = look_up(
            candidates.cells, descriptors, modes=self.options.modes,
            keep_unmapped=self.options.keep_unmapped, executor=executor, num_later=later,
            on_progress=on_progress,
        )  # fmt: skip
        table, cells = tile_table(candidates, classes)
        columns = self.further.look_up(
            cells, executor=executor,
            progress_of=lambda number: part_of(
                on_progress, maps + number, parts=maps + later, size=len(candidates.cells)
            ),
        )  # fmt: skip
        binned = self.further.binned(columns)
        classes_of_bins = {of.bins.column: of.classes for of in binned}
        further = FurtherColumns(columns=columns | classes_of_bins)
        table = further.add_to(table, after=[*classes.columns][-1])
        table = points_table(
            table, replace(provenance, derived=quantile_edges(binned)),
            more=colour_metadata(descriptors) | bins_metadata(binned),
        )  # fmt: skip
        return _Tiles(table=table, classes=classes, binned=binned)

    def _inputs(self) -> list[Path]:
        parts = (self.sources, self.options, self.maps, self.further)
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

    def _provenance(
        self,
        archives: tuple[Archive, Archive] | None,
        descriptors: Mapping[str, Descriptor],
        candidates: Candidates,
        executor: Executor | None,
    ) -> Provenance:
        inputs = hash_cells(self.sources.cells)
        if self.options.region is not None:
            inputs["region"] = self.options.region.sha256
        for archive in archives or ():
            inputs[f"{archive.sensor}_metadata"] = sha256_of(archive.metadata_path)
        for name, map_ in descriptors.items():
            inputs[name] = map_.hash_for(candidates.cells, executor=executor)
            inputs[f"{name} legend"] = sha256_of(map_.legend_path)
        inputs |= self.further.hashes()
        licences = [f"Major TOM Core: {LICENCE}, {ATTRIBUTION}"] if archives else []
        licences += [map_.credit() for map_ in descriptors.values()] + self.further.credits()
        options: dict[str, object] = {f"{n}_legend": m.legend for n, m in descriptors.items()}
        options |= self.options.as_options(with_archives=archives is not None)
        return Provenance(
            command="annotate",
            options=options | self.further.as_options(),
            inputs=inputs,
            licences=tuple(dict.fromkeys(licences)),
        )

    def _result(
        self,
        out: Path | None,
        candidates: Candidates,
        descriptors: Mapping[str, Descriptor],
        *,
        status: str,
        table: pa.Table,
        tiles: "_Tiles | None" = None,
        made: pa.Table | None = None,
    ) -> AnnotateResult:
        """Count what the table contains; ``tiles`` is None if the output was up to date."""
        in_archive = candidates.archive is not None
        may_be_unknown = [*candidates.may_be_unknown, *self.further.variables]
        unknown = {name: table[name].null_count for name in may_be_unknown}
        return AnnotateResult(
            out=out,
            status=status,
            made=made,
            cells_in=candidates.cells_in,
            removed=candidates.removed,
            tiles=len(table),
            strata=len(pc.unique(table["stratum"].cast(pa.string()))),
            dropped=None if tiles is None else tiles.classes.dropped,
            unmapped=None if tiles is None else tiles.unmapped(),
            notes=None if tiles is None else tiles.classes.notes or None,
            unknown={name: n for name, n in unknown.items() if n}
            if in_archive or self.further.variables
            else None,
            bins=None
            if tiles is None
            else {of.bins.column: of.counts() for of in tiles.binned} or None,
            repeated=candidates.repeated if in_archive else None,
            not_in_archive=candidates.not_in_archive,
            citations=list(
                dict.fromkeys(
                    map_.manifest.citation for map_ in descriptors.values() if map_.manifest
                )
            ),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tiles:
    """Tiles that were looked up."""

    table: pa.Table
    classes: TileClasses
    binned: Sequence[Binned]

    def unmapped(self) -> dict[str, int]:
        """Return the number of tiles without a class, by map and by bins."""
        bins = {of.bins.column: of.classes.num_missing for of in self.binned}
        return {**self.classes.unmapped, **bins}
