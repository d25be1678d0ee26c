"""Table of the annotated tiles: place, classes and archive columns, in spatial order."""

from collections.abc import Mapping

import pyarrow as pa

from minortom.annotation.candidates import Candidates
from minortom.annotation.columns import TileClasses
from minortom.errors import InputError
from minortom.grid.cells import Cells
from minortom.io.covering import spatial_order


def tile_table(candidates: Candidates, classes: TileClasses) -> tuple[pa.Table, Cells]:
    """Return the tiles in spatial order, without geometry, and their cells.

    Raises:
        InputError: If there is no tile.
    """
    if not len(classes.rows):
        raise InputError(_about_no_tile(classes.dropped, len(candidates.cells)))
    cells = candidates.cells.take(classes.rows)
    order = spatial_order(*cells.centres())
    cells, positions = cells.take(order), pa.array(order)
    lon_deg, lat_deg = cells.centres()
    columns = {"grid_cell": pa.array(cells.names()), "lat": lat_deg, "lon": lon_deg}
    table = pa.table(columns | {name: c.take(positions) for name, c in classes.columns.items()})
    if candidates.archive is not None:
        archive = candidates.archive.take(pa.array(classes.rows[order]))
        for name in archive.column_names:
            table = table.append_column(name, archive[name])
    return table, cells


def _about_no_tile(dropped: Mapping[str, int], n_cells: int) -> str:
    reasons = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in dropped.items() if n)
    return (
        f"none of {n_cells:,} cells has a class in both maps ({reasons}); "
        "give maps that cover the cells"
    )
