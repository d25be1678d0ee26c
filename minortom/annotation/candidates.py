"""Cells to annotate: from lists or from two archives, without those that rules remove."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.archive.archive import Archive
from minortom.archive.pair_rules import PairRules
from minortom.archive.pairing import Place, pair_archives
from minortom.errors import InputError
from minortom.grid.cell_lists import CellSource, read_cells
from minortom.grid.cells import Cells


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """Cells to annotate, each once, by grid row, then by column."""

    cells: Cells
    archive: pa.Table | None
    """Columns of ``annotated.parquet`` that come from the archives; None without archives."""
    cells_in: int
    """Number of cells before any rule."""
    removed: Mapping[str, int]
    """Number of cells that each rule removed; each cell is counted once."""
    may_be_unknown: Sequence[str] = ()
    """Columns of ``archive`` that may have missing values."""
    repeated: Mapping[str, int] = field(default_factory=dict)
    """Number of rows beyond the first of a cell, by sensor."""
    not_in_archive: int | None = None
    """Number of listed cells that are not in the Sentinel-2 archive; None unless both are given."""


def from_lists(lists: Sequence[CellSource], places: Sequence[Place]) -> Candidates:
    """Return the cells of lists, as ``read_cells`` takes them, in the selected places.

    Raises:
        InputError: If a list is unusable, or no cell is left.
    """
    cells = listed = read_cells(lists)
    removed = {}
    for name, keeps in places:
        kept = cells.take(keeps(cells))
        removed[name] = len(cells) - len(kept)
        cells = kept
    found = Candidates(cells=cells, archive=None, cells_in=len(listed), removed=removed)
    return _not_empty(found)


def from_archives(
    s2: Archive,
    s1: Archive,
    *,
    rules: PairRules,
    places: Sequence[Place],
    lists: Sequence[CellSource] = (),
) -> Candidates:
    """Return the cells of two archives with one pair of rows each.

    Args:
        s2: Archive of Sentinel-2.
        s1: Archive of Sentinel-1.
        rules: Which rows and pairs may be selected.
        places: Which cells may be selected.
        lists: Only cells in these lists are used; all cells if there are no lists.

    Raises:
        InputError: If a list is unusable, or no cell is left.
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
            "expected rows with grid_cell, parquet_url and parquet_row in the archive of "
            "Sentinel-2, found none; give another --s2"
        )
    reasons = ", ".join(f"{name} {n:,}" for name, n in found.removed.items() if n)
    raise InputError(
        f"expected cells in the selected area that pass the rules, found none of "
        f"{found.cells_in:,} (removed by {reasons}); relax the rules or the area"
    )
