"""Check of the coordinates of cells: a row's point must lie in its cell, or near it."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.grid.cells import N_ROWS, cells_from_names, columns_of_rows

MARGIN = 0.25
"""How far a point may lie outside its cell: a part of the cell's height or width, some 2.5 km.

Tables have the centre of the cell, or that of the tile, which is cut from a UTM zone: 5,000 m along
the axes of the zone from the cell's south-west corner. A turn of the axes by 10 degrees, more than
any zone has, moves it by 0.9 km. The centre of a neighbour is half a cell outside.
"""


def check_places_of(table: pa.Table, *, source: str, made_by: str) -> None:
    """Check that the points of a table lie in their cells, or within ``MARGIN`` of them.

    Args:
        table: With ``grid_cell`` (text, no nulls), ``lat`` and ``lon`` (doubles, degrees).
        source: Name of the table in error messages.
        made_by: The command that makes such a table, for error messages.

    Raises:
        InputError: If a name is not the name of a cell, a coordinate is missing or out of range,
            or a point lies elsewhere.
    """
    lon_deg, lat_deg = (table[name].to_numpy() for name in ("lon", "lat"))
    check_places(
        table["grid_cell"], lon_deg, lat_deg, source=source, advice=f"run `{made_by}` again"
    )


def check_places(
    names: pa.ChunkedArray,
    lon_deg: NDArray[np.float64],
    lat_deg: NDArray[np.float64],
    *,
    source: str,
    advice: str,
) -> None:
    """Check that [n] points lie in the cells with these names, or within ``MARGIN`` of them.

    Args:
        names: Names of cells, without nulls.
        lon_deg: Longitudes, -180 to 180.
        lat_deg: Latitudes, -90 to 90.
        source: Name of the table in error messages.
        advice: What to do, for error messages.

    Raises:
        InputError: As ``check_places_of`` does.
    """
    good = (np.abs(lat_deg) <= 90) & (np.abs(lon_deg) <= 180)  # NaN is not
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            f"{source}: lat must be from -90 to 90 and lon from -180 to 180 degrees, found lat "
            f"{lat_deg[row]:g}, lon {lon_deg[row]:g} in row {row}; {advice}"
        )
    try:
        cells = cells_from_names(names)
    except InputError as error:
        raise InputError(f"{source}: {error}; {advice}") from None
    centre_lon_deg, centre_lat_deg = cells.centres()
    up = (lat_deg - centre_lat_deg) * N_ROWS / 180
    right = ((lon_deg - centre_lon_deg + 180) % 360 - 180) * columns_of_rows(cells.row) / 360
    fits = (np.abs(up) <= 0.5 + MARGIN) & (np.abs(right) <= 0.5 + MARGIN)
    if not fits.all():
        row = int(np.argmin(fits))
        raise InputError(
            f"{source}: lat and lon must lie in their grid_cell, or within a quarter of a cell "
            f"(2.5 km) of it, found {int((~fits).sum()):,} of {len(fits):,} rows that do not, "
            f"first row {row}: {names[row]} has its centre at lat {centre_lat_deg[row]:.4f}, lon "
            f"{centre_lon_deg[row]:.4f}, found lat {lat_deg[row]:.4f}, lon {lon_deg[row]:.4f}; "
            f"{advice}"
        )
