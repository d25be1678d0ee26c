"""Strata: groups of annotated tiles, by climate and land cover or by other columns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.grid.sphere import unit_vectors
from minortom.io.table_columns import is_text

COLUMNS = ("grid_cell", "lat", "lon", "stratum")
"""Columns of an annotated table that group and place its tiles."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Strata:
    """The rows of a table, grouped by stratum; the strata are sorted by name."""

    names: tuple[str, ...]
    """[S] names, sorted."""
    codes: IntArray
    """[n] position of each row's stratum in ``names``."""
    order: IntArray
    """[n] rows sorted by stratum, ascending within each stratum."""
    starts: IntArray
    """[S + 1] start of each stratum in ``order``."""

    @classmethod
    def of_column(cls, column: pa.ChunkedArray) -> "Strata":
        """Return the strata of a column of names.

        Raises:
            InputError: If a row has no name.
        """
        if column.null_count:
            raise InputError(
                f"every tile must have a stratum, found {column.null_count} without; run "
                "`minortom annotate` again"
            )
        values = column.cast(pa.string()).combine_chunks().dictionary_encode()
        found = np.array(values.dictionary.to_pylist(), dtype=str)
        sorted_names = np.argsort(found)
        position = np.empty(len(found), np.int64)
        position[sorted_names] = np.arange(len(found))
        codes = position[values.indices.to_numpy()]
        starts = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(found)))])
        return cls(
            names=tuple(found[sorted_names].tolist()),
            codes=codes,
            order=np.argsort(codes, kind="stable"),
            starts=starts,
        )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def sizes(self) -> IntArray:
        """Return the number of tiles of each stratum [S]."""
        return np.diff(self.starts)

    def rows(self, stratum: int) -> IntArray:
        """Return the rows of a stratum, ascending."""
        return self.order[self.starts[stratum] : self.starts[stratum + 1]]

    def missing(self, held: IntArray, requested: IntArray) -> IntArray:
        """Return the tiles [S] that each stratum has and that its request still lacks.

        Args:
            held: [S] selected tiles.
            requested: [S] requested tiles.
        """
        return np.maximum(np.minimum(requested, self.sizes) - held, 0)

    def taken_whole(self, held: IntArray, requested: IntArray) -> NDArray[np.bool_]:
        """Return which strata [S] have fewer tiles than requested, all of them selected."""
        whole: NDArray[np.bool_] = (self.sizes < requested) & (held == self.sizes)
        return whole


@dataclass(frozen=True, kw_only=True, eq=False)
class Tiles:
    """The positions and the strata of the tiles of a table."""

    points: NDArray[np.float64]
    """[n, 3] unit vectors of the tile centres."""
    strata: Strata

    @classmethod
    def of_table(cls, table: pa.Table) -> "Tiles":
        """Return the tiles of an annotated table with ``lat``, ``lon`` (degrees) and ``stratum``.

        Raises:
            InputError: If a coordinate is missing or out of range.
        """
        lat_deg, lon_deg = (
            table[name].to_numpy().astype(np.float64, copy=False) for name in ("lat", "lon")
        )
        good = (np.abs(lat_deg) <= 90) & (np.abs(lon_deg) <= 360)  # NaN is not
        if not good.all():
            first = int(np.argmin(good))
            raise InputError(
                "lat must be from -90 to 90 and lon from -360 to 360 degrees, found lat "
                f"{lat_deg[first]}, lon {lon_deg[first]} in row {first} of the annotated tiles; "
                "run `minortom annotate` again"
            )
        return cls(points=unit_vectors(lon_deg, lat_deg), strata=Strata.of_column(table["stratum"]))

    def __len__(self) -> int:
        return len(self.points)


def restratified(annotated: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Return the table with a new column ``stratum``: the values of columns, joined by a slash.

    Args:
        annotated: One row a tile.
        columns: Names of columns with text, whole numbers or booleans; if empty, the table is
            returned unchanged.

    Raises:
        InputError: If a column is missing, has another type, or has an empty value, or if
            different values of several columns give the same name.
    """
    if not columns:
        return annotated
    parts = []
    for name in columns:
        if name not in annotated.column_names:
            raise InputError(
                f"--stratify-by {name}: column not found; the columns are "
                f"{', '.join(annotated.column_names)}"
            )
        column = annotated[name]
        if not _is_categorical(column.type):
            raise InputError(
                f"--stratify-by {name}: expected a column of text or whole numbers, found "
                f"{column.type}; choose another column{_advice(name, column.type)}"
            )
        if column.null_count:
            raise InputError(
                f"--stratify-by {name}: every tile must have a value, found {column.null_count:,} "
                "without; choose another column, or remove these tiles"
            )
        parts.append(column.cast(pa.string()))
    _check_distinct(columns, parts)
    joined = pc.binary_join_element_wise(*parts, "/").dictionary_encode()
    if "stratum" not in annotated.column_names:
        return annotated.append_column("stratum", joined)
    return annotated.set_column(annotated.column_names.index("stratum"), "stratum", joined)


def _check_distinct(columns: Sequence[str], parts: Sequence[pa.ChunkedArray]) -> None:
    """Check that values with a slash of their own do not join different strata under one name."""
    if len(parts) == 1:
        return
    keys = list(map(str, range(len(parts))))
    combined = pa.table(list(parts), names=keys).group_by(keys).aggregate([])
    joined = pc.binary_join_element_wise(*combined.columns, "/")
    names, counts = joined.value_counts().flatten()
    if len(names) == len(joined):
        return
    name = names.filter(pc.greater(counts, 1))[0]
    found = combined.rename_columns(list(columns)).filter(pc.equal(joined, name)).to_pylist()[:2]
    shown = (", ".join(f"{column}={value!r}" for column, value in row.items()) for row in found)
    raise InputError(
        f"--stratify-by {','.join(columns)}: expected another stratum for other values, found "
        f"{' and '.join(shown)}, which both are {name}; remove the slashes from a column"
    )


def _advice(name: str, kind: pa.DataType) -> str:
    is_number = pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return f", or make classes of it with `annotate --bins {name}=quantiles:5`" if is_number else ""


def _is_categorical(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return is_text(kind) or pa.types.is_integer(value) or pa.types.is_boolean(value)


def mask_of(annotated: pa.Table, cells: pa.Array | pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return a mask of the annotated rows whose ``grid_cell`` is one of the cells."""
    whole = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    found = pc.is_in(annotated["grid_cell"], value_set=whole.cast(pa.string()))
    return np.asarray(found.to_numpy(), dtype=np.bool_)
