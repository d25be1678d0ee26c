"""GeoParquet tables of points: written and read with pyarrow alone.

One row a point, EPSG:4326 (longitude, latitude order: OGC:CRS84), geometry as WKB:
https://geoparquet.org/releases/v1.1.0/. Opens in DuckDB, geopandas and QGIS.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.outputs import whole_file
from minortom.provenance import KEY, Provenance

GEOMETRY = "geometry"
_WKB_POINT = np.dtype([("order", "u1"), ("type", "<u4"), ("lon", "<f8"), ("lat", "<f8")])


def points_wkb(lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64]) -> pa.Array:
    """Encode points as little-endian WKB, one 21-byte value a point."""
    wkb = np.empty(len(lon_deg), _WKB_POINT)
    wkb["order"], wkb["type"], wkb["lon"], wkb["lat"] = 1, 1, lon_deg, lat_deg
    offsets = np.arange(len(wkb) + 1, dtype=np.int64) * _WKB_POINT.itemsize
    if offsets[-1] > np.iinfo(np.int32).max:
        return pa.LargeBinaryArray.from_buffers(
            pa.large_binary(), len(wkb), [None, pa.py_buffer(offsets), pa.py_buffer(wkb)]
        )
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(wkb)]
    return pa.BinaryArray.from_buffers(pa.binary(), len(wkb), buffers)


def write_points(table: pa.Table, out: Path, provenance: Provenance) -> None:
    """Write a table with ``lat`` and ``lon`` (degrees) as GeoParquet; adds ``geometry``, last.

    The file appears whole or not at all, and holds ``provenance`` under the key ``minortom``.
    """
    lon_deg, lat_deg = table["lon"].to_numpy(), table["lat"].to_numpy()
    table = table.append_column(GEOMETRY, points_wkb(lon_deg, lat_deg))
    box = (
        [float(v) for a in (np.min, np.max) for v in (a(lon_deg), a(lat_deg))] if len(table) else []
    )
    column = {"encoding": "WKB", "geometry_types": ["Point"], **({"bbox": box} if box else {})}
    geo = {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
    table = table.replace_schema_metadata({"geo": json.dumps(geo), KEY: provenance.to_json()})
    with whole_file(out) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=128 * 1024)


def read_table(path: Path, columns: Sequence[str] | None, *, made_by: str) -> pa.Table:
    """Read columns of a Parquet file (all when None), checking that they are there.

    Args:
        path: The file.
        columns: Names that must be there; only these are read.
        made_by: The command that makes such a file, for the error message.

    Raises:
        InputError: If the file is missing, no Parquet file, empty, or lacks a column.
    """
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; make it with `{made_by}`") from None
    except (OSError, pa.ArrowException) as error:
        found = str(error).splitlines()[0]
        raise InputError(
            f"{path} is no readable Parquet file ({found}); wanted the output of `{made_by}`"
        ) from None
    with file:
        present = file.schema_arrow.names
        missing = [name for name in columns or () if name not in present]
        if missing:
            raise InputError(
                f"{path} lacks the column {', '.join(missing)}; it has {', '.join(present)}; "
                f"wanted the output of `{made_by}`"
            )
        try:
            table = file.read(columns=None if columns is None else list(columns))
        except (OSError, pa.ArrowException) as error:
            found = str(error).splitlines()[0]
            raise InputError(
                f"{path} is damaged ({found}); make it again with `{made_by}`"
            ) from None
    if not len(table):
        raise InputError(f"{path} has no rows; wanted the output of `{made_by}`")
    return table
