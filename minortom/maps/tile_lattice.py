"""Lattice of tiles of whole degrees, named by their south-west corners, as in N39W075."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minortom.grid.cells import Cells

_NAME = re.compile(r"([NS])(\d{2})([EW])(\d{3})")
_TOLERANCE = 1e-9
"""Rounding error of an edge, as a fraction of a tile: such an edge counts as that of the tile."""


@dataclass(frozen=True, order=True)
class TileName:
    """Name of a tile: its south-west corner in degrees, ordered northwards, then eastwards."""

    lat_deg: int
    lon_deg: int

    def __str__(self) -> str:
        return (
            f"{'N' if self.lat_deg >= 0 else 'S'}{abs(self.lat_deg):02d}"
            f"{'E' if self.lon_deg >= 0 else 'W'}{abs(self.lon_deg):03d}"
        )

    @classmethod
    def in_text(cls, text: str) -> "tuple[TileName, tuple[int, int]] | None":
        """Return the name of a tile in the name of a file, with its start and end; None without."""
        match = _NAME.search(text)
        if match is None:
            return None
        lat_deg = int(match[2]) * (1 if match[1] == "N" else -1)
        lon_deg = int(match[4]) * (1 if match[3] == "E" else -1)
        return cls(lat_deg, lon_deg), match.span()


@dataclass(frozen=True)
class Lattice:
    """All tiles of one size; one tile has its south-west corner at 0, 0."""

    side_deg: int
    """Side of a tile in degrees, a divisor of 180."""

    def touched_by(self, cells: Cells) -> list[TileName]:
        """Return the tiles that the bounds of cells overlap, in order."""
        west, south, east, north = cells.bounds_deg()
        rows, columns = self._size
        bottom = np.floor(south / self.side_deg + _TOLERANCE).astype(np.intp) + rows // 2
        top = np.ceil(north / self.side_deg - _TOLERANCE).astype(np.intp) - 1 + rows // 2
        left = np.floor(west / self.side_deg + _TOLERANCE).astype(np.intp) + columns // 2
        right = np.ceil(east / self.side_deg - _TOLERANCE).astype(np.intp) + columns // 2
        # +1 at the start of a run of tiles, -1 behind its end: the running sum is above 0 inside.
        # The columns cover the globe twice, since cells may cross the antimeridian.
        change = np.zeros((rows, 2 * columns + 1), dtype=np.int64)
        for row in (bottom, np.where(top > bottom, top, -1)):
            here = row >= 0
            np.add.at(change, (row[here], left[here]), 1)
            np.add.at(change, (row[here], right[here]), -1)
        touched = change.cumsum(axis=1) > 0
        touched = touched[:, :columns] | touched[:, columns : 2 * columns]
        return [self._name(row, column) for row, column in np.argwhere(touched)]

    def tiles_at(
        self, lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64]
    ) -> tuple[list[TileName], NDArray[np.intp]]:
        """Return the tile at each of [n] points, as one raster of all tiles would give it.

        Rasters begin in the north-west, so a tile owns its western and northern edges.

        Returns:
            The tiles in order, each once; and [n] indices into that list.
        """
        rows, columns = self._size
        row = np.ceil(lat_deg / self.side_deg).astype(np.intp) - 1 + rows // 2
        column = np.floor(lon_deg / self.side_deg).astype(np.intp) + columns // 2
        number = np.clip(row, 0, rows - 1) * columns + np.clip(column, 0, columns - 1)
        found, positions = np.unique(number, return_inverse=True)
        return [self._name(*divmod(int(at), columns)) for at in found], positions

    @property
    def _size(self) -> tuple[int, int]:
        """Number of rows (even, since the equator is an edge) and columns of the globe."""
        return 2 * -(-90 // self.side_deg), 360 // self.side_deg

    def _name(self, row: int, column: int) -> TileName:
        rows, columns = self._size
        return TileName(
            (int(row) - rows // 2) * self.side_deg, (int(column) - columns // 2) * self.side_deg
        )
