"""Look-up of tiles in tables of cells: further columns of numbers and classes."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from minortom.annotation.cell_table import CellTable
from minortom.annotation.further_columns import ClassColumn, Column, FurtherColumns, NumberColumn
from minortom.annotation.gathered_values import GatheredValues, Numbers, Texts
from minortom.errors import InputError
from minortom.grid.cell_positions import CellPositions
from minortom.grid.cells import Cells
from minortom.grid.index_names import cells_of_table
from minortom.io.relations import Kind

_Mask = NDArray[np.bool_]


def look_up_tables(tables: Mapping[str, CellTable], cells: Cells, *, drop: bool) -> FurtherColumns:
    """Look up tiles in tables of cells.

    Args:
        tables: Open tables by their role, such as ``table 1``.
        cells: [n] tiles.
        drop: Whether tiles that a table lacks are dropped.

    Raises:
        InputError: If a row does not name a cell, rows of one cell differ, a number is infinite,
            or a column has no value for any tile.
    """
    positions = CellPositions(cells)
    gathered = {role: _gathered(table, cells, positions) for role, table in tables.items()}
    kept = None
    if drop:
        kept = np.logical_and.reduce([values.is_filled for values in gathered.values()])
        if not kept.any():
            raise InputError(
                f"expected tiles that all tables have, found none of {len(cells):,}; give tables "
                "of the same cells, or --table-missing unmapped"
            )
    columns: dict[str, Column] = {}
    for role, table in tables.items():
        for name in table.columns:
            # Taken out, so that the memory of a column is free before the next one is filtered.
            values = gathered[role].columns.pop(name)
            columns[name] = _column(table, role, name, values, kept)
    return FurtherColumns(
        columns=columns, kept=kept,
        dropped={} if kept is None else {"not_in_table": int((~kept).sum())},
        lacking={
            table.name: int((~gathered[role].is_filled).sum()) for role, table in tables.items()
        },
    )  # fmt: skip


def _gathered(table: CellTable, cells: Cells, positions: CellPositions) -> GatheredValues:
    """Read a table once and keep the values of the tiles."""
    kinds = {
        name: Texts if column.kind in (Kind.TEXT, Kind.BOOLEAN) else Numbers
        for name, column in table.columns.items()
    }
    gathered = GatheredValues(cells, kinds)
    for batch in table.batches():
        try:
            tiles = positions.of(_cells_of(batch["cell"]))
            wanted = np.flatnonzero(tiles >= 0)
            part = batch if len(wanted) == len(batch) else batch.take(pa.array(wanted))
            gathered.add(tiles[wanted], part.drop_columns(["cell"]))
        except InputError as error:
            raise InputError(f"{table.name}: {error}") from None
    if not gathered.is_filled.any():
        raise InputError(
            f"{table.name}: expected rows of the tiles, found none of {len(cells):,} tiles; give "
            "the table of these cells"
        )
    return gathered


def _cells_of(names: pa.Array) -> Cells:
    if names.null_count:
        raise InputError(
            f"expected the name of a cell in each row, found {names.null_count:,} rows without; "
            "fill or drop them"
        )
    return cells_of_table(names)


def _column(
    table: CellTable, role: str, name: str, values: Numbers | Texts, kept: _Mask | None
) -> Column:
    """Return the values of the kept tiles as a column of the annotated file."""
    found: Column
    if isinstance(values, Texts):
        found = _texts(values.index if kept is None else values.index[kept], list(values.names))
    else:
        numbers = values.array()
        numbers = numbers if kept is None else numbers.filter(pa.array(kept))
        is_class = name in table.class_names
        make = _whole_numbers if is_class else _finite_numbers
        found = make(table, role, name, numbers)
    if not found.num_values:
        raise InputError(
            f"{table.name}: expected a value of {name} for at least one tile, found none; leave "
            f"{name} out of --table"
        )
    return found


def _texts(index: NDArray[np.int32], names: list[str]) -> ClassColumn:
    """Return the classes that occur, sorted by name."""
    present = np.unique(index[index >= 0])
    in_order = sorted(present.tolist(), key=names.__getitem__)
    position = np.full(len(names) + 1, -1, np.int32)  # the last one stays -1, of no class
    position[in_order] = np.arange(len(in_order), dtype=np.int32)
    return ClassColumn(index=position[index], names=[names[i] for i in in_order])


def _whole_numbers(table: CellTable, _: str, name: str, numbers: pa.Array) -> ClassColumn:
    """Return the numbers that occur as classes, named and coded by themselves."""
    known = pc.is_valid(numbers).to_numpy(zero_copy_only=False)
    values = numbers.drop_null().to_numpy()
    is_whole = np.isfinite(values) & (np.abs(values) < 2.0**53)
    is_whole &= np.where(is_whole, values, 0.5) % 1 == 0
    if not is_whole.all():
        raise InputError(
            f"{table.name}: expected whole numbers in the column {name}, found "
            f"{values[~is_whole][0]}; leave it out of --class-column"
        )
    present, position = np.unique(values.astype(np.int64), return_inverse=True)
    index = np.full(len(numbers), -1, np.int32)
    index[known] = position
    return ClassColumn(index=index, names=[str(code) for code in present], codes=present.tolist())


def _finite_numbers(table: CellTable, role: str, name: str, numbers: pa.Array) -> NumberColumn:
    if pa.types.is_floating(numbers.type):
        infinite = pc.sum(pc.is_inf(numbers)).as_py() or 0
        if infinite:
            raise InputError(
                f"{table.name}: expected finite numbers in the column {name}, found {infinite:,} "
                "that are infinite; replace them"
            )
    column = table.columns[name]
    return NumberColumn(values=numbers, unit=column.unit, source=f"{role}: {column.name}")
