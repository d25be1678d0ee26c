"""Which cells to annotate: lists of cells, or two archives, less what rules remove."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.archive.archive import Archive
from minortom.archive.pair_rules import PairRules
from minortom.archive.pairing import Place, pair_archives
from minortom.errors import InputError
from minortom.grid.cell_lists import read_cells
from minortom.grid.cells import Cells


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """Cells, each once, by grid row, then by column."""

    cells: Cells
    archive: pa.Table | None
    """What the archives say of each cell: the archive's columns of ``annotated.parquet``."""
    cells_in: int
    """Cells before any rule."""
    removed: Mapping[str, int]
    """Cells that each rule removed; each cell is counted once."""
    may_be_unknown: Sequence[str] = ()
    """Columns of ``archive`` whose values an archive may lack."""
    repeated: Mapping[str, int] = field(default_factory=dict)
    """Rows beyond the first of a cell, by sensor."""
    not_in_archive: int | None = None
    """Cells of lists that Sentinel-2's archive lacks, where both were given."""


def from_lists(lists: Sequence[str], places: Sequence[Place]) -> Candidates:
    """Read lists of cells as ``cells.read_cells`` takes them.

    Raises:
        InputError: If a list is not usable, or no cell is left.
    """
    cells = wanted = read_cells(lists)
    removed = {}
    for name, keeps in places:
        kept = cells.take(keeps(cells))
        removed[name] = len(cells) - len(kept)
        cells = kept
    found = Candidates(cells=cells, archive=None, cells_in=len(wanted), removed=removed)
    return _not_empty(found)


def from_archives(
    s2: Archive,
    s1: Archive,
    *,
    rules: PairRules,
    places: Sequence[Place],
    lists: Sequence[str] = (),
) -> Candidates:
    """Pair the rows of two archives, one pair a cell.

    Args:
        s2: The archive of Sentinel-2.
        s1: The archive of Sentinel-1.
        rules: Which rows and pairs are good enough.
        places: Which cells are wanted.
        lists: Only cells that these lists name, where there are any.

    Raises:
        InputError: If a list is not usable, or no cell is left.
        ArchiveError: If metadata cannot be read.
    """
    not_in_archive = None
    if lists:
        listed = read_cells(lists).keys()

        def are_listed(cells: Cells) -> NDArray[np.bool_]:
            nonlocal not_in_archive
            found = np.isin(cells.keys(), listed)
            not_in_archive = len(listed) - int(found.sum())
            return found

        places = [("cells", are_listed), *places]
    paired = pair_archives(s2, s1, rules, places=places)
    found = Candidates(
        cells=paired.cells,
        archive=paired.table.drop_columns(["grid_cell"]),
        cells_in=paired.cells_in,
        removed=paired.removed,
        may_be_unknown=tuple(paired.unknown),
        repeated=paired.repeated,
        not_in_archive=not_in_archive,
    )
    return _not_empty(found)


def _not_empty(found: Candidates) -> Candidates:
    if len(found.cells):
        return found
    if not found.cells_in:
        raise InputError(
            "the archive of Sentinel-2 has no row that can be used; wanted rows with grid_cell, "
            "parquet_url and parquet_row"
        )
    reasons = ", ".join(f"{name} {n:,}" for name, n in found.removed.items() if n)
    raise InputError(
        f"none of {found.cells_in:,} cells is left (removed by {reasons}); "
        "wanted cells that lie in the place asked for and pass the rules"
    )
