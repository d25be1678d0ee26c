"""Patches that are left out among the neighbours of a patch: its own cell, or patches near it.

Patches of one tile show the same place at the same time. They are near each other in every
representation, so that they say nothing about a model.

Axes, as name suffixes:
    q  queries    n  patches
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from minortom.api.arguments import flag, number, require
from minortom.errors import InputError, UsageError
from minortom.grid.sphere import km_of_chord, unit_vectors
from minortom.shards.shard_set import ShardSet


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """Patches to leave out beside the query itself.

    Raises:
        UsageError: If both options are given.
        InputError: If the distance is not a number of at least 0.
    """

    exclude_km: float | None = None
    """Leave out all patches within this distance of the query, and its own cell."""
    include_own_cell: bool = False
    """Leave out the query alone."""

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "include_own_cell", flag("include_own_cell", self.include_own_cell)
        )
        if self.exclude_km is None:
            return
        distance_km = number("exclude_km", self.exclude_km)
        is_valid = math.isfinite(distance_km) and distance_km >= 0
        require(is_valid, "--exclude-km", "a distance of at least 0 km", self.exclude_km)
        object.__setattr__(self, "exclude_km", distance_km)
        if self.include_own_cell:
            raise UsageError(
                "expected one of --exclude-km and --include-own-cell, found both; leave one out"
            )

    @property
    def is_default(self) -> bool:
        """Return whether no option was given."""
        return self.exclude_km is None and not self.include_own_cell

    @property
    def record(self) -> dict[str, object]:
        """Return the options, for a provenance."""
        return {"exclude_km": self.exclude_km, "include_own_cell": self.include_own_cell}

    @property
    def left_out(self) -> str:
        """Return the patches that are left out, as words."""
        if self.include_own_cell:
            return "the query itself"
        if self.exclude_km is None:
            return "all patches of the query's cell"
        return f"all patches of the query's cell and within {self.exclude_km:g} km of the query"

    def stays(self, data: ShardSet, query_q: Sequence[int]) -> NDArray[np.bool_]:
        """Return which patches of the shards stay for each query, [q, n].

        Args:
            data: The shards, whose metadata is read once for all queries.
            query_q: Numbers of the patches that are searched for.
        """
        queries = np.array(query_q)
        stays_qn: NDArray[np.bool_] = np.arange(len(data)) != queries[:, None]
        if self.include_own_cell:
            return stays_qn
        table = data.metadata(["grid_cell", "lat", "lon"])
        cells = table["grid_cell"]
        cell_n = pc.index_in(cells, pc.unique(cells)).to_numpy()
        stays_qn = cell_n != cell_n[queries, None]
        if self.exclude_km is not None:
            points = unit_vectors(table["lon"].to_numpy(), table["lat"].to_numpy())
            chord_qn = np.stack([np.linalg.norm(points - points[q], axis=1) for q in query_q])
            stays_qn &= km_of_chord(chord_qn) > self.exclude_km
        return stays_qn

    def nothing_left(self, data: ShardSet, query: str) -> InputError:
        """Return the error of a query for which all patches are left out."""
        way = "give shards of more cells"
        if not self.include_own_cell:
            way += ", or a smaller --exclude-km" if self.exclude_km else ", or --include-own-cell"
        return InputError(
            f"expected other patches than {self.left_out} in {data.folder}, found none for "
            f"{query}; {way}"
        )
