"""The cells of an area: names, or a file of their outlines."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from minortom.errors import InputError
from minortom.grid.bbox import BBox
from minortom.grid.cells import N_ROWS, Cells, whole_grid
from minortom.grid.footprints import cell_polygons
from minortom.grid.regions import Region, touched
from minortom.io.geoparquet import write_geometries
from minortom.io.provenance import Provenance
from minortom.io.tables import csv_bytes, is_parquet, write_bytes
from minortom.io.up_to_date import is_up_to_date, now, status, write_run_record


@dataclass(frozen=True, kw_only=True)
class AreaSummary:
    """What came of listing the cells of an area."""

    out: Path
    up_to_date: bool
    """The file was there already, made from the same; it was left as it is."""
    cells: int

    def as_dict(self) -> dict[str, object]:
        """Give what is known, for printing."""
        return {"out": str(self.out), "status": status(self.up_to_date), "cells": self.cells}


def cells_of_area(*, region: Region | None = None, bbox: BBox | None = None) -> Cells:
    """Find the cells of the published grid whose box of degrees overlaps the area.

    They are ordered by grid row, then by column. With a region and a box, both are overlapped.

    Raises:
        InputError: If there is neither, or no such cell.
    """
    if region is None and bbox is None:
        raise InputError("wanted --region or --bbox; the whole grid is the word grid, as CELLS")
    grid = _rows_of(region, bbox)
    cells = grid.take(touched(grid.bounds_deg(), region=region, bbox=bbox))
    if not len(cells):
        places = [f"the region {region.name}"] if region else []
        places += [f"the box {bbox.as_list()}"] if bbox else []
        raise InputError(
            f"no cell overlaps {' and '.join(places)}; the grid goes from 85 degrees south to 85 "
            "degrees north"
        )
    return cells


def write_cells_of_area(
    out: Path,
    *,
    region_path: Path | None = None,
    bbox: BBox | None = None,
    overwrite: bool = False,
) -> AreaSummary:
    """Write the cells of an area: GeoParquet with their outlines, CSV, or a name a line.

    Args:
        out: The file; its suffix says what it becomes: ``.parquet`` or ``.geoparquet`` with the
            columns grid_cell, lat, lon (centre, degrees) and geometry, ``.csv`` with the first
            three, else text.
        region_path: As ``Region.read`` takes it.
        bbox: A box.
        overwrite: Replace an output that was made otherwise.

    Raises:
        InputError: If the area is none, or has no cell.
        OutputExistsError: If another output is there and ``overwrite`` is false.
    """
    started = now()
    region = Region.read(region_path) if region_path else None
    cells = cells_of_area(region=region, bbox=bbox)
    provenance = Provenance(
        command="cells",
        options={"bbox": bbox.as_list() if bbox else None},
        inputs={"region": region.sha256} if region else {},
    )
    inputs = [region_path] if region_path else []
    if is_parquet(out):
        there = is_up_to_date(out, provenance, inputs=inputs, overwrite=overwrite)
        if not there:
            _write_outlines(cells, out, provenance)
    else:
        text = "\n".join([*cells.names().tolist(), ""]).encode()
        content = csv_bytes(_table(cells)) if out.suffix.lower() == ".csv" else text
        there = write_bytes(out, content, provenance, inputs=inputs, overwrite=overwrite)
    summary = AreaSummary(out=out, up_to_date=there, cells=len(cells))
    if not there:
        write_run_record(out, started, summary=summary.as_dict())
    return summary


def _rows_of(region: Region | None, bbox: BBox | None) -> Cells:
    """Give the cells of all rows that the area may overlap, which for most is far fewer."""
    grid = whole_grid()
    south_deg, north_deg = (bbox.south, bbox.north) if bbox else (-90.0, 90.0)
    if region is not None:
        _, bottom_deg, _, top_deg = region.area.bounds
        south_deg, north_deg = max(south_deg, bottom_deg), min(north_deg, top_deg)
    first, last = np.floor(np.array([south_deg, north_deg]) * N_ROWS / 180)
    start, stop = np.searchsorted(grid.row, [first - 1, last + 2])
    return Cells(row=grid.row[start:stop], col=grid.col[start:stop])


def _write_outlines(cells: Cells, out: Path, provenance: Provenance) -> None:
    import shapely

    polygons = cell_polygons(cells)
    wkb = pa.array(shapely.to_wkb(polygons), pa.binary())
    kinds = ["Polygon", "MultiPolygon"]  # in two parts at the antimeridian
    box_deg = shapely.total_bounds(polygons).tolist()
    write_geometries(_table(cells), wkb, out, provenance, kinds=kinds, box_deg=box_deg)


def _table(cells: Cells) -> pa.Table:
    lon_deg, lat_deg = cells.centres()
    return pa.table({"grid_cell": cells.names(), "lat": lat_deg, "lon": lon_deg})
