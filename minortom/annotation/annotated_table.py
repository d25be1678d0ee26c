"""The table of annotated tiles: the classes of maps, further columns, and those of the archives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from minortom.annotation.candidates import Candidates
from minortom.annotation.class_columns import UNMAPPED_CODE
from minortom.annotation.columns import TileClasses
from minortom.annotation.further_columns import ClassColumn, FurtherColumns
from minortom.errors import InputError
from minortom.grid.cells import Cells
from minortom.io.covering import spatial_order

_OWN = 3
"""Columns of each table before its classes: ``grid_cell``, ``lat`` and ``lon``."""
_NAMES_AT_ONCE = 200_000
LookUpFurther = Callable[[Cells], FurtherColumns]
"""Look-up of further columns of tiles, which are in the order of the file."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Annotated:
    """Tiles in spatial order, without geometry, and counts about them."""

    table: pa.Table
    dropped: Mapping[str, int]
    """Number of cells that did not become tiles, by reason."""
    unmapped: Mapping[str, int]
    """Number of tiles whose class is ``unmapped``, by column."""
    notes: Sequence[str]
    """Sentences about maps that were read in another way than expected."""
    lacking: Mapping[str, int] = field(default_factory=dict)
    """Number of tiles that a table of cells lacks, by table."""
    legends: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Legends of the columns of bins, by their names."""
    bins: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Number of tiles of each bin, by column of bins."""


def annotated_table(
    candidates: Candidates, classes: TileClasses, look_up_further: LookUpFurther | None
) -> Annotated:
    """Return the annotated tiles.

    Raises:
        InputError: If no cell became a tile, or the further columns cannot be looked up.
    """
    if not len(classes.rows):
        raise InputError(_about_no_tile(classes.dropped, len(candidates.cells)))
    cells = candidates.cells.take(classes.rows)
    order = spatial_order(*cells.centres())
    cells = cells.take(order)
    # Looked up in the order of the file, so that no column has to be sorted.
    further = None if look_up_further is None else look_up_further(cells)
    table = _of_maps_and_archives(candidates, classes, cells, order)
    if further is None:
        return Annotated(
            table=table, dropped=classes.dropped, unmapped=classes.unmapped, notes=classes.notes
        )
    last_of_maps = table.column_names[_OWN + len(classes.columns) - 1]
    table = further.add_to(table, after=last_of_maps)
    unmapped = {name: _num_unmapped(table, name) for name in classes.unmapped}
    of_classes = {n: c for n, c in further.columns.items() if isinstance(c, ClassColumn)}
    unmapped |= {name: column.num_missing for name, column in of_classes.items()}
    return Annotated(
        table=table, dropped={**classes.dropped, **further.dropped}, unmapped=unmapped,
        notes=classes.notes, lacking=further.lacking, legends=further.legends,
        bins={name: of_classes[name].counts() for name in further.legends},
    )  # fmt: skip


def _of_maps_and_archives(
    candidates: Candidates, classes: TileClasses, cells: Cells, order: NDArray[np.intp]
) -> pa.Table:
    """Return tiles in ``order`` with their classes in maps, and the columns of the archives."""
    positions = pa.array(order)
    lon_deg, lat_deg = cells.centres()
    columns = {"grid_cell": _names_of(cells), "lat": lat_deg, "lon": lon_deg}
    table = pa.table(columns | {name: c.take(positions) for name, c in classes.columns.items()})
    if candidates.archive is not None:
        archive = candidates.archive.take(pa.array(classes.rows[order]))
        for name in archive.column_names:
            table = table.append_column(name, archive[name])
    return table


def _names_of(cells: Cells) -> pa.Array:
    """Return the names of cells. NumPy's text takes ten times the memory of Arrow's."""
    parts = np.array_split(np.arange(len(cells)), -(-len(cells) // _NAMES_AT_ONCE))
    return pa.concat_arrays([pa.array(cells.take(part).names()) for part in parts])


def _num_unmapped(table: pa.Table, name: str) -> int:
    return pc.sum(pc.equal(table[f"{name}_code"], UNMAPPED_CODE)).as_py() or 0


def _about_no_tile(dropped: Mapping[str, int], n_cells: int) -> str:
    reasons = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in dropped.items() if n)
    return (
        f"none of {n_cells:,} cells has a class in both maps ({reasons}); "
        "give maps that cover the cells"
    )
