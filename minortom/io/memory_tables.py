"""Tables in memory in the place of files: pyarrow tables and GeoDataFrames.

A public function that reads a GeoParquet file takes its table as well. The hash of such a table
is that of its file, so that an output has the same provenance and the same bytes either way.
"""

import hashlib
import sys
from typing import Any

import pyarrow as pa

from minortom.errors import InputError
from minortom.io.crs84 import CRS
from minortom.io.geoparquet import (
    GEOMETRY,
    geo_metadata,
    total_box,
    with_geometry,
    without_geometry,
    write_table,
)  # fmt: skip
from minortom.io.parse import parse_json
from minortom.io.plain_types import with_plain_types
from minortom.io.provenance import KEY


def no_table(name: str, source: object, *, made_by: str) -> InputError:
    """Return the error about an argument that is neither a path nor a table.

    Args:
        name: Name of the argument.
        source: The argument.
        made_by: The command that makes such a table.
    """
    found = type(source).__name__
    has_table = isinstance(getattr(source, "table", None), pa.Table)
    advice = f"give the .table of this {found}" if has_table else f"give the output of `{made_by}`"
    return InputError(
        f"{name} must be a path, a pyarrow.Table or a GeoDataFrame, found {found}; {advice}"
    )


def in_memory(source: object) -> pa.Table | None:
    """Return a ``pyarrow.Table``, or a data frame as one; None of any other type.

    The geometries of a ``GeoDataFrame`` become WKB in degrees, and its provenance is taken from
    ``attrs``, where ``to_geopandas`` puts it. Levels of the index that have a name become columns.

    Raises:
        InputError: If two columns have the same name, or a column has values of several types.
    """
    if isinstance(source, pa.Table):
        return with_plain_types(source)
    pandas: Any = sys.modules.get("pandas")  # not loaded: then nothing is a data frame
    if pandas is None or not isinstance(source, pandas.DataFrame):
        return None
    frame: Any = source
    levels = [name for name in frame.index.names if name is not None]
    repeated = [name for name in levels if name in frame]
    repeated += frame.columns[frame.columns.duplicated()].tolist()
    if repeated:
        raise InputError(
            f"expected a data frame with each column once, found {repeated[0]} more than once; "
            "rename or drop one"
        )
    frame = frame.reset_index(level=levels) if levels else frame
    metadata = {KEY: frame.attrs[KEY]} if KEY in frame.attrs else {}
    if getattr(frame, "active_geometry_name", None) is None:
        return _plain_table(frame).replace_schema_metadata(metadata)
    shapes = frame.geometry if frame.crs is None else frame.geometry.to_crs(CRS)
    table = _plain_table(pandas.DataFrame(frame.drop(columns=frame.geometry.name)))
    bounds_deg = tuple(shapes.bounds.to_numpy().T)
    table = with_geometry(table, pa.array(shapes.to_wkb(), pa.binary()), bounds_deg)
    kinds = sorted(shapes.geom_type.unique())
    return table.replace_schema_metadata(geo_metadata(kinds, total_box(bounds_deg)) | metadata)


def _plain_table(frame: Any) -> pa.Table:  # noqa: ANN401 - pandas may not be loaded
    """Return a data frame as a table with the types that our files have."""
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except pa.ArrowException as error:
        found = "; ".join(str(part) for part in error.args)
        raise InputError(
            "expected a data frame with plain values of one type in each column; drop or convert "
            f"the others ({found})"
        ) from None
    schema = pa.schema([(field.name, _stored_type(field.type)) for field in table.schema])
    return table.cast(schema)


def _stored_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that our files have where pandas has its own for the same values."""
    if pa.types.is_dictionary(kind):
        return pa.dictionary(pa.int32(), _stored_type(kind.value_type))
    is_text = pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return pa.string() if is_text else kind


def to_geopandas(table: pa.Table) -> Any:  # noqa: ANN401 - geopandas has no types
    """Return a table with ``geometry`` as a ``GeoDataFrame``, its provenance in ``attrs``.

    The frame is what ``geopandas.read_parquet`` reads of the file.
    """
    import geopandas

    frame = without_geometry(table).to_pandas(ignore_metadata=True)
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
        found = None if stored is None else parse_json(stored)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
