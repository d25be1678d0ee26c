"""Tables in memory in the place of files: pyarrow tables and GeoDataFrames.

A public function that reads a GeoParquet file takes its table as well. The hash of such a table
is that of its file, so that an output has the same provenance and the same bytes either way.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from minortom.errors import InputError
from minortom.io.geoparquet import CRS, GEOMETRY, checked, geo_metadata, read_table, write_table
from minortom.io.provenance import KEY


def as_table(source: object, columns: Sequence[str] | None = None, *, made_by: str) -> pa.Table:
    """Return a table from a file, or one in memory, with the checks of ``read_table``.

    Args:
        source: A path (``str`` or ``Path``), a ``pyarrow.Table`` or a ``GeoDataFrame``.
        columns: Names that must exist; only these are taken. All when None.
        made_by: The command that makes such a table, for the error message.

    Raises:
        InputError: As ``read_table`` does, and if ``source`` is of another type.
    """
    if isinstance(source, str | Path):
        return read_table(Path(source), columns, made_by=made_by)
    table = in_memory(source)
    if table is None:
        raise InputError(
            f"expected a path, a pyarrow.Table or a GeoDataFrame, found {type(source).__name__}; "
            f"give the output of `{made_by}`"
        )
    return checked(table, columns, name="the table", made_by=made_by)


def in_memory(source: object) -> pa.Table | None:
    """Return a ``pyarrow.Table``, or a data frame as one; None of any other type.

    The geometries of a ``GeoDataFrame`` become WKB in degrees, and its provenance is taken from
    ``attrs``, where ``to_geopandas`` puts it.
    """
    if isinstance(source, pa.Table):
        return source
    pandas: Any = sys.modules.get("pandas")  # not loaded: then nothing is a data frame
    if pandas is None or not isinstance(source, pandas.DataFrame):
        return None
    frame: Any = source
    metadata = {KEY: frame.attrs[KEY]} if KEY in frame.attrs else {}
    if getattr(frame, "active_geometry_name", None) is not None:
        points = frame.geometry if frame.crs is None else frame.geometry.to_crs(CRS)
        kinds = sorted(points.geom_type.unique())
        box_deg = points.total_bounds.tolist() if len(points) else []
        metadata = geo_metadata(kinds, box_deg) | metadata
        frame = pandas.DataFrame(frame.drop(columns=frame.geometry.name))
        frame[GEOMETRY] = points.to_wkb()
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except pa.ArrowException as error:
        found = str(error).splitlines()[0]
        raise InputError(f"expected a data frame with one type per column ({found})") from None
    schema = pa.schema([(field.name, _stored_type(field.type)) for field in table.schema])
    return table.cast(schema).replace_schema_metadata(metadata)


def _stored_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that our files have where pandas has its own for the same values."""
    if pa.types.is_dictionary(kind):
        return pa.dictionary(pa.int32(), _stored_type(kind.value_type))
    return pa.string() if pa.types.is_large_string(kind) else kind


def to_geopandas(table: pa.Table) -> Any:  # noqa: ANN401 - geopandas has no types
    """Return a table with ``geometry`` as a ``GeoDataFrame``, its provenance in ``attrs``.

    The frame is what ``geopandas.read_parquet`` reads of the file.
    """
    import geopandas

    frame = table.drop_columns([GEOMETRY]).to_pandas(ignore_metadata=True)
    points = geopandas.GeoSeries.from_wkb(table[GEOMETRY].to_numpy(), crs=CRS)
    frame = geopandas.GeoDataFrame(frame, geometry=points)
    stored = (table.schema.metadata or {}).get(KEY.encode())
    frame.attrs = {} if stored is None else {KEY: stored.decode()}
    return frame


def table_bytes(table: pa.Table) -> pa.Buffer:
    """Return the bytes of the Parquet file that writing a table gives."""
    stream = pa.BufferOutputStream()
    write_table(table, stream)
    return stream.getvalue()


def table_sha256(table: pa.Table) -> str:
    """Return the SHA-256 of the Parquet file that writing a table gives."""
    return hashlib.sha256(table_bytes(table)).hexdigest()


def table_provenance(table: pa.Table) -> dict[str, object] | None:
    """Return the provenance record in a table's metadata; None if it has none."""
    stored = (table.schema.metadata or {}).get(KEY.encode())
    try:
        found = None if stored is None else json.loads(stored)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
