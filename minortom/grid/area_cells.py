"""Cells of an area: ``minortom cells``."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from minortom.api.arguments import path_of
from minortom.api.results import NOT_IN_JSON, Result, Shown
from minortom.errors import InputError
from minortom.grid.bbox import BBox, BBoxLike, as_bbox
from minortom.grid.cells import N_ROWS, Cells, whole_grid
from minortom.grid.footprints import cell_polygons
from minortom.grid.regions import Region, region_of, touched
from minortom.io.artefact import artefact
from minortom.io.covering import spatial_order
from minortom.io.geoparquet import geometry_table, write_table
from minortom.io.memory_tables import to_geopandas
from minortom.io.provenance import Provenance
from minortom.io.table_result import IN_MEMORY
from minortom.io.tables import csv_bytes, is_parquet
from minortom.io.up_to_date import now


@dataclass(frozen=True, kw_only=True, eq=False)
class CellsResult(Result):
    """Cells of an area, by grid row, then by column."""

    out: Path | None
    """The file; None where nothing was written."""
    status: str
    """``written``, ``up to date`` or ``in memory``."""
    cells: Cells
    provenance: Provenance = field(repr=False, metadata=NOT_IN_JSON)

    @property
    def names(self) -> list[str]:
        """Return the names of the cells."""
        names: list[str] = self.cells.names().tolist()
        return names

    @cached_property
    def table(self) -> pa.Table:
        """The table of a GeoParquet file of the cells: ``grid_cell``, centres and outlines.

        Its rows are in spatial order.
        """
        return _outlines(self.cells, self.provenance)

    def to_geopandas(self) -> Any:  # noqa: ANN401 - geopandas has no types
        """Return ``table`` as a ``GeoDataFrame``."""
        return to_geopandas(self.table)

    def as_dict(self) -> Any:  # noqa: ANN401 - a list of names, or the summary of a file
        """Return the names of the cells; the summary of the file where one was written."""
        return self.names if self.out is None else _summary(self.out, self.status, self.cells)

    def shown(self) -> Shown:
        """Return one name per line; the summary of the file where one was written."""
        if self.out is None:
            return "\n".join(self.names)
        return _summary(self.out, self.status, self.cells)


def cells(
    *,
    region: str | Path | None = None,
    region_layer: str | None = None,
    bbox: BBoxLike | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> CellsResult:
    """List the cells of the grid that overlap a region, a box, or both if both are given.

    Args:
        region: Vector file with polygons in any coordinate system.
        region_layer: Layer of the region, for a file with several layers of polygons.
        bbox: Box in degrees: ``"W,S,E,N"``, four numbers or a ``BBox``.
        out: File to write. ``.parquet``, ``.geoparquet`` and ``.pq`` have the columns
            ``grid_cell``, ``lat``, ``lon`` (centre, degrees) and ``geometry`` (outline), ``.csv``
            has the first three, and a file with another suffix has one name per line. Nothing is
            written when None.
        overwrite: Whether to replace an output with another provenance.

    Returns:
        The cells, by grid row, then by column; with ``names``, and ``table`` and
        ``to_geopandas()`` in spatial order.

    Raises:
        InputError: If neither region nor box is given, one of them is unusable, or no cell
            overlaps.
        OutputExistsError: If ``out`` has another provenance and ``overwrite`` is false.
    """
    started = now()
    area, box = region_of(region, region_layer), as_bbox(bbox)
    found = cells_of_area(region=area, bbox=box)
    provenance = Provenance(
        command="cells",
        options={"bbox": box.as_list() if box else None, **(area.as_options() if area else {})},
        inputs={"region": area.sha256} if area else {},
    )
    if out is None:
        return CellsResult(out=None, status=IN_MEMORY, cells=found, provenance=provenance)
    path = path_of("out", out)
    content = None if is_parquet(path) else _as_text(found, path)
    with artefact(
        path,
        provenance,
        inputs=[Path(area.name)] if area else [],
        overwrite=overwrite,
        content=content,
        started=started,
    ) as made:
        if not made.up_to_date:
            if content is None:
                write_table(_outlines(found, provenance), made.path)
            else:
                made.path.write_bytes(content)
            made.run_details["summary"] = _summary(path, made.status, found)
    return CellsResult(out=path, status=made.status, cells=found, provenance=provenance)


def cells_of_area(*, region: Region | None = None, bbox: BBox | None = None) -> Cells:
    """Return the cells of the published grid whose bounds in degrees overlap an area.

    The cells are ordered by grid row, then by column. With a region and a box, a cell has to
    overlap both.

    Raises:
        InputError: If neither is given, or no cell overlaps.
    """
    if region is None and bbox is None:
        raise InputError(
            "expected --region or --bbox, found neither; for the whole grid give annotate the "
            "word grid"
        )
    grid = _rows_of(region, bbox)
    found = grid.take(touched(grid.bounds_deg(), region=region, bbox=bbox))
    if not len(found):
        places = [f"the region {region.name}"] if region else []
        places += [f"the box {bbox.as_list()}"] if bbox else []
        raise InputError(
            f"no cell overlaps {' and '.join(places)}; give an area between 85 degrees south and "
            "85 degrees north, where the grid has cells"
        )
    return found


def _rows_of(region: Region | None, bbox: BBox | None) -> Cells:
    """Return the cells of all rows that the area may overlap: usually a small part of the grid."""
    grid = whole_grid()
    south_deg, north_deg = (bbox.south, bbox.north) if bbox else (-90.0, 90.0)
    if region is not None:
        _, bottom_deg, _, top_deg = region.area.bounds
        south_deg, north_deg = max(south_deg, bottom_deg), min(north_deg, top_deg)
    first, last = np.floor(np.array([south_deg, north_deg]) * N_ROWS / 180)
    start, stop = np.searchsorted(grid.row, [first - 1, last + 2])
    return Cells(row=grid.row[start:stop], col=grid.col[start:stop])


def _outlines(found: Cells, provenance: Provenance) -> pa.Table:
    """Return the cells in spatial order, with their outlines."""
    import shapely

    found = found.take(spatial_order(*found.centres()))
    polygons = cell_polygons(found)
    wkb = pa.array(shapely.to_wkb(polygons), pa.binary())
    kinds = ["Polygon", "MultiPolygon"]  # a cell across the antimeridian has two parts
    bounds_deg = tuple(shapely.bounds(polygons).T)
    return geometry_table(_centres(found), wkb, provenance, kinds=kinds, bounds_deg=bounds_deg)


def _as_text(found: Cells, out: Path) -> bytes:
    if out.suffix.lower() == ".csv":
        return csv_bytes(_centres(found))
    return "\n".join([*found.names().tolist(), ""]).encode()


def _centres(found: Cells) -> pa.Table:
    lon_deg, lat_deg = found.centres()
    return pa.table({"grid_cell": found.names(), "lat": lat_deg, "lon": lon_deg})


def _summary(out: Path, status: str, found: Cells) -> dict[str, object]:
    return {"out": str(out), "status": status, "cells": len(found)}
