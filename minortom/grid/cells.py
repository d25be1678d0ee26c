"""Cells of the Major TOM grid, 10 km: name <-> row, column <-> degrees.

A sphere is cut into 2004 rows of equal height, each row into cells of equal width. Row ``k``
(-1002 to 1001) has its southern edge at ``k * 180 / 2004`` degrees. Its name is ``kU`` from the
equator northwards and ``|k|D`` south of it. A row has ``M`` columns: the circumference at its
southern edge, divided by 10 km and rounded up. Column ``j`` (``-floor(M/2)`` to
``ceil(M/2) - 1``) has its western edge at ``j * 360 / M`` degrees and is named ``jR`` or
``|j|L``. The name of a cell is that of its south-west corner, as in ``922D_249L``. A cell owns its
southern and western edges.

Source: Francis and Czerkawski, "Major TOM: Expandable Datasets for Earth Observation" (2024).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from minortom.errors import InputError

N_ROWS = 2004
"""Rows from pole to pole: ceil(pi * R / 10 km)."""
DEFAULT_EXTENT_DEG = 85.0
"""Maximum absolute latitude of the southern edges of the rows of the published grid."""

_CELL_KM = 10.0
_RADIUS_KM = 6378.137
_SOUTHERNMOST = -N_ROWS // 2
_SOUTH_DEG = np.arange(_SOUTHERNMOST, N_ROWS // 2 + 1) * 180 / N_ROWS
_N_COLUMNS = np.ceil(
    2 * np.pi * _RADIUS_KM * np.cos(np.radians(_SOUTH_DEG[:-1])) / _CELL_KM
).astype(np.int64)
_HALF_COLUMNS = int(_N_COLUMNS.max()) // 2
_KEY_STEP = 4096  # a power of two above the number of columns: keys sort by row, then column
N_KEYS = N_ROWS * _KEY_STEP
"""Number above all values of ``Cells.keys``."""

# In these rows the official code rounds the western edge of the cell at the antimeridian to
# the other side. The published name has the easternmost column: (M/2)R instead of (M/2)L.
_ALIAS_ROWS = np.array([502, 518, 521, 581, 794, 800])

_ROW_NAMES = np.array([f"{k}U" if k >= 0 else f"{-k}D" for k in range(_SOUTHERNMOST, N_ROWS // 2)])
_COLUMN_NAMES = np.array(  # one more in the east than the grid has columns: the alias
    [f"{j}R" if j >= 0 else f"{-j}L" for j in range(-_HALF_COLUMNS, _HALF_COLUMNS + 1)]
)
_PARTS = pa.array([*_ROW_NAMES.tolist(), *_COLUMN_NAMES.tolist()])


Edges = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""West, south, east, north, [n] each, degrees."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """Cells of the grid, in any order.

    Raises:
        InputError: If a row, or a column of its row, does not exist.
    """

    row: NDArray[np.int64]
    """[n] rows, -1002 to 1001 from south to north."""
    col: NDArray[np.int64]
    """[n] columns, from west to east, 0 with its western edge at longitude 0."""

    def __post_init__(self) -> None:
        row = np.asarray(self.row, dtype=np.int64)
        col = np.asarray(self.col, dtype=np.int64)
        if row.ndim != 1 or row.shape != col.shape:
            raise InputError(f"expected as many rows as columns, found {row.shape} and {col.shape}")
        bad = np.flatnonzero(~exist(row, col))
        if len(bad):
            raise InputError(
                f"expected rows from {_SOUTHERNMOST} to {-_SOUTHERNMOST - 1} and columns from "
                f"-floor(M/2) to ceil(M/2)-1, found no cell at row {row[bad[0]]}, column "
                f"{col[bad[0]]}"
            )
        object.__setattr__(self, "row", row)
        object.__setattr__(self, "col", col)

    def __len__(self) -> int:
        return len(self.row)

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> "Cells":
        """Return the cells at these indices, or where a mask is true."""
        return Cells(row=self.row[which], col=self.col[which])

    def keys(self) -> NDArray[np.int64]:
        """Return [n] whole numbers that sort the cells by row, then by column."""
        return (self.row - _SOUTHERNMOST) * _KEY_STEP + self.col + _HALF_COLUMNS

    def names(self) -> NDArray[np.str_]:
        """Return [n] names such as ``922D_249L``."""
        row_names = np.strings.add(_ROW_NAMES, "_")[self.row - _SOUTHERNMOST]
        return np.strings.add(row_names, _COLUMN_NAMES[self.col + _HALF_COLUMNS])

    def bounds_deg(self) -> Edges:
        """Return the edges in degrees: west, south, east, north, [n] each.

        West is at least -180. East is above 180 only for the easternmost cell of a row with an
        odd number of columns, which crosses the antimeridian.
        """
        n_columns = self._row_columns()
        south = _SOUTH_DEG[self.row - _SOUTHERNMOST]
        north = _SOUTH_DEG[self.row - _SOUTHERNMOST + 1]
        return _west_deg(self.col, n_columns), south, _west_deg(self.col + 1, n_columns), north

    def centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the centres of the bounds: longitude and latitude, [n] each, in degrees.

        The centre of the cell that crosses the antimeridian, in a row with an odd number of
        columns, is at 180. No centre is at -180.
        """
        lon_deg = _west_deg(self.col + 0.5, self._row_columns())
        return lon_deg, (self.row + 0.5) * 180 / N_ROWS

    def utm_epsg(self) -> NDArray[np.int32]:
        """Return the EPSG code [n] of the UTM zone that contains each south-west corner.

        The exceptions for south-west Norway and Svalbard are included. A published tile may be in
        another zone: the CRS of its product decides, which its GeoTIFFs and metadata state.
        """
        west, south, _, _ = self.bounds_deg()
        zone = np.floor((west + 180) / 6).astype(np.int32) + 1
        norway = (south >= 56) & (south < 64) & (west >= 3) & (west < 12)
        zone[norway] = 32
        svalbard = (south >= 72) & (south < 84) & (west >= 0) & (west < 42)
        zone[svalbard] = np.array([31, 33, 35, 37])[np.digitize(west[svalbard], [9, 21, 33])]
        return np.where(self.row >= 0, 32600, 32700).astype(np.int32) + zone

    def _row_columns(self) -> NDArray[np.int64]:
        return columns_of_rows(self.row)


