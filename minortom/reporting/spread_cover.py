"""The coverage of a selection in the space of ``--spread-over``, and in each of its parts."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from minortom.grid.sphere import km_of_chord
from minortom.reporting.held_out import Scores, nearest_members, rows_measured
from minortom.reporting.measures import BoolArray, FloatArray, IntArray
from minortom.sampling.spread_space import SpreadSpace
from minortom.sampling.strata import Tiles

KM, SPREAD = "km", "spread"
"""Units: kilometres on the ground, and the root mean square distance from the stratum's mean."""

JOIN = " × "
"""Between the names of parts that are measured together."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SpreadCover:
    """The tiles of the large strata, in the space and in its parts."""

    tiles: Tiles
    space: SpreadSpace
    rows: Mapping[int, IntArray]
    """Large stratum -> its rows."""

    @classmethod
    def of(cls, tiles: Tiles, space: SpreadSpace, wanted: IntArray) -> "SpreadCover":
        """Find the large strata; ``wanted`` [S] is the number of tiles requested of each."""
        has_value = np.ones(len(tiles), np.bool_)
        return cls(tiles=tiles, space=space, rows=rows_measured(tiles, has_value, wanted))

    @property
    def units(self) -> dict[str, str]:
        """Return measure -> its unit: the whole space, its parts, and its columns together."""
        labels = [part.label for part in self.space.parts]
        columns = [part.label for part in self.space.parts if not part.is_place]
        found = {part.label: KM if part.is_place else SPREAD for part in self.space.parts}
        return {_joined(labels): SPREAD, **found, _joined(columns): SPREAD}

    def scores(self, chosen: BoolArray) -> Scores:
        """Measure the mean distance from a stratum's tiles to the nearest chosen one.

        In the whole space the parts have their weights, as in the search. Less is better.

        Args:
            chosen: [n] mask of the selection.
        """
        found = {name: np.full(len(self.tiles.strata), np.nan) for name in self.units}
        numbers = [i for i, part in enumerate(self.space.parts) if not part.is_place]
        columns = _joined([self.space.parts[i].label for i in numbers])
        everything = next(iter(self.units))
        for s, rows in self.rows.items():
            members = rows[chosen[rows]]
            if not len(members):
                continue
            for number, part in enumerate(self.space.parts):
                if part.is_place:
                    of_place = (self.tiles.points[some] for some in (rows, members))
                    found[part.label][s] = _cover_km(*of_place)
                else:
                    found[part.label][s] = self._cover(rows, members, s, [number])
            found[columns][s] = self._cover(rows, members, s, numbers)
            weighted = (self.space.points(some, s) for some in (rows, members))
            found[everything][s] = nearest_members(*weighted)[1].mean()
        return found

    def _cover(self, rows: IntArray, members: IntArray, stratum: int, numbers: list[int]) -> float:
        """Return the mean distance in some parts without their weights."""
        here, there = (self.space.standardised(some, stratum, numbers) for some in (rows, members))
        return float(nearest_members(here, there)[1].mean())


def _cover_km(points: FloatArray, members: FloatArray) -> float:
    return float(km_of_chord(cKDTree(members).query(points)[0]).mean())


def _joined(labels: list[str]) -> str:
    return JOIN.join(labels)
