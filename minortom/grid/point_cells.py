"""The cells that hold points: of one point, or of a table of them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.grid.cell_lists import COLUMN
from minortom.grid.cells import cells_at
from minortom.io.atomic_write import whole_file
from minortom.io.provenance import KEY, Provenance, sha256_of
from minortom.io.tables import csv_bytes, is_parquet, read_any_table, write_bytes
from minortom.io.up_to_date import is_up_to_date, now, status, write_run_record

_COORDINATES = ("lat", "lon")


def locate_point(lon_deg: float, lat_deg: float) -> dict[str, object]:
    """Name the cell that holds a point, with its centre and its edges in degrees.

    Raises:
        InputError: If the point is none: longitude from -180 to 180, latitude from -90 to 90.
    """
    cell = cells_at(lon_deg, lat_deg)
    (lon,), (lat,) = cell.centres()
    edges = (float(edge[0]) for edge in cell.bounds_deg())
    place = {COLUMN: str(cell.names()[0]), "lat": float(lat), "lon": float(lon)}
    return place | dict(zip(("west", "south", "east", "north"), edges, strict=True))


def locate_points(path: Path) -> pa.Table:
    """Read a table with ``lat`` and ``lon`` (degrees) and append ``grid_cell``.

    Raises:
        InputError: If it cannot be read, lacks a column, has cells already, or holds a
            coordinate that is none.
    """
    table = read_any_table(path)
    missing = [name for name in _COORDINATES if table.column_names.count(name) != 1]
    if missing or COLUMN in table.column_names:
        wanted = f"one column {missing[0]}" if missing else f"no column {COLUMN} yet"
        found = ", ".join(table.column_names[:12])
        raise InputError(f"{path} has the columns {found}; wanted {wanted}, so rename some")
    lat_deg, lon_deg = (_degrees(table[name], name, path) for name in _COORDINATES)
    try:
        cells = cells_at(lon_deg, lat_deg)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return table.append_column(COLUMN, pa.array(cells.names(), pa.string()))


def located_rows(path: Path) -> list[dict[str, object]]:
    """Give lat, lon and grid_cell of each point of ``locate_points``."""
    rows: list[dict[str, object]]
    rows = _with_numbers(locate_points(path)).select([*_COORDINATES, COLUMN]).to_pylist()
    return rows


def located_csv(path: Path) -> str:
    """Give the table of ``locate_points`` as CSV text."""
    return csv_bytes(locate_points(path)).decode()


def write_located(path: Path, out: Path, *, overwrite: bool = False) -> dict[str, object]:
    """Write the table of ``locate_points``: Parquet where ``out`` is called so, else CSV.

    Raises:
        InputError: As ``locate_points`` does.
        OutputExistsError: If another output is there and ``overwrite`` is false.
    """
    started = now()
    table = locate_points(path)
    provenance = Provenance(command="locate", options={}, inputs={"points": sha256_of(path)})
    if is_parquet(out):
        there = is_up_to_date(out, provenance, inputs=[path], overwrite=overwrite)
        if not there:
            _write_parquet(table, out, provenance)
    else:
        there = write_bytes(out, csv_bytes(table), provenance, inputs=[path], overwrite=overwrite)
    cells = len(pc.unique(table[COLUMN]))
    summary = {"out": str(out), "status": status(there), "points": len(table), "cells": cells}
    if not there:
        write_run_record(out, started, summary=summary)
    return summary


def _write_parquet(table: pa.Table, out: Path, provenance: Provenance) -> None:
    table = _with_numbers(table)
    metadata = {**(table.schema.metadata or {}), KEY: provenance.to_json()}
    with whole_file(out) as temporary:
        pq.write_table(table.replace_schema_metadata(metadata), temporary, compression="zstd")


def _with_numbers(table: pa.Table) -> pa.Table:
    """Hold the coordinates, which are text where they come from CSV, as numbers."""
    for name in _COORDINATES:
        place = table.column_names.index(name)
        table = table.set_column(place, name, table[name].cast(pa.float64()))
    return table


def _degrees(column: pa.ChunkedArray, name: str, path: Path) -> NDArray[np.float64]:
    if pa.types.is_string(column.type):  # of CSV, where a missing value is an empty one
        column = pc.if_else(pc.equal(pc.utf8_trim_whitespace(column), ""), None, column)
    try:
        degrees = column.cast(pa.float64()).to_numpy()
    except pa.ArrowException as error:
        found = str(error).splitlines()[0]
        raise InputError(f"{path}: wanted degrees in the column {name} ({found})") from None
    return np.asarray(degrees, np.float64)
