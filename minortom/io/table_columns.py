"""GeoParquet tables that commands read: the columns they need, and the types of known columns."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.errors import InputError
from minortom.io.plain_types import with_plain_types

_TEXTS = ("grid_cell", "climate", "landcover", "stratum", "role", "split", "sensor")
_DEGREES = ("lat", "lon")
_CODES = ("climate_code", "landcover_code")


def read_table(path: Path, columns: Sequence[str] | None, *, made_by: str) -> pa.Table:
    """Read columns of a Parquet file (all when None) and check their types.

    Other tools write the same values with other types. Every type of text becomes ``string`` in
    ``grid_cell``, and every type of number becomes ``double`` in ``lat`` and ``lon``.

    Args:
        path: The file.
        columns: Names that must exist; only these are read.
        made_by: The command that makes such a file, for the error message.

    Raises:
        InputError: If the file is missing, is not a Parquet file or has no rows; if a column is
            missing, exists twice or has another type; or if a row has no ``grid_cell``.
    """
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; make it with `{made_by}`") from None
    except (OSError, pa.ArrowException) as error:
        found = str(error).splitlines()[0]
        raise InputError(
            f"expected a Parquet file, the output of `{made_by}`; cannot read {path} ({found})"
        ) from None
    with file:
        read = _existing_columns(file.schema_arrow.names, columns, str(path), made_by)
        try:
            table = file.read(columns=read)
        except (OSError, pa.ArrowException) as error:
            found = str(error).splitlines()[0]
            raise InputError(
                f"{path} is damaged ({found}); make it again with `{made_by}`"
            ) from None
    return _as_known(table, str(path), made_by)


def checked(table: pa.Table, columns: Sequence[str] | None, *, name: str, made_by: str) -> pa.Table:
    """Return columns of a table in memory (all when None), with the checks of ``read_table``.

    Args:
        table: The table.
        columns: Names that must exist; only these are taken.
        name: What the error messages call the table.
        made_by: The command that makes such a table, for the error message.

    Raises:
        InputError: As ``read_table`` does.
    """
    expected = _existing_columns(table.column_names, columns, name, made_by)
    return _as_known(table.select(expected), name, made_by)


def _existing_columns(
    present: Sequence[str], columns: Sequence[str] | None, name: str, made_by: str
) -> list[str]:
    """Return the columns to read, each of which exists once."""
    missing = [column for column in columns or () if column not in present]
    if missing:
        raise InputError(
            f"{name} must have the column {', '.join(missing)}, found {', '.join(present)}; give "
            f"the output of `{made_by}`"
        )
    read = list(present if columns is None else columns)
    twice = sorted({column for column in read if present.count(column) > 1})
    if twice:
        raise InputError(
            f"{name} has the column {', '.join(twice)} more than once; give the output of "
            f"`{made_by}`"
        )
    return read


def _as_known(table: pa.Table, path: str, made_by: str) -> pa.Table:
    """Check the types of known columns; return cells as text and degrees as doubles."""
    table = with_plain_types(table)
    if not len(table):
        raise InputError(f"{path} has no rows; give the output of `{made_by}`")
    kinds: tuple[tuple[Sequence[str], Callable[[pa.DataType], bool], str], ...] = (
        (_TEXTS, is_text, "text"),
        (_DEGREES, is_number, "numbers"),
        (_CODES, pa.types.is_integer, "whole numbers"),
    )
    for names, fits, expected in kinds:
        for name in (name for name in names if name in table.column_names):
            found = table.schema.field(name).type
            if not (fits(found) or pa.types.is_null(found)):
                raise InputError(
                    f"{path}: the column {name} must have {expected}, found {found}; give the "
                    f"output of `{made_by}`"
                )
    for name, kind in (("grid_cell", pa.string()), *((name, pa.float64()) for name in _DEGREES)):
        if name in table.column_names:
            place = table.column_names.index(name)
            table = table.set_column(place, name, table[name].cast(kind))
    if "grid_cell" in table.column_names and table["grid_cell"].null_count:
        raise InputError(f"{path} has tiles without grid_cell; run `{made_by}` again")
    return table


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type is text: any kind of string, or a dictionary of strings."""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(
        pa.types.is_string(value) or pa.types.is_large_string(value)
        or pa.types.is_string_view(value)
    )  # fmt: skip


def is_number(kind: pa.DataType) -> bool:
    """Return whether a type is a number: floating-point, whole, or decimal."""
    return bool(
        pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
    )


def is_vector(kind: pa.DataType) -> bool:
    """Return whether a type is a list of numbers, of any or of a fixed length."""
    is_list = (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )
    return bool(is_list and is_number(kind.value_type))
