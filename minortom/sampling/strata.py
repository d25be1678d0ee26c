"""Strata: the tiles of an annotated file, grouped by climate and land cover, or otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.grid.sphere import unit_vectors
from minortom.io.geoparquet import is_text

COLUMNS = ("grid_cell", "lat", "lon", "stratum")
"""What is needed of an annotated table to group and place its tiles."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Strata:
    """Rows of a table by stratum, strata in the order of their names."""

    names: tuple[str, ...]
    """[S] names, sorted."""
    codes: IntArray
    """[n] for each row, the position of its stratum in ``names``."""
    order: IntArray
    """[n] rows by stratum, ascending within each."""
    starts: IntArray
    """[S + 1] where each stratum begins in ``order``."""

    @classmethod
    def of_column(cls, column: pa.ChunkedArray) -> "Strata":
        """Group the rows of a column of names.

        Raises:
            InputError: If a row has no name.
        """
        if column.null_count:
            raise InputError(
                f"{column.null_count} tiles have no stratum; run `minortom annotate` again"
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
        """[S] tiles of each stratum."""
        return np.diff(self.starts)

    def rows(self, stratum: int) -> IntArray:
        """Give the rows of a stratum, ascending."""
        return self.order[self.starts[stratum] : self.starts[stratum + 1]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tiles:
    """Where the tiles of a table are and which stratum each belongs to."""

    points: NDArray[np.float64]
    """[n, 3] unit vectors of the centres."""
    strata: Strata

    @classmethod
    def of_table(cls, table: pa.Table) -> "Tiles":
        """Read ``lat``, ``lon`` (degrees) and ``stratum`` of an annotated table.

        Raises:
            InputError: If a coordinate is missing or off the globe.
        """
        lat_deg, lon_deg = (
            table[name].to_numpy().astype(np.float64, copy=False) for name in ("lat", "lon")
        )
        good = (np.abs(lat_deg) <= 90) & (np.abs(lon_deg) <= 360)  # NaN is not
        if not good.all():
            first = int(np.argmin(good))
            raise InputError(
                f"row {first} of the annotated tiles lies at lat {lat_deg[first]}, lon "
                f"{lon_deg[first]}; wanted degrees; run `minortom annotate` again"
            )
        return cls(points=unit_vectors(lon_deg, lat_deg), strata=Strata.of_column(table["stratum"]))

    def __len__(self) -> int:
        return len(self.points)


def restratified(annotated: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Make the column ``stratum`` anew: the values of some columns, joined by a slash.

    Args:
        annotated: One row a tile.
        columns: Names of columns of text, whole numbers or truth values; with none of them the
            table stays as it is.

    Raises:
        InputError: If a column is not there, holds something else, or is empty in a row.
    """
    if not columns:
        return annotated
    parts = []
    for name in columns:
        if name not in annotated.column_names:
            raise InputError(
                f"--stratify-by {name}: no such column; there are "
                f"{', '.join(annotated.column_names)}"
            )
        column = annotated[name]
        if not _names_classes(column.type):
            raise InputError(
                f"--stratify-by {name}: the column holds {column.type}; wanted text or whole "
                "numbers"
            )
        if column.null_count:
            raise InputError(
                f"--stratify-by {name}: {column.null_count:,} tiles have no {name}; choose another "
                "column, or leave these tiles out"
            )
        parts.append(column.cast(pa.string()))
    joined = pc.binary_join_element_wise(*parts, "/").dictionary_encode()
    if "stratum" not in annotated.column_names:
        return annotated.append_column("stratum", joined)
    return annotated.set_column(annotated.column_names.index("stratum"), "stratum", joined)


def _names_classes(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return is_text(kind) or pa.types.is_integer(value) or pa.types.is_boolean(value)


def mask_of(annotated: pa.Table, cells: pa.Array | pa.ChunkedArray) -> NDArray[np.bool_]:
    """Mark the rows of an annotated table whose ``grid_cell`` is among some cells."""
    wanted = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    found = pc.is_in(annotated["grid_cell"], value_set=wanted.cast(pa.string()))
    return np.asarray(found.to_numpy(), dtype=np.bool_)
