"""Annotate tiles with climate, land cover and their stratum (Algorithm 1 of the CSMoE paper).

A tile has the classes of the pixels at its cell's centre. On request a class is taken from all
pixels of the cell. A tile without a class in either map is dropped and counted, unless the
class ``unmapped`` is requested.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from minortom.annotation.candidates import Candidates, from_archives, from_lists
from minortom.annotation.class_columns import colour_metadata
from minortom.annotation.columns import TileClasses, look_up
from minortom.annotation.options import AnnotateOptions, Maps, Sources
from minortom.annotation.result import AnnotateResult
from minortom.archive.archive import Archive
from minortom.archive.pair_rules import PairRules
from minortom.engine.executors import EngineOptions, opened_executor
from minortom.errors import InputError
from minortom.grid.cell_lists import hash_cells
from minortom.io.artefact import artefact
from minortom.io.covering import spatial_order
from minortom.io.geoparquet import points_table, write_table
from minortom.io.provenance import Provenance, sha256_of
from minortom.io.table_columns import read_table
from minortom.io.table_result import IN_MEMORY
from minortom.io.up_to_date import now
from minortom.maps.descriptor import Descriptor
from minortom.maps.tiled_map import TileMap
from minortom.progress import OnProgress
from minortom.shards.layout import ATTRIBUTION, LICENCE

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
        with self._executor(descriptors) as executor:
            provenance = self._provenance(archives, descriptors, candidates, executor)
            result = partial(_result, out, candidates, descriptors)

            def make() -> tuple[pa.Table, TileClasses]:
                classes = look_up(
                    candidates.cells, descriptors, modes=self.options.modes,
                    keep_unmapped=self.options.keep_unmapped, executor=executor,
                    on_progress=on_progress,
                )  # fmt: skip
                table, more = _table(candidates, classes), colour_metadata(descriptors)
                return points_table(table, provenance, more=more), classes

            if out is None:
                table, classes = make()
                return result(status=IN_MEMORY, table=table, classes=classes, made=table)
            with artefact(
                out, provenance, inputs=self._inputs(), overwrite=overwrite, started=started
            ) as made:
                if made.up_to_date:
                    columns = ["stratum", *candidates.may_be_unknown]
                    found = result(
                        status=made.status, table=read_table(out, columns, made_by=MADE_BY)
                    )
                else:
                    table, classes = make()
                    write_table(table, made.path)
                    found = result(status=made.status, table=table, classes=classes)
                    made.run_details["summary"] = found.as_dict()
        return found

    def _inputs(self) -> list[Path]:
        parts = (self.sources, self.options, self.maps)
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
        licences = [f"Major TOM Core: {LICENCE}, {ATTRIBUTION}"] if archives else []
        licences += [map_.credit() for map_ in descriptors.values()]
        legends = {f"{name}_legend": map_.legend for name, map_ in descriptors.items()}
        return Provenance(
            command="annotate",
            options=legends | self.options.as_options(with_archives=archives is not None),
            inputs=inputs,
            licences=tuple(dict.fromkeys(licences)),
        )


def _result(
    out: Path | None,
    candidates: Candidates,
    descriptors: Mapping[str, Descriptor],
    *,
    status: str,
    table: pa.Table,
    classes: TileClasses | None = None,
    made: pa.Table | None = None,
) -> AnnotateResult:
    """Count what the table contains; ``classes`` is None if the output was up to date."""
    in_archive = candidates.archive is not None
    unknown = {name: table[name].null_count for name in candidates.may_be_unknown}
    return AnnotateResult(
        out=out,
        status=status,
        made=made,
        cells_in=candidates.cells_in,
        removed=candidates.removed,
        tiles=len(table),
        strata=len(pc.unique(table["stratum"].cast(pa.string()))),
        dropped=None if classes is None else classes.dropped,
        unmapped=None if classes is None else classes.unmapped,
        notes=None if classes is None else classes.notes or None,
        unknown={name: n for name, n in unknown.items() if n} if in_archive else None,
        repeated=candidates.repeated if in_archive else None,
        not_in_archive=candidates.not_in_archive,
        citations=list(
            dict.fromkeys(map_.manifest.citation for map_ in descriptors.values() if map_.manifest)
        ),
    )


def _table(candidates: Candidates, classes: TileClasses) -> pa.Table:
    """Return the tiles in spatial order, without geometry."""
    if not len(classes.rows):
        raise InputError(_about_no_tile(classes.dropped, len(candidates.cells)))
    cells = candidates.cells.take(classes.rows)
    order = spatial_order(*cells.centres())
    cells, positions = cells.take(order), pa.array(order)
    lon_deg, lat_deg = cells.centres()
    columns = {"grid_cell": pa.array(cells.names()), "lat": lat_deg, "lon": lon_deg}
    table = pa.table(columns | {name: c.take(positions) for name, c in classes.columns.items()})
    if candidates.archive is not None:
        archive = candidates.archive.take(pa.array(classes.rows[order]))
        for name in archive.column_names:
            table = table.append_column(name, archive[name])
    return table


def _about_no_tile(dropped: Mapping[str, int], n_cells: int) -> str:
    reasons = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in dropped.items() if n)
    return (
        f"none of {n_cells:,} cells has a class in both maps ({reasons}); "
        "give maps that cover the cells"
    )
