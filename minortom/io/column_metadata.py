"""Metadata of columns: unit and source of a number, and which whole numbers name classes."""

import json
from collections.abc import Sequence

import pyarrow as pa

from minortom.io.parse import parse_json

CLASSES_KEY = "minortom_classes"
"""Key of a Parquet file's metadata: JSON list of the columns whose whole numbers name classes."""
_UNIT, _SOURCE = b"unit", b"source"
"""Keys of the metadata of one column (of the Arrow schema that Parquet stores)."""


def number_field(name: str, kind: pa.DataType, *, unit: str | None, source: str | None) -> pa.Field:
    """Return the field of a column of numbers, with unit and source in its metadata."""
    stored = {_UNIT: unit, _SOURCE: source}
    known = {key: text for key, text in stored.items() if text}
    return pa.field(name, kind, metadata=known or None)


def unit_of(field: pa.Field) -> str | None:
    """Return the unit of a column, such as ``m``; None if it is not known."""
    return _text(field, _UNIT)


def source_of(field: pa.Field) -> str | None:
    """Return the source of a column, such as ``table 1: elevation``; None if it is not known."""
    return _text(field, _SOURCE)


def classes_metadata(columns: Sequence[str]) -> dict[str, str]:
    """Return the metadata of a file that says which columns of whole numbers name classes.

    ``minortom annotate --table`` makes descriptors of these columns.
    """
    return {CLASSES_KEY: json.dumps([*columns], ensure_ascii=False)}


def class_columns_in(schema: pa.Schema) -> tuple[str, ...]:
    """Return the columns that the metadata of a file name as classes; none without metadata."""
    stored = (schema.metadata or {}).get(CLASSES_KEY.encode())
    try:
        found = None if stored is None else parse_json(stored)
    except ValueError:
        return ()
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _text(field: pa.Field, key: bytes) -> str | None:
    stored = (field.metadata or {}).get(key)
    return None if stored is None else stored.decode("utf-8", "replace")
