"""The space of ``--spread-over``, in which the tiles of each stratum are covered.

Each part is divided by its *spread* in the stratum, the root mean square distance of the stratum's
tiles from their mean: for a number its standard deviation, for the place the distance on a straight
line through the Earth. Every part then varies equally, and multiplied by its weight it is some
coordinates of a Euclidean space. Distances in it have no unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.grid.sphere import EARTH_RADIUS_KM
from minortom.sampling.spread_columns import column_values
from minortom.sampling.spread_parts import SpreadOptions, SpreadPart
from minortom.sampling.strata import Tiles

SPREAD_KEY = "minortom_spread"
"""Key of the spreads of the parts in the schema metadata of a selection."""
_MIN_DIMENSIONS = 3  # the kernels write out the first three coordinates
_CONSTANT = 1e-12  # largest ratio of a constant's deviation, a rounding error, to its value

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class SpreadSpace:
    """The coordinates of all tiles in the space of their stratum."""

    parts: tuple[SpreadPart, ...]
    weight: float
    """Weight of the coverage in the space in the score of ``sample``."""
    values: tuple[NDArray[np.floating], ...]
    """[n, d] values of each part at all tiles; of the place the unit vectors."""
    means: tuple[FloatArray, ...]
    """[S, d] mean of each part in each stratum."""
    spreads: FloatArray
    """[S, parts] root mean square distance of a stratum's tiles from the mean; 0 for a part that
    is constant in the stratum, which does not count there."""

    @classmethod
    def of_table(cls, table: pa.Table, tiles: Tiles, options: SpreadOptions) -> "SpreadSpace":
        """Read the columns of a space from annotated tiles.

        Raises:
            InputError: If a column cannot be used.
        """
        values = tuple(
            tiles.points if part.is_place else column_values(table, part, options.components)
            for part in options.parts
        )
        num_strata = len(tiles.strata)
        means = tuple(np.zeros((num_strata, of_part.shape[1])) for of_part in values)
        spreads = np.zeros((num_strata, len(values)))
        for s in range(num_strata):
            rows = tiles.strata.rows(s)
            for number, of_part in enumerate(values):
                here = of_part[rows].astype(np.float64)
                mean = here.mean(axis=0)
                spread = np.sqrt(np.square(here - mean).sum(axis=1).mean())
                means[number][s] = mean
                if spread > _CONSTANT * np.abs(here).max():
                    spreads[s, number] = spread
        return cls(
            parts=options.parts, weight=options.weight, values=values, means=means,
            spreads=spreads,
        )  # fmt: skip

    def spreads_by_stratum(self, names: Sequence[str]) -> dict[str, dict[str, float]]:
        """Return stratum -> part -> its spread, with six digits: of the place in km.

        Args:
            names: [S] names of the strata.
        """
        units = [EARTH_RADIUS_KM if part.is_place else 1.0 for part in self.parts]
        return {
            name: {
                part.label: float(f"{spread * unit:.6g}")
                for part, spread, unit in zip(self.parts, of_stratum, units, strict=True)
            }
            for name, of_stratum in zip(names, self.spreads, strict=True)
        }

    def points(self, rows: IntArray, stratum: int) -> FloatArray:
        """Return the coordinates [m, d] of tiles of a stratum, at least three."""
        weighted = [
            part.weight * self.standardised(rows, stratum, [number])
            for number, part in enumerate(self.parts)
        ]
        missing = max(_MIN_DIMENSIONS - sum(of_part.shape[1] for of_part in weighted), 0)
        return np.concatenate([*weighted, np.zeros((len(rows), missing))], axis=1)

    def standardised(self, rows: IntArray, stratum: int, numbers: Sequence[int]) -> FloatArray:
        """Return some parts of tiles of a stratum [m, d], divided by their spreads, unweighted."""
        found = []
        for number in numbers:
            spread = self.spreads[stratum, number]
            centred = self.values[number][rows] - self.means[number][stratum]
            found.append(centred / spread if spread else np.zeros_like(centred))
        return np.concatenate(found, axis=1)
