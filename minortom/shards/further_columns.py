"""Further metadata columns of shards: numbers and classes of the tile, taken from a selection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

RECORD = "metadata_columns"
"""Entry of ``dataset.json`` that describes them; data sets without such columns do not have it."""
_TYPES = ("string", "double", "float", "int8", "int16", "int32", "int64", "uint8", "uint16",
          "uint32", "uint64")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FurtherColumn:
    """A column with one value a tile.

    Raises:
        ValueError: If the type is not one that shards can have.
    """

    name: str
    type_name: str
    """Name of the type in Arrow, such as ``double``."""
    unit: str | None = None
    """Unit of a number, such as ``m``."""

    def __post_init__(self) -> None:
        if self.type_name not in _TYPES:
            raise ValueError(f"expected the type {', '.join(_TYPES)}, found {self.type_name}")

    @property
    def field(self) -> pa.Field:
        """Return the field of a shard's schema; floating-point numbers may be null."""
        kind = pa.type_for_alias(self.type_name)
        return pa.field(self.name, kind, nullable=pa.types.is_floating(kind))

    def as_record(self) -> dict[str, str]:
        """Return the entry of ``dataset.json``."""
        unit = {} if self.unit is None else {"unit": self.unit}
        return {"name": self.name, "type": self.type_name, **unit}


def further_records(columns: Sequence[FurtherColumn]) -> dict[str, object]:
    """Return the part of ``dataset.json`` about further columns; empty without such columns."""
    return {RECORD: [column.as_record() for column in columns]} if columns else {}


def further_in(record: Mapping[str, Any]) -> tuple[FurtherColumn, ...]:
    """Return the further columns that ``dataset.json`` describes.

    Raises:
        ValueError: If one has another type.
    """
    return tuple(
        FurtherColumn(name=entry["name"], type_name=entry["type"], unit=entry.get("unit"))
        for entry in record.get(RECORD) or ()
    )
