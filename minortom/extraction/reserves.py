"""Replacement of unusable tiles by reserves, in rounds.

The first round has the selected tiles that the archives have, and a reserve for each missing tile.
The next round has reserves for the tiles that turned out unusable, and so on until every tile is
usable or no reserve is left. A reserve replaces a tile of its stratum, and of its split where the
selection has splits, in the order of the ranks. Tiles are replaced after a whole round, in the
order of the export. The result depends on the selection, the archives and the seed alone.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from minortom.archive.pairing import Pairs
from minortom.errors import ArchiveError
from minortom.extraction.plan import PlannedTile, in_order, place_of, plan_tiles
from minortom.extraction.selection import SelectedTiles, first_of

MISSING = "missing"
"""Reason of a replacement: an archive has no tile of the cell, or not the product it names."""

_SELECT_FROM_ARCHIVES = (
    "select among the cells that have tiles: `minortom annotate --s2 ARCHIVE --s1 ARCHIVE`, then "
    "`minortom sample`"
)
"""Advice if the cells of a list were selected, since a list names cells without tiles, too."""
_Key = tuple[str, str]
"""Stratum, and split where the selection has splits."""


@dataclass(frozen=True, kw_only=True)
class _Unusable:
    """A selected tile or reserve that gives no patch."""

    cell: str
    key: _Key
    reason: str


class ExportPlan:
    """The tiles of an export, in rounds."""

    def __init__(
        self, selection: SelectedTiles, pairs: Pairs, *, seed: int, skip_missing: bool
    ) -> None:
        """Plan the first round.

        Args:
            selection: Selected tiles and reserves.
            pairs: Their products in the archives.
            seed: Seed of the order of the tiles.
            skip_missing: Whether to leave out cells without a tile in an archive and without a
                reserve.

        Raises:
            ArchiveError: If such cells exist and ``skip_missing`` is false, or if no tile is left.
        """
        self._seed, self._is_split = seed, selection.is_split
        self._has_reserves = len(selection.reserves) > 0
        self._waiting: dict[_Key, deque[PlannedTile]] = {}
        columns = [column.name for column in selection.further]
        for tile in plan_tiles(selection.reserves, pairs, columns=columns, seed=seed):
            self._waiting.setdefault(self._key(tile.stratum, tile.split), deque()).append(tile)
        self._replaced: list[dict[str, str]] = []
        self._replaced_in: Counter[str] = Counter()
        self._short_in: Counter[str] = Counter()

        tiles = plan_tiles(selection.chosen, pairs, columns=columns, seed=seed)
        lost = self._missing(tiles, selection)
        self.cells_missing = len(lost)
        """Selected cells for which an archive has no tile."""
        replacements, left = self._replace(lost)
        if left and not skip_missing:
            raise _missing_error(left, selection, pairs)
        self.first_round = in_order([*tiles, *replacements], seed=seed)
        """Tiles of the first round, in the order of the export."""
        if not self.first_round:
            raise ArchiveError(
                "the archives must have tiles of the selected cells, found none of "
                f"{len(selection.chosen):,} and no reserve; give the archives of these cells, or "
                f"{_SELECT_FROM_ARCHIVES}"
            )

    def next_round(
        self, tiles: Iterable[PlannedTile], unusable: Mapping[str, str]
    ) -> list[PlannedTile]:
        """Return the reserves that replace the unusable tiles of a round.

        Args:
            tiles: Tiles of the round, in order.
            unusable: Cells that gave no patch, with the reason.
        """
        lost = [
            _Unusable(cell=t.cell, key=self._key(t.stratum, t.split), reason=unusable[t.cell])
            for t in tiles
            if t.cell in unusable
        ]
        return in_order(self._replace(lost)[0], seed=self._seed)

    def record(self) -> dict[str, object]:
        """Return the replacements for ``dataset.json``; empty where there are no reserves."""
        if not self._has_reserves:
            return {}
        return {
            "replaced": self._replaced,
            "replaced_by_stratum": dict(sorted(self._replaced_in.items())),
            "not_replaced_by_stratum": dict(sorted(self._short_in.items())),
        }

    def _key(self, stratum: str, split: str) -> _Key:
        # A random split depends on the cell alone, in every export.
        return stratum, split if self._is_split else ""

    def _missing(self, tiles: Iterable[PlannedTile], selection: SelectedTiles) -> list[_Unusable]:
        """Return the selected cells without a tile, in the order of the export."""
        found = {tile.cell for tile in tiles}
        lost = [
            _Unusable(
                cell=row["grid_cell"],
                key=self._key(row["stratum"], row.get("split", "")),
                reason=MISSING,
            )
            for row in selection.chosen.to_pylist()
            if row["grid_cell"] not in found
        ]
        return sorted(lost, key=lambda tile: place_of(tile.cell, self._seed))

    def _replace(self, lost: Iterable[_Unusable]) -> tuple[list[PlannedTile], list[_Unusable]]:
        """Take the next reserve for each cell; return the reserves, and the cells without one."""
        replacements, left = [], []
        for tile in lost:
            waiting = self._waiting.get(tile.key)
            if not waiting:
                left.append(tile)
                self._short_in[tile.key[0]] += 1
                continue
            reserve = waiting.popleft()
            replacements.append(reserve)
            self._replaced_in[tile.key[0]] += 1
            self._replaced.append({"cell": tile.cell, "by": reserve.cell, "reason": tile.reason})
        return replacements, left


def _missing_error(left: list[_Unusable], selection: SelectedTiles, pairs: Pairs) -> ArchiveError:
    cells = {tile.cell for tile in left}
    named = [f"{cell} (Sentinel-2)" for cell in pairs.without_s2 if cell in cells]
    named += [f"{cell} (Sentinel-1)" for cell in pairs.without_s1 if cell in cells]
    reserve = " and no reserve is left for them" if len(selection.reserves) else ""
    return ArchiveError(
        f"the archives have no tile for {len(left):,} of {len(selection.chosen):,} selected "
        f"cells{reserve}, first {first_of(named)}; give --missing skip to export the others, or "
        f"{_SELECT_FROM_ARCHIVES}"
    )