def columns_of_rows(row: ArrayLike) -> NDArray[np.int64]:
    """Return the number of columns M of rows -1002 to 1001."""
    n_columns: NDArray[np.int64] = _N_COLUMNS[np.asarray(row) - _SOUTHERNMOST]
    return n_columns


def whole_grid(*, extent_deg: float = DEFAULT_EXTENT_DEG) -> Cells:
    """Return all cells whose southern edge is between ``-extent_deg`` and ``extent_deg``.

    The default gives 5,094,350 cells, 90 gives 5,113,745. They are ordered by row, then by column.
    """
    rows = np.flatnonzero(np.abs(_SOUTH_DEG[:-1]) <= extent_deg) + _SOUTHERNMOST
    n_columns = columns_of_rows(rows)
    starts = np.cumsum(n_columns) - n_columns
    first = np.repeat(starts + n_columns // 2, n_columns)
    return Cells(
        row=np.repeat(rows, n_columns),
        col=np.arange(n_columns.sum()) - first,
    )


def merged(several: Sequence[Cells]) -> Cells:
    """Return the union of several sets of cells, ordered by row, then by column."""
    found = np.zeros(N_KEYS, dtype=bool)
    for cells in several:
        found[cells.keys()] = True
    return cells_of_keys(np.flatnonzero(found))


def cells_of_keys(keys: NDArray[np.int64]) -> Cells:
    """Return the cells of [n] keys, as ``Cells.keys`` returns them."""
    row, col = np.divmod(keys, _KEY_STEP)
    return Cells(row=row + _SOUTHERNMOST, col=col - _HALF_COLUMNS)


def cells_from_names(names: Sequence[str] | NDArray[np.str_] | pa.ChunkedArray) -> Cells:
    """Parse [n] names such as ``922D_249L``.

    In a few rows, published data name the cell at the antimeridian ``(M/2)R``. That name is
    accepted for ``(M/2)L``.

    Args:
        names: A sequence, an array of NumPy, or a column of text without nulls.

    Raises:
        InputError: If a name is not the name of a cell; the message has the first such names.
    """
    if not len(names):
        return Cells(row=np.empty(0, np.int64), col=np.empty(0, np.int64))
    row, col, known = _parsed(names)
    col = without_alias(row, col)
    bad = np.flatnonzero(~(known & exist(row, col)))
    if len(bad):
        shown = ", ".join(repr(str(names[i])[:40]) for i in bad[:3])
        raise InputError(
            f"expected names of cells of the Major TOM 10 km grid, such as 922D_249L (row U or D, "
            f"column R or L, no 0D, no 0L), found {len(bad):,} of {len(names):,} names that are "
            f"not, first {shown}"
        )
    return Cells(row=row, col=col)


def cells_at(lon_deg: ArrayLike, lat_deg: ArrayLike) -> Cells:
    """Return the cells that contain [n] points; a cell owns its southern and western edges.

    Args:
        lon_deg: Longitudes, -180 to 180; 180 is the same as -180.
        lat_deg: Latitudes, -90 to 90; the north pole is in the northernmost row.

    Raises:
        InputError: If a coordinate is out of range or not a number.
    """
    lon = np.atleast_1d(np.asarray(lon_deg, dtype=np.float64))
    lat = np.atleast_1d(np.asarray(lat_deg, dtype=np.float64))
    for name, values, limit in (("longitude", lon, 180), ("latitude", lat, 90)):
        bad = np.flatnonzero(~(np.abs(values) <= limit))
        if len(bad):
            raise InputError(
                f"expected degrees from -{limit} to {limit}, found the {name} {values[bad[0]]} "
                f"(point {bad[0]})"
            )
    lon = np.where(lon == 180, -180.0, lon)
    # Compared with the edges themselves: a point on an edge must not be rounded across it.
    row = np.minimum(np.searchsorted(_SOUTH_DEG, lat, side="right") - 1, N_ROWS - 1)
    n_columns = _N_COLUMNS[row]
    col = np.floor(lon * n_columns / 360)
    col += _west_deg(col + 1, n_columns) <= lon
    col -= _west_deg(col, n_columns) > lon
    col = np.where(col < -(n_columns // 2), col + n_columns, col)
    return Cells(row=row + _SOUTHERNMOST, col=col.astype(np.int64))


def _west_deg(
    col: NDArray[np.int64] | NDArray[np.floating], n_columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    # The product is exact, so the quotient is the float nearest to the true edge: the westernmost
    # edge of a row with an even number of columns is exactly -180.
    edge: NDArray[np.float64] = col * 360.0 / n_columns
    return edge


def without_alias(row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return columns [n] with ``-M/2`` for the published ``M/2`` of cells at the antimeridian."""
    in_row = np.isin(np.abs(row), _ALIAS_ROWS)
    return np.where(in_row & (2 * col == columns_of_rows(np.where(in_row, row, 0))), -col, col)


def exist(row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return a mask [n] of the rows and columns that are cells."""
    in_range = (row >= _SOUTHERNMOST) & (row < -_SOUTHERNMOST)
    n_columns = _N_COLUMNS[np.where(in_range, row, 0) - _SOUTHERNMOST]
    exists: NDArray[np.bool_] = in_range & (col >= -(n_columns // 2)) & (col < (n_columns + 1) // 2)
    return exists


def _parsed(
    names: Sequence[str] | NDArray[np.str_] | pa.ChunkedArray,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the row and column [n] that names state, and a mask [n] of names of this form."""
    column = names if isinstance(names, pa.ChunkedArray) else pa.chunked_array([pa.array(names)])
    column = column.cast(pa.string()).combine_chunks()
    parts = pc.split_pattern(column, "_", max_splits=1)
    has_two = pc.equal(pc.list_value_length(parts), 2)
    if not pc.all(has_two).as_py():
        parts = pc.split_pattern(pc.if_else(has_two, column, "_"), "_", max_splits=1)
    flat = (
        parts.combine_chunks().flatten() if isinstance(parts, pa.ChunkedArray) else parts.flatten()
    )
    found = pc.fill_null(pc.index_in(flat, value_set=_PARTS), -1).to_numpy().astype(np.int64)
    row, col = found[::2], found[1::2] - N_ROWS
    known = (row >= 0) & (row < N_ROWS) & (col >= 0)
    row, col = (np.where(known, part, 0) for part in (row, col))
    return row + _SOUTHERNMOST, col - _HALF_COLUMNS, known
