"""Annotate: give each tile its climate, its land cover, and their stratum (Algorithm 1).

A tile takes the classes of the pixels that hold its cell's centre; its land cover, where so
asked, from all of the cell. A tile without a class in either map is dropped and counted, unless
``unmapped`` is a class that is wanted.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from minortom.annotation.candidates import Candidates, from_archives, from_lists
from minortom.annotation.columns import Looked, look_up
from minortom.annotation.options import AnnotateOptions, Maps, Sources
from minortom.archive.archive import Archive
from minortom.archive.pair_rules import PairRules
from minortom.engine.executors import EngineOptions, opened_executor
from minortom.errors import InputError
from minortom.grid.cell_lists import hash_cells
from minortom.io.geoparquet import read_table, write_points
from minortom.io.provenance import Provenance, sha256_of
from minortom.io.up_to_date import is_up_to_date, now, status, write_run_record
from minortom.maps.descriptor import Descriptor
from minortom.maps.tiled_map import TileMap
from minortom.progress import OnProgress, ignore_progress
from minortom.shards.layout import ATTRIBUTION, LICENCE

MADE_BY = "minortom annotate"
"""The command that makes such a file, for error messages."""


def annotate_file(
    sources: Sources,
    maps: Maps,
    out: Path,
    *,
    options: AnnotateOptions | None = None,
    engine: EngineOptions | None = None,
    overwrite: bool = False,
    on_fetch: OnProgress = ignore_progress,
    on_progress: OnProgress = ignore_progress,
) -> dict[str, object]:
    """Look tiles up in maps and write ``annotated.parquet``.

    The rows are ordered by grid row, then by grid column, both ascending, whatever the order
    of the sources.

    Args:
        sources: Where tiles are looked for.
        maps: What they are looked up in.
        out: GeoParquet file to write.
        options: Which tiles are wanted, and how they are looked up.
        engine: Where maps of many tiles are read; the result does not depend on it.
        overwrite: Replace an output that was made otherwise.
        on_fetch: Called with (bytes had, bytes in all) while metadata or a map are fetched.
        on_progress: Called with (look-ups done, look-ups in all).

    Returns:
        A summary: ``cells_in``, what each rule ``removed``, ``tiles``, ``strata``, and, where
        the work was done now, what was ``dropped`` since a map has no class for it;
        ``cells_in`` is the sum of removed, dropped and tiles. What to cite: ``citations``.

    Raises:
        InputError: If a source, a map or a region is not usable, or no tile is left.
        ArchiveError: If an archive cannot be read.
        RemoteError: If something does not come over the network.
        OutputExistsError: If another output is there and ``overwrite`` is false.
    """
    started, options = now(), options or AnnotateOptions()
    if sources.s2 is None and options.rules != PairRules():
        raise InputError("rules about products need the archives; give --s2 and --s1")
    archives, descriptors = sources.open_archives(on_fetch), maps.open(on_fetch)
    wanted = _candidates(sources, archives, options)
    inputs = [*sources.local_paths(), *options.local_paths(), *maps.local_paths()]
    with _executor(descriptors, options, engine or EngineOptions()) as executor:
        hashes = {
            name: map_.hash_for(wanted.cells, executor=executor)
            for name, map_ in descriptors.items()
        }
        provenance = _provenance(sources, archives, descriptors, hashes, options)
        there = is_up_to_date(out, provenance, inputs=inputs, overwrite=overwrite)
        looked = None if there else look_up(
            wanted.cells, descriptors, options=options.landcover,
            keep_unmapped=options.keep_unmapped, executor=executor, on_progress=on_progress,
        )  # fmt: skip
    if looked is not None:
        write_points(_table(wanted, looked), out, provenance)
    summary = _summary(out, wanted, looked, descriptors)
    if looked is not None:
        write_run_record(out, started, summary=summary)
    return summary


def _summary(
    out: Path,
    wanted: Candidates,
    looked: Looked | None,
    descriptors: Mapping[str, Descriptor],
) -> dict[str, object]:
    """Count what came of it; without ``looked``, what was there already."""
    written = read_table(out, ["stratum", *wanted.may_be_unknown], made_by=MADE_BY)
    unknown = {name: written[name].null_count for name in wanted.may_be_unknown}
    found: dict[str, object] = {
        "out": str(out), "status": status(looked is None), "cells_in": wanted.cells_in,
        "removed": dict(wanted.removed), "tiles": len(written),
        "strata": _n_distinct(written["stratum"]),
    }  # fmt: skip
    if looked is not None:
        found |= {"dropped": dict(looked.dropped), "unmapped": dict(looked.unmapped)}
    if wanted.archive is not None:
        found |= {
            "unknown": {name: n for name, n in unknown.items() if n},
            "repeated": dict(wanted.repeated),
        }
    if wanted.not_in_archive is not None:
        found["not_in_archive"] = wanted.not_in_archive
    citations = dict.fromkeys(map_.manifest.citation for map_ in descriptors.values())
    return found | {"citations": list(citations)}


def _candidates(
    sources: Sources, archives: tuple[Archive, Archive] | None, options: AnnotateOptions
) -> Candidates:
    if archives is None:
        return from_lists(sources.cells, options.places())
    return from_archives(
        *archives, rules=options.rules, places=options.places(), lists=sources.cells
    )


@contextmanager
def _executor(
    descriptors: Mapping[str, Descriptor], options: AnnotateOptions, engine: EngineOptions
) -> Iterator[Executor | None]:
    """Give workers where there is much to read; the centres of one raster are read faster here."""
    tiled = any(isinstance(map_.source, TileMap) for map_ in descriptors.values())
    if not tiled and options.landcover.mode == "center":
        yield None
        return
    with opened_executor(engine) as executor:
        yield executor


def _table(wanted: Candidates, looked: Looked) -> pa.Table:
    if not len(looked.rows):
        raise InputError(_about_no_tile(looked.dropped, len(wanted.cells)))
    cells = wanted.cells.take(looked.rows)
    lon_deg, lat_deg = cells.centres()
    columns = {"grid_cell": pa.array(cells.names()), "lat": lat_deg, "lon": lon_deg}
    table = pa.table(columns | dict(looked.columns))
    if wanted.archive is not None:
        archive = wanted.archive.take(pa.array(looked.rows))
        for name in archive.column_names:
            table = table.append_column(name, archive[name])
    return table


def _provenance(
    sources: Sources,
    archives: tuple[Archive, Archive] | None,
    descriptors: Mapping[str, Descriptor],
    hashes: Mapping[str, str],
    options: AnnotateOptions,
) -> Provenance:
    inputs = hash_cells(sources.cells)
    if options.region is not None:
        inputs["region"] = options.region.sha256
    for archive in archives or ():
        inputs[f"{archive.sensor}_metadata"] = sha256_of(archive.metadata_path)
    for name, map_ in descriptors.items():
        inputs[name] = hashes[name]
        inputs[f"{name} legend"] = sha256_of(map_.manifest_path)
    licences = [f"Major TOM Core: {LICENCE}, {ATTRIBUTION}"] if archives else []
    licences += [map_.credit() for map_ in descriptors.values()]
    legends = {f"{name}_legend": map_.legend for name, map_ in descriptors.items()}
    return Provenance(
        command="annotate",
        options=legends | options.that_matter(archives is not None),
        inputs=inputs,
        licences=tuple(dict.fromkeys(licences)),
    )


def _about_no_tile(dropped: Mapping[str, int], n_cells: int) -> str:
    reasons = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in dropped.items() if n)
    return (
        f"none of {n_cells:,} cells has a class in both maps ({reasons}); "
        "give maps that cover the cells"
    )


def _n_distinct(column: pa.ChunkedArray) -> int:
    return len(pc.unique(column.cast(pa.string())))
