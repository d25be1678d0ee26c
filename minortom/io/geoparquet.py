"""GeoParquet tables of points or polygons, written with pyarrow alone.

A row is one geometry as WKB in EPSG:4326, longitude first (OGC:CRS84), and its bounding box. The
format is https://geoparquet.org/releases/v1.1.0/, which DuckDB, geopandas and QGIS read.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.io.covering import (
    BBOX,
    BBOX_TYPE,
    FloatArray,
    bbox_column,
    covering_metadata,
    is_covering,
    leaves,
)  # fmt: skip
from minortom.io.crs84 import PROJJSON
from minortom.io.provenance import KEY, Provenance

GEOMETRY = "geometry"
_ROW_GROUP_ROWS = 16 * 1024
"""Rows that a reader skips or reads together. Annotated cells: 1.6 million km²."""
# Their values hardly repeat: a dictionary would make them larger.
_WITHOUT_DICTIONARY = ("grid_cell", GEOMETRY, "lon", f"{BBOX}.xmin", f"{BBOX}.xmax")
Bounds: TypeAlias = tuple[FloatArray, FloatArray, FloatArray, FloatArray]
"""West, south, east and north of [n] geometries, degrees."""
_WKB_POINT = np.dtype([("order", "u1"), ("type", "<u4"), ("lon", "<f8"), ("lat", "<f8")])


def points_wkb(lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64]) -> pa.Array:
    """Return points as little-endian WKB, 21 bytes per point."""
    wkb = np.empty(len(lon_deg), _WKB_POINT)
    wkb["order"], wkb["type"], wkb["lon"], wkb["lat"] = 1, 1, lon_deg, lat_deg
    offsets = np.arange(len(wkb) + 1, dtype=np.int64) * _WKB_POINT.itemsize
    if offsets[-1] > np.iinfo(np.int32).max:
        return pa.LargeBinaryArray.from_buffers(
            pa.large_binary(), len(wkb), [None, pa.py_buffer(offsets), pa.py_buffer(wkb)]
        )
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(wkb)]
    return pa.BinaryArray.from_buffers(pa.binary(), len(wkb), buffers)


def points_table(
    table: pa.Table, provenance: Provenance, *, more: Mapping[str, str] | None = None
) -> pa.Table:
    """Return a table with ``bbox`` and ``geometry`` of its points, ready to be written.

    A geometry that the table has already is replaced.
    """
    lon_deg, lat_deg = table["lon"].to_numpy(), table["lat"].to_numpy()
    return geometry_table(
        table, points_wkb(lon_deg, lat_deg), provenance, kinds=["Point"],
        bounds_deg=(lon_deg, lat_deg, lon_deg, lat_deg), more=more,
    )  # fmt: skip


def geometry_table(
    table: pa.Table,
    wkb: pa.Array,
    provenance: Provenance,
    *,
    kinds: Sequence[str],
    bounds_deg: Bounds,
    more: Mapping[str, str] | None = None,
) -> pa.Table:
    """Return a table with ``bbox`` and ``geometry`` as its last columns, and its metadata.

    Args:
        table: One row per geometry.
        wkb: [n] geometries, degrees, longitude first.
        provenance: All that the content depends on.
        kinds: Types of the geometries, such as ``Polygon``.
        bounds_deg: West, south, east and north of each geometry, [n] each.
        more: Further metadata of the file, by key.
    """
    metadata = _metadata(provenance, kinds, total_box(bounds_deg)) | dict(more or {})
    return with_geometry(table, wkb, bounds_deg).replace_schema_metadata(metadata)


def with_geometry(table: pa.Table, wkb: pa.Array, bounds_deg: Bounds) -> pa.Table:
    """Return a table with ``bbox`` and ``geometry`` as its last columns, in place of its own.

    Raises:
        InputError: If the table has another column with the name ``bbox``.
    """
    table = without_geometry(table)
    refuse_other_bbox(table, "the table")
    table = table.append_column(pa.field(BBOX, BBOX_TYPE), bbox_column(*bounds_deg))
    return table.append_column(GEOMETRY, wkb)


def without_geometry(table: pa.Table) -> pa.Table:
    """Return a table without the columns that ``with_geometry`` adds, where it has them."""
    names = [field.name for field in table.schema if field.name == GEOMETRY or is_covering(field)]
    return table.drop_columns(names)


def refuse_other_bbox(table: pa.Table, name: str) -> None:
    """Check that a column with the name ``bbox`` is one that ``with_geometry`` adds.

    Raises:
        InputError: If it has another content.
    """
    others = [field for field in table.schema if field.name == BBOX and not is_covering(field)]
    if others:
        raise InputError(
            f"{name}: the column {BBOX} must have the bounding boxes of GeoParquet, found "
            f"{others[0].type}; rename it"
        )


def write_table(table: pa.Table, path: Path | pa.BufferOutputStream) -> None:
    """Write a table with ``geometry`` and its metadata, unchanged; the write is not atomic."""
    pq.write_table(table, path, row_group_size=_ROW_GROUP_ROWS, **_encodings(table.schema))


def _encodings(schema: pa.Schema) -> dict[str, Any]:
    """Return how Parquet stores the columns of a schema."""
    repeated = [name for name in leaves(schema) if name not in _WITHOUT_DICTIONARY]
    return {"compression": "zstd", "use_dictionary": repeated}


def box_of(table: pa.Table) -> list[float]:
    """Return west, south, east and north of ``lat`` and ``lon`` (degrees); empty without rows."""
    lon_deg, lat_deg = table["lon"].to_numpy(), table["lat"].to_numpy()
    return total_box((lon_deg, lat_deg, lon_deg, lat_deg))


def total_box(bounds_deg: Bounds) -> list[float]:
    """Return west, south, east and north of all boxes (degrees); empty without boxes."""
    if not len(bounds_deg[0]):
        return []
    west, south = (float(np.fmin.reduce(side)) for side in bounds_deg[:2])
    east, north = (float(np.fmax.reduce(side)) for side in bounds_deg[2:])
    return [west, south, east, north]


@contextmanager
def points_writer(
    schema: pa.Schema, path: Path, provenance: Provenance, *, box_deg: Sequence[float]
) -> Iterator[Callable[[pa.Table], None]]:
    """Write GeoParquet in parts; call the yielded function with one table after the other.

    The function adds ``geometry``, as ``points_table`` does. The write is not atomic: give the
    path that ``artefact`` or ``atomic_file`` yields.

    Args:
        schema: Schema of all tables, with ``lat`` and ``lon`` (degrees).
        path: The file to write.
        provenance: All that the content depends on.
        box_deg: West, south, east and north of all points that will be written.
    """
    empty = with_geometry(schema.empty_table(), pa.array([], pa.binary()), (np.empty(0),) * 4)
    stored = empty.schema.with_metadata(_metadata(provenance, ["Point"], box_deg))
    with pq.ParquetWriter(path, stored, **_encodings(stored)) as writer:

        def append(table: pa.Table) -> None:
            lon_deg, lat_deg = table["lon"].to_numpy(), table["lat"].to_numpy()
            bounds_deg = (lon_deg, lat_deg, lon_deg, lat_deg)
            table = with_geometry(table, points_wkb(lon_deg, lat_deg), bounds_deg)
            writer.write_table(table.cast(stored), row_group_size=_ROW_GROUP_ROWS)

        yield append


def _metadata(
    provenance: Provenance, kinds: Sequence[str], box_deg: Sequence[float]
) -> dict[str, str]:
    return geo_metadata(kinds, box_deg) | {KEY: provenance.to_json()}


def geo_metadata(kinds: Sequence[str], box_deg: Sequence[float]) -> dict[str, str]:
    """Return the metadata of GeoParquet: types of the geometries, and their bounding box."""
    column: dict[str, object] = {
        "encoding": "WKB", "geometry_types": [*kinds], "crs": PROJJSON, "edges": "planar",
        "covering": covering_metadata(),
    }  # fmt: skip
    column |= {"bbox": [*box_deg]} if box_deg else {}
    geo = {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
    return {"geo": json.dumps(geo)}
