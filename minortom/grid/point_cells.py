"""Cells of points: ``minortom locate``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minortom.api.arguments import number, path_of
from minortom.api.results import NOT_IN_JSON, Result, Shown
from minortom.errors import InputError
from minortom.grid.cell_lists import COLUMN
from minortom.grid.cells import cells_at
from minortom.io.artefact import artefact
from minortom.io.coordinates import with_coordinates
from minortom.io.memory_tables import in_memory, table_sha256
from minortom.io.provenance import KEY, Provenance, sha256_of
from minortom.io.table_result import IN_MEMORY
from minortom.io.tables import csv_bytes, is_parquet, read_any_table
from minortom.io.up_to_date import now

_COORDINATES = ("lat", "lon")
_EXPECTED = "expected a CSV or Parquet file with the columns lat and lon"


@dataclass(frozen=True, kw_only=True, eq=False)
class PointCell(Result):
    """Cell of one point."""

    cell: Mapping[str, object]
    """``grid_cell``; ``lat`` and ``lon`` of its centre; ``west``, ``south``, ``east`` and
    ``north`` edges. Degrees."""

    @property
    def name(self) -> str:
        """Return the name of the cell."""
        return str(self.cell[COLUMN])

    def as_dict(self) -> dict[str, object]:
        """Return the name, the centre and the edges."""
        return dict(self.cell)

    def shown(self) -> Shown:
        """Return the same with all digits."""
        return {key: str(value) for key, value in self.cell.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class PointCells(Result):
    """Cells of a table of points."""

    out: Path | None
    """The file; None where nothing was written."""
    status: str
    """``written``, ``up to date`` or ``in memory``."""
    located: pa.Table = field(repr=False, metadata=NOT_IN_JSON)
    """The input with the column ``grid_cell``; of CSV all columns are text."""
    provenance: Provenance = field(repr=False, metadata=NOT_IN_JSON)

    @property
    def names(self) -> list[str]:
        """Return the name of each point's cell."""
        names: list[str] = self.located[COLUMN].to_pylist()
        return names

    @cached_property
    def table(self) -> pa.Table:
        """The table of a Parquet file of the points: coordinates are numbers."""
        return _as_stored(self.located, self.provenance)

    def as_dict(self) -> Any:  # noqa: ANN401 - a list of rows, or the summary of a file
        """Return rows with lat, lon, grid_cell; the summary of the file where one was written."""
        if self.out is not None:
            return _summary(self.out, self.status, self.located)
        return _with_numbers(self.located).select([*_COORDINATES, COLUMN]).to_pylist()

    def shown(self) -> Shown:
        """Return the table as CSV; the summary of the file where one was written."""
        if self.out is not None:
            return _summary(self.out, self.status, self.located)
        return csv_bytes(self.located).decode().removesuffix("\n")


def locate(
    *,
    lat: float | None = None,
    lon: float | None = None,
    points: str | Path | pa.Table | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
) -> PointCell | PointCells:
    """Find the cell that contains a point, or add the column ``grid_cell`` to a table of points.

    Args:
        lat: Latitude in degrees, -90 to 90.
        lon: Longitude in degrees, -180 to 180.
        points: Instead of one point, a CSV or Parquet file with the columns ``lat`` and ``lon``
            (degrees), or such a table in memory (``pyarrow.Table`` or data frame).
        out: File for the points: Parquet if the suffix is ``.parquet``, ``.geoparquet`` or
            ``.pq``, else CSV. Nothing is written when None.
        overwrite: Whether to replace an output with another provenance.

    Returns:
        The cell of the point, or the table of points with their cells.

    Raises:
        InputError: If neither a point nor a table is given, the table cannot be read, does not
            have each column exactly once, or has ``grid_cell`` already, or a coordinate is out
            of range.
        OutputExistsError: If ``out`` has another provenance and ``overwrite`` is false.
    """
    if points is None and lat is not None and lon is not None and out is None:
        return locate_point(number("lon", lon), number("lat", lat))
    if points is None or lat is not None or lon is not None:
        raise InputError(
            "expected --lat and --lon, or --points FILE; --out works with --points only"
        )
    started = now()
    table = in_memory(points)
    inputs = [path_of("points", points)] if table is None else []
    source = with_coordinates(
        read_any_table(inputs[0], expected=_EXPECTED) if table is None else table
    )
    located = _with_cells(source, "the table" if table is not None else str(inputs[0]))
    sha256 = sha256_of(inputs[0]) if inputs else table_sha256(source)
    provenance = Provenance(command="locate", options={}, inputs={"points": sha256})
    if out is None:
        return PointCells(out=None, status=IN_MEMORY, located=located, provenance=provenance)
    path = path_of("out", out)
    content = None if is_parquet(path) else csv_bytes(located)
    with artefact(
        path, provenance, inputs=inputs, overwrite=overwrite, content=content, started=started
    ) as made:
        if not made.up_to_date:
            if content is None:
                pq.write_table(_as_stored(located, provenance), made.path, compression="zstd")
            else:
                made.path.write_bytes(content)
            made.run_details["summary"] = _summary(path, made.status, located)
    return PointCells(out=path, status=made.status, located=located, provenance=provenance)


