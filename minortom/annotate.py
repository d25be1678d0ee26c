"""Annotate: give each tile its climate, its land cover, and their stratum (Algorithm 1).

A tile takes the classes of the pixels that hold its cell's centre. A tile without a class in
either map is dropped and counted.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from minortom.bbox import BBox
from minortom.cells import hash_cells, read_cells
from minortom.class_table import NO_CLASS, OUTSIDE
from minortom.descriptors import Descriptor
from minortom.errors import InputError
from minortom.geoparquet import read_table, write_points
from minortom.grid import Cells
from minortom.manifests import MAX_CODE, find_manifest
from minortom.outputs import is_up_to_date, now, status, write_run_record
from minortom.progress import OnProgress, ignore_progress
from minortom.provenance import Provenance, sha256_of

MADE_BY = "minortom annotate"
"""The command that makes such a file, for error messages."""


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """How many cells became no tile, each counted once, for the first reason that holds."""

    outside_climate_map: int
    no_climate_class: int
    outside_landcover_map: int
    no_landcover_class: int


@dataclass(frozen=True, kw_only=True)
class AnnotateSummary:
    """What came of annotating."""

    out: Path
    up_to_date: bool
    """The file was there already, made from the same; it was left as it is."""
    tiles: int
    strata: int
    cells_in: int | None = None
    """Cells that were asked for, each once, inside the box; not known when up to date."""
    dropped: Dropped | None = None
    """Not known when up to date."""

    def as_dict(self) -> dict[str, object]:
        """Give what is known, for printing."""
        counts = {"tiles": self.tiles, "strata": self.strata}
        shown: dict[str, object] = {"out": str(self.out), "status": status(self.up_to_date)}
        if self.dropped is None:
            return shown | counts
        return shown | {"cells_in": self.cells_in, **counts, "dropped": asdict(self.dropped)}


def annotate_file(
    cells: Sequence[str],
    climate: Path,
    landcover: Path,
    out: Path,
    *,
    climate_legend: str = "koppen",
    landcover_legend: str = "worldcover",
    bbox: BBox | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> AnnotateSummary:
    """Look up the centres of cells in both maps and write ``annotated.parquet``.

    The rows are ordered by grid row, then by grid column, both ascending, whatever the order
    of the lists.

    Args:
        cells: Lists of cells as ``cells.read_cells`` takes them, merged.
        climate: Categorical map of climate classes.
        landcover: Categorical map of land cover.
        out: GeoParquet file to write.
        climate_legend: Name of the legend of the climate map.
        landcover_legend: Name of the legend of the land-cover map.
        bbox: Keep only cells whose centre lies inside.
        overwrite: Replace an output that was made otherwise.
        on_progress: Called with (look-ups done, look-ups in all).

    Raises:
        InputError: If a list or a map is not usable, or no cell has a class in both maps.
        OutputExistsError: If another output is there and ``overwrite`` is false.
    """
    started = now()
    climate_map = _with_legend(climate, climate_legend)
    landcover_map = _with_legend(landcover, landcover_legend)
    provenance = _provenance(cells, climate_map, landcover_map, bbox)
    if is_up_to_date(
        out, provenance, inputs=[*map(Path, cells), climate, landcover], overwrite=overwrite
    ):
        strata = read_table(out, ["stratum"], made_by=MADE_BY)["stratum"]
        return AnnotateSummary(
            out=out, up_to_date=True, tiles=len(strata), strata=_n_distinct(strata)
        )
    wanted = _inside(read_cells(cells), bbox)
    table, dropped = annotate(wanted, climate_map, landcover_map, on_progress=on_progress)
    if not len(table):
        raise InputError(_about_no_tile(dropped, len(wanted)))
    summary = AnnotateSummary(
        out=out, up_to_date=False, cells_in=len(wanted), dropped=dropped, tiles=len(table),
        strata=_n_distinct(table["stratum"]),
    )  # fmt: skip
    write_points(table, out, provenance)
    write_run_record(out, started, summary=summary.as_dict())
    return summary


def annotate(
    cells: Cells,
    climate: Descriptor,
    landcover: Descriptor,
    *,
    on_progress: OnProgress = ignore_progress,
) -> tuple[pa.Table, Dropped]:
    """Look up the centres of cells in both maps (Algorithm 1).

    Returns:
        The tiles, in the order of the cells, with the columns of ``annotated.parquet`` but for
        ``geometry``; and how many cells were dropped.

    Raises:
        InputError: If a map is not usable.
    """
    n = len(cells)
    lon_deg, lat_deg = cells.centres()
    climate_code = climate.codes_at(
        lon_deg, lat_deg, on_progress=lambda done, _: on_progress(done, 2 * n)
    )
    first = np.flatnonzero(climate_code >= 0)
    landcover_code = landcover.codes_at(
        lon_deg[first], lat_deg[first],
        on_progress=lambda done, _: on_progress(2 * n - len(first) + done, 2 * n),
    )  # fmt: skip
    kept = first[landcover_code >= 0]
    dropped = Dropped(
        outside_climate_map=int((climate_code == OUTSIDE).sum()),
        no_climate_class=int((climate_code == NO_CLASS).sum()),
        outside_landcover_map=int((landcover_code == OUTSIDE).sum()),
        no_landcover_class=int((landcover_code == NO_CLASS).sum()),
    )
    u, v = climate_code[kept], landcover_code[landcover_code >= 0]
    pairs = u.astype(np.int32) * (MAX_CODE + 1) + v

    def stratum(pair: int) -> str:
        return f"{climate.names[pair // (MAX_CODE + 1)]}/{landcover.names[pair % (MAX_CODE + 1)]}"

    columns = {
        "grid_cell": pa.array(cells.take(kept).names()),
        "lat": lat_deg[kept],
        "lon": lon_deg[kept],
        "climate": _dictionary(u, climate.names.__getitem__),
        "landcover": _dictionary(v, landcover.names.__getitem__),
        "climate_code": u.astype(np.uint8),
        "landcover_code": v.astype(np.uint8),
        "stratum": _dictionary(pairs, stratum),
    }
    return pa.table(columns), dropped


def _inside(cells: Cells, bbox: BBox | None) -> Cells:
    if bbox is None:
        return cells
    inside = cells.take(bbox.contains(*cells.centres()))
    if not len(inside):
        raise InputError(
            f"none of {len(cells):,} cells has its centre in the box {bbox.as_list()}; "
            "wanted W,S,E,N in degrees"
        )
    return inside


def _provenance(
    cells: Sequence[str], climate: Descriptor, landcover: Descriptor, bbox: BBox | None
) -> Provenance:
    return Provenance(
        command="annotate",
        options={
            "climate_legend": climate.legend,
            "landcover_legend": landcover.legend,
            "bbox": None if bbox is None else bbox.as_list(),
        },
        inputs=hash_cells(cells) | _hashes("climate", climate) | _hashes("landcover", landcover),
        licences=tuple(dict.fromkeys(d.credit() for d in (climate, landcover))),
    )


def _about_no_tile(dropped: Dropped, n_cells: int) -> str:
    reasons = ", ".join(f"{n:,} {k.replace('_', ' ')}" for k, n in asdict(dropped).items() if n)
    return (
        f"none of {n_cells:,} cells has a class in both maps ({reasons}); "
        "give maps that cover the cells"
    )


def _with_legend(path: Path, legend: str) -> Descriptor:
    manifest_path, manifest = find_manifest(legend)
    return Descriptor.of(path, manifest=manifest, manifest_path=manifest_path)


def _hashes(role: str, descriptor: Descriptor) -> dict[str, str]:
    assert isinstance(descriptor.source, Path)
    return {
        role: sha256_of(descriptor.source),
        f"{role} legend": sha256_of(descriptor.manifest_path),
    }


def _dictionary(codes: NDArray[np.integer], name_of: Callable[[int], str]) -> pa.Array:
    """Encode [n] codes as strings, with the names that occur in the order of their codes."""
    present = np.flatnonzero(np.bincount(codes))
    names = pa.array([name_of(int(code)) for code in present], pa.string())
    indices = np.searchsorted(present, codes).astype(np.int32)
    return pa.DictionaryArray.from_arrays(indices, names)


def _n_distinct(column: pa.ChunkedArray) -> int:
    return len(pc.unique(column.cast(pa.string())))
