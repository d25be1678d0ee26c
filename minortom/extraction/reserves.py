"""Tiles that stand in for chosen ones: which cells an export is made of, in rounds.

The first round is the chosen tiles that the archives have, and a reserve for each that they lack.
What a round finds unusable, reserves replace in the next one, until nothing is or none is left.
A reserve stands in within its stratum, and within its split where tiles are split, in the order
of the ranks. All of it follows from the selection, the archives and the seed: holes are filled in
the order in which their tiles are exported, after the whole round is known.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from minortom.archive.pairing import Pairs
from minortom.errors import ArchiveError
from minortom.extraction.plan import PlannedTile, in_order, place_of, plan_tiles
from minortom.extraction.selection import SelectedTiles, first_of

MISSING = "missing"
"""Reason of a replacement: an archive lacks the cell, or the product that it names."""

_Key = tuple[str, str]
"""Stratum, and split where tiles are split."""


@dataclass(frozen=True, kw_only=True)
class _Hole:
    cell: str
    key: _Key
    reason: str


class ExportPlan:
    """The tiles of an export, round by round."""

    def __init__(
        self, selection: SelectedTiles, pairs: Pairs, *, seed: int, skip_missing: bool
    ) -> None:
        """Plan the first round.

        Args:
            selection: Chosen tiles and reserves.
            pairs: Their products in the archives.
            seed: Draws the order of the tiles.
            skip_missing: Whether to go without cells that an archive lacks and no reserve replaces.

        Raises:
            ArchiveError: If an archive lacks a chosen cell that no reserve replaces, unless those
                are to be skipped; or if no tile is left.
        """
        self._seed, self._is_split = seed, selection.is_split
        self._has_reserves = len(selection.reserves) > 0
        self._waiting: dict[_Key, deque[PlannedTile]] = {}
        for tile in plan_tiles(selection.reserves, pairs, seed=seed):
            self._waiting.setdefault(self._key(tile.stratum, tile.split), deque()).append(tile)
        self._replaced: list[dict[str, str]] = []
        self._replaced_in: Counter[str] = Counter()
        self._short_in: Counter[str] = Counter()

        tiles = plan_tiles(selection.chosen, pairs, seed=seed)
        holes = self._holes_left_by(tiles, selection)
        self.cells_missing = len(holes)
        """Chosen cells that an archive lacks."""
        stand_ins, left = self._fill(holes)
        if left and not skip_missing:
            raise _lacking(left, selection, pairs)
        self.first_round = in_order([*tiles, *stand_ins], seed=seed)
        """Its tiles, in the order in which they are exported."""
        if not self.first_round:
            raise ArchiveError(
                f"the archives have none of the {len(selection.chosen):,} selected cells, and no "
                "reserve of their strata; give the archives of these cells"
            )

    def next_round(
        self, tiles: Iterable[PlannedTile], unusable: Mapping[str, str]
    ) -> list[PlannedTile]:
        """Give the reserves that stand in for the unusable tiles of a round.

        Args:
            tiles: The round's tiles, in their order.
            unusable: Cells that gave no patch, and why.
        """
        holes = [
            _Hole(cell=t.cell, key=self._key(t.stratum, t.split), reason=unusable[t.cell])
            for t in tiles
            if t.cell in unusable
        ]
        return in_order(self._fill(holes)[0], seed=self._seed)

    def record(self) -> dict[str, object]:
        """Tell what was replaced by what; nothing where the selection has no reserves."""
        if not self._has_reserves:
            return {}
        return {
            "replaced": self._replaced,
            "replaced_by_stratum": dict(sorted(self._replaced_in.items())),
            "not_replaced_by_stratum": dict(sorted(self._short_in.items())),
        }

    def _key(self, stratum: str, split: str) -> _Key:
        # A split that is drawn from the cell stays the cell's own in whatever export.
        return stratum, split if self._is_split else ""

    def _holes_left_by(self, tiles: Iterable[PlannedTile], selection: SelectedTiles) -> list[_Hole]:
        """Give the chosen cells without a tile, in the order of export."""
        found = {tile.cell for tile in tiles}
        holes = [
            _Hole(
                cell=row["grid_cell"],
                key=self._key(row["stratum"], row.get("split", "")),
                reason=MISSING,
            )
            for row in selection.chosen.to_pylist()
            if row["grid_cell"] not in found
        ]
        return sorted(holes, key=lambda hole: place_of(hole.cell, self._seed))

    def _fill(self, holes: Iterable[_Hole]) -> tuple[list[PlannedTile], list[_Hole]]:
        """Take the next reserve for each; give those, and the holes without one."""
        stand_ins, left = [], []
        for hole in holes:
            waiting = self._waiting.get(hole.key)
            if not waiting:
                left.append(hole)
                self._short_in[hole.key[0]] += 1
                continue
            tile = waiting.popleft()
            stand_ins.append(tile)
            self._replaced_in[hole.key[0]] += 1
            self._replaced.append({"cell": hole.cell, "by": tile.cell, "reason": hole.reason})
        return stand_ins, left


def _lacking(left: list[_Hole], selection: SelectedTiles, pairs: Pairs) -> ArchiveError:
    cells = {hole.cell for hole in left}
    named = [f"{cell} (Sentinel-2)" for cell in pairs.without_s2 if cell in cells]
    named += [f"{cell} (Sentinel-1)" for cell in pairs.without_s1 if cell in cells]
    reserve = " and no reserve is left for them" if len(selection.reserves) else ""
    return ArchiveError(
        f"the archives lack {len(left):,} of {len(selection.chosen):,} selected cells{reserve}, "
        f"first {first_of(named)}; give --missing skip to export the others"
    )
