"""Values of tiles that come in parts of a table, in any order of the cells.

Memory holds the values of the tiles and one part. A cell can have several rows if these agree.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.grid.cells import Cells

MAX_CLASSES = 200_000
"""Maximum number of different texts in a column; a column of ids is not one of classes."""

Tiles = NDArray[np.int32]
"""[m] tile of each row of a part."""


class Numbers:
    """Numbers of [n] tiles, whole or floating-point as in the table."""

    def __init__(self, n: int) -> None:
        """Start without a number for any tile."""
        self._n = n
        self._values: NDArray[np.generic] | None = None
        self._known = np.zeros(0, np.bool_)
        """[n] true for a tile with a whole number; NaN marks a missing floating-point one."""

    def put(self, tiles: Tiles, values: pa.Array) -> None:
        """Store the numbers of a part."""
        known, numbers = _known_and_numbers(values)
        if self._values is None:
            missing = 0 if known is not None else np.nan
            self._values = np.full(self._n, missing, numbers.dtype)
            self._known = np.zeros(0 if known is None else self._n, np.bool_)
        self._values[tiles] = numbers
        if known is not None:
            self._known[tiles] = known

    def differ(self, tiles: Tiles, values: pa.Array) -> NDArray[np.bool_]:
        """Return a mask [m] of the rows whose number is not the stored one."""
        known, numbers = _known_and_numbers(values)
        assert self._values is not None
        stored = self._values[tiles]
        if known is None:
            return np.asarray((stored != numbers) & ~(np.isnan(stored) & np.isnan(numbers)))
        return np.asarray((known != self._known[tiles]) | (known & (stored != numbers)))

    def array(self) -> pa.Array:
        """Return the numbers [n], null where unknown."""
        if self._values is None:
            return pa.nulls(self._n, pa.float64())
        known = self._known if len(self._known) else ~np.isnan(self._values)
        return pa.array(self._values, mask=None if known.all() else ~known)


class Texts:
    """Classes of [n] tiles, named by text."""

    def __init__(self, n: int) -> None:
        """Start without a class for any tile."""
        self.index = np.full(n, -1, np.int32)
        """[n] position of the class in ``names``, -1 without a class."""
        self.names: dict[str, int] = {}
        """Position of each class, in the order in which they came."""

    def put(self, tiles: Tiles, values: pa.Array) -> None:
        """Store the classes of a part."""
        self.index[tiles] = self._positions(values)

    def differ(self, tiles: Tiles, values: pa.Array) -> NDArray[np.bool_]:
        """Return a mask [m] of the rows whose class is not the stored one."""
        return np.not_equal(self.index[tiles], self._positions(values))

    def _positions(self, values: pa.Array) -> NDArray[np.int32]:
        encoded = values.dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        # The last position is that of a row without a value.
        positions = [*(self.names.setdefault(text, len(self.names)) for text in texts), -1]
        rows = pc.fill_null(encoded.indices, len(texts)).to_numpy(zero_copy_only=False)
        found: NDArray[np.int32] = np.array(positions, np.int32)[rows]
        return found


class GatheredValues:
    """Values of tiles from one table."""

    def __init__(self, cells: Cells, columns: dict[str, type[Numbers] | type[Texts]]) -> None:
        """Start without a value.

        Args:
            cells: [n] tiles.
            columns: Columns of the parts by name, in order.
        """
        self._cells = cells
        self.columns = {name: kind(len(cells)) for name, kind in columns.items()}
        """Values of each column."""
        self.is_filled = np.zeros(len(cells), np.bool_)
        """[n] true for a tile that the table has."""
        self._last_row = np.zeros(len(cells), np.int32)

    def add(self, tiles: Tiles, part: pa.RecordBatch) -> None:
        """Put the rows of a part to their tiles.

        Args:
            tiles: [m] tile of each row.
            part: [m] rows with the columns.

        Raises:
            InputError: If two rows of a tile differ, or a column has too many classes.
        """
        order = np.arange(len(tiles), dtype=np.int32)
        self._last_row[tiles] = order
        in_earlier_parts = np.flatnonzero(self.is_filled[tiles])
        in_this_part = np.flatnonzero(self._last_row[tiles] != order)
        self._require_agreement(tiles, part, in_earlier_parts)
        for values, column in zip(self.columns.values(), part.columns, strict=True):
            values.put(tiles, column)
        self.is_filled[tiles] = True
        self._require_agreement(tiles, part, in_this_part)
        for name, values in self.columns.items():
            if isinstance(values, Texts) and len(values.names) > MAX_CLASSES:
                raise InputError(
                    f"expected at most {MAX_CLASSES:,} classes in the column {name}, found more; "
                    "leave it out of --table"
                )

    def _require_agreement(
        self, tiles: Tiles, part: pa.RecordBatch, rows: NDArray[np.intp]
    ) -> None:
        """Check that some rows of a part have the values that their tiles have already."""
        if not len(rows):
            return
        some = part.take(pa.array(rows))
        for (name, values), column in zip(self.columns.items(), some.columns, strict=True):
            differ = values.differ(tiles[rows], column)
            if differ.any():
                cell = self._cells.take(tiles[rows][differ][:1].astype(np.intp)).names()[0]
                raise InputError(
                    f"expected one row a cell, or rows that agree, found rows of {cell} with "
                    f"different values of {name}; keep one row a cell"
                )


def _known_and_numbers(
    values: pa.Array,
) -> tuple[NDArray[np.bool_] | None, NDArray[np.generic]]:
    """Return a mask [m] of the values that are whole numbers, and the numbers.

    The mask is None for floating-point numbers, of which the missing ones are NaN.
    """
    if pa.types.is_floating(values.type):
        return None, values.to_numpy(zero_copy_only=False)
    known = pc.is_valid(values).to_numpy(zero_copy_only=False)
    return known, pc.fill_null(values, 0).to_numpy()