def locate_point(lon_deg: float, lat_deg: float) -> PointCell:
    """Return the cell that contains a point.

    Raises:
        InputError: If the longitude is not from -180 to 180, or the latitude from -90 to 90.
    """
    cell = cells_at(lon_deg, lat_deg)
    (lon,), (lat,) = cell.centres()
    edges = (float(edge[0]) for edge in cell.bounds_deg())
    place = {COLUMN: str(cell.names()[0]), "lat": float(lat), "lon": float(lon)}
    edges_by_name = dict(zip(("west", "south", "east", "north"), edges, strict=True))
    return PointCell(cell=place | edges_by_name)


def _with_cells(table: pa.Table, label: str) -> pa.Table:
    """Append ``grid_cell`` to a table with ``lat`` and ``lon`` (degrees)."""
    missing = [name for name in _COORDINATES if table.column_names.count(name) != 1]
    if missing or COLUMN in table.column_names:
        expected = f"one column {missing[0]}" if missing else f"no column {COLUMN} yet"
        found = ", ".join(table.column_names[:12])
        raise InputError(
            f"expected {expected} in {label}, found the columns {found}; rename the columns"
        )
    lat_deg, lon_deg = (degrees_of(table[name], name, label) for name in _COORDINATES)
    try:
        cells = cells_at(lon_deg, lat_deg)
    except InputError as error:
        raise InputError(f"{label}: {error}") from None
    return table.append_column(COLUMN, pa.array(cells.names(), pa.string()))


def _as_stored(located: pa.Table, provenance: Provenance) -> pa.Table:
    table = _with_numbers(located)
    metadata = {**(table.schema.metadata or {}), KEY: provenance.to_json()}
    return table.replace_schema_metadata(metadata)


def _with_numbers(table: pa.Table) -> pa.Table:
    """Return a table whose coordinates are numbers; those of a CSV file are text."""
    for name in _COORDINATES:
        place = table.column_names.index(name)
        table = table.set_column(place, name, _as_numbers(table[name]))
    return table


def degrees_of(column: pa.ChunkedArray, name: str, label: str) -> NDArray[np.float64]:
    """Return a column of degrees as numbers, NaN where it is empty.

    Raises:
        InputError: If a value is no number.
    """
    try:
        degrees = _as_numbers(column).to_numpy()
    except pa.ArrowException as error:
        found = str(error).splitlines()[0]
        raise InputError(
            f"expected degrees in the column {name} of {label}, found another value ({found})"
        ) from None
    return np.asarray(degrees, np.float64)


def _as_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as doubles; text may have a decimal comma, and empty text is null."""
    if pa.types.is_string(column.type):
        column = pc.replace_substring(pc.utf8_trim_whitespace(column), ",", ".")
        column = pc.if_else(pc.equal(column, ""), None, column)
    return column.cast(pa.float64())


def _summary(out: Path, status: str, located: pa.Table) -> dict[str, object]:
    cells = len(pc.unique(located[COLUMN]))
    return {"out": str(out), "status": status, "points": len(located), "cells": cells}
