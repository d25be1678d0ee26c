"""The selection of an export: selected tiles, reserves, and the products that it names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from minortom.errors import InputError
from minortom.extraction.selection_columns import read_further_columns
from minortom.grid.cell_places import check_places_of
from minortom.grid.cells import cells_from_names
from minortom.io.table_columns import read_table
from minortom.shards.further_columns import FurtherColumn
from minortom.shards.layout import TIMESTAMP

_TEXTS = ("grid_cell", "climate", "landcover", "stratum", "role")
PRODUCT_KINDS = {
    **dict.fromkeys(("s2_product_id", "s1_product_id", "s2_part", "s1_part"), pa.string()),
    **dict.fromkeys(("s2_row", "s1_row"), pa.int64()),
    **dict.fromkeys(("s2_timestamp", "s1_timestamp"), TIMESTAMP),
    "dt_days": pa.float64(),
}
"""Columns that name the pair of products of each cell; `annotate` writes them for an archive."""
_NULLABLE = ("s2_timestamp", "s1_timestamp", "dt_days")
_MARKS = ("s2_part", "s2_row", "s1_part", "s1_row")
_MADE_BY = "minortom sample"
_SHOWN = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class SelectedTiles:
    """The rows of a selection that are exported.

    Columns: ``grid_cell``, ``climate``, ``landcover``, ``stratum``; ``split`` where the selection
    has splits; those of ``PRODUCT_KINDS`` where it was annotated from an archive; those of
    ``further``.
    """

    chosen: pa.Table
    """Selected tiles."""
    reserves: pa.Table
    """Tiles that replace unusable ones, in the order of their ranks."""
    further: tuple[FurtherColumn, ...] = ()
    """Columns that become metadata columns of the shards."""

    @property
    def is_split(self) -> bool:
        """True if each tile has a split."""
        return "split" in self.chosen.column_names

    @property
    def names_products(self) -> bool:
        """True if each tile names its pair of products."""
        return _MARKS[0] in self.chosen.column_names

    @property
    def cells(self) -> list[str]:
        """All cells; the reserves come last."""
        return [*self.chosen["grid_cell"].to_pylist(), *self.reserves["grid_cell"].to_pylist()]


def read_selection(path: Path, columns: Sequence[str] = ()) -> SelectedTiles:
    """Read the tiles to export.

    Args:
        path: Output of ``minortom sample``.
        columns: Columns that become metadata columns of the shards.

    Raises:
        InputError: If the file is not a selection, names a cell twice, has a null, has some of the
            columns of products only, or lacks one of ``columns``.
    """
    table = read_table(path, _TEXTS, made_by=_MADE_BY)
    present = pq.read_schema(path).names
    wanted = _product_columns(path, present)
    more = [name for name in ("split", "reserve_rank", *wanted) if name in present]
    if more:
        table = pa.table({**_columns(table), **_columns(read_table(path, more, made_by=_MADE_BY))})
    kinds = {**dict.fromkeys([*_TEXTS, "split"], pa.string()), "reserve_rank": pa.int64()}
    table = _cast(table, kinds | PRODUCT_KINDS, path)
    further: tuple[FurtherColumn, ...] = ()
    if columns:
        found, further = read_further_columns(path, columns, made_by=_MADE_BY)
        table = pa.table({**_columns(table), **_columns(found)})

    _refuse_unplaced(table, path, present)
    chosen = table.filter(pc.equal(table["role"], "selected"))
    reserves = table.filter(pc.equal(table["role"], "reserve"))
    if not len(chosen):
        raise InputError(
            f"{path} must have rows with the role `selected`, found none; give the output of "
            f"`{_MADE_BY}`"
        )
    if len(reserves) and "reserve_rank" not in present:
        raise InputError(
            f"{path} must have the column reserve_rank to order its reserves, found none; give the "
            f"output of `{_MADE_BY}`"
        )
    may_be_null = {*_NULLABLE, "reserve_rank", *(c.name for c in further if c.field.nullable)}
    required = [name for name in table.column_names if name not in may_be_null]
    _refuse_nulls(chosen, required, path, "selected rows")
    if len(reserves):
        _refuse_nulls(reserves, [*required, "reserve_rank"], path, "reserves")
    cells = pa.chunked_array([*chosen["grid_cell"].chunks, *reserves["grid_cell"].chunks])
    twice = [entry["values"] for entry in cells.value_counts().to_pylist() if entry["counts"] > 1]
    if twice:
        raise InputError(
            f"{path} must name each cell once, found {len(twice):,} cells twice, first "
            f"{first_of(twice)}"
        )
    if len(reserves):
        # By cell where ranks are equal, so that the order of the file does not matter.
        reserves = reserves.sort_by([("reserve_rank", "ascending"), ("grid_cell", "ascending")])
    of_roles = {"role", "reserve_rank"} - set(columns)
    kept = [name for name in table.column_names if name not in of_roles]
    return SelectedTiles(
        chosen=chosen.select(kept), reserves=reserves.select(kept), further=further
    )


def _refuse_unplaced(table: pa.Table, path: Path, present: Sequence[str]) -> None:
    """Refuse cells that do not exist, or do not fit the coordinates of a file that has them."""
    if {"lat", "lon"} <= set(present):
        placed = read_table(path, ("grid_cell", "lat", "lon"), made_by=_MADE_BY)
        check_places_of(placed, source=str(path), made_by=_MADE_BY)
        return
    try:
        cells_from_names(table["grid_cell"])
    except InputError as error:
        raise InputError(f"{path}: {error}; give the output of `{_MADE_BY}`") from None


def first_of(names: Sequence[str]) -> str:
    """Return the first few names, for a message."""
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _product_columns(path: Path, present: Sequence[str]) -> list[str]:
    """Return the columns that name products: all of them, or none.

    Raises:
        InputError: If only some exist. Pairing again would undo the filters of the user.
    """
    found = [name for name in _MARKS if name in present]
    missing = [name for name in PRODUCT_KINDS if name not in present]
    if found and missing:
        raise InputError(
            f"{path} must have all columns of products or none, found {', '.join(found)} without "
            f"{', '.join(missing)}; keep all of these columns, or remove all to pair tiles again"
        )
    return list(PRODUCT_KINDS) if found else []


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return {name: table[name] for name in table.column_names}


def _cast(table: pa.Table, kinds: dict[str, pa.DataType], path: Path) -> pa.Table:
    found: dict[str, pa.ChunkedArray] = {}
    for name in table.column_names:
        try:
            found[name] = table[name].cast(kinds[name])
        except (pa.ArrowException, ValueError) as error:
            raise InputError(
                f"{path}: the column {name} must hold {kinds[name]}, as `{_MADE_BY}` "
                f"writes it, found {table.schema.field(name).type} ({str(error).splitlines()[0]})"
            ) from None
    return pa.table(found)


def _refuse_nulls(table: pa.Table, names: Sequence[str], path: Path, what: str) -> None:
    for name in names:
        if table[name].null_count:
            raise InputError(
                f"{path}: {name} must have a value in all {what}, found null in "
                f"{table[name].null_count:,}"
            )
