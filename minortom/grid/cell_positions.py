"""Positions of cells in a list, found by a table of all cells of the grid."""

import numpy as np
from numpy.typing import NDArray

from minortom.grid.cells import N_KEYS, Cells


class CellPositions:
    """Finds the position of cells in a list of [n] cells, each of which occurs once."""

    def __init__(self, cells: Cells) -> None:
        """Index the cells; 33 MB for any number of them."""
        self._positions = np.full(N_KEYS, -1, np.int32)
        self._positions[cells.keys()] = np.arange(len(cells), dtype=np.int32)

    def of(self, cells: Cells) -> NDArray[np.int32]:
        """Return the position [m] of each cell in the list, -1 for a cell that is not in it."""
        found: NDArray[np.int32] = self._positions[cells.keys()]
        return found
