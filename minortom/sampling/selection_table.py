"""The table of a selection: the chosen annotated rows and their additional columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.grid.cell_places import check_places_of
from minortom.grid.spatial_split import IN_BUFFER, SPLITS, SplitOptions, split_tiles
from minortom.io.geoparquet import refuse_other_bbox, without_geometry
from minortom.sampling.strata import COLUMNS, Tiles, mask_of

MADE_BY = "minortom annotate"
"""The command that makes annotated files."""
ROLE_COLUMNS = ("role", "kept", "reserve_rank")
"""The columns that every selection has in addition to those of the annotated file."""

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def _none() -> IntArray:
    return np.empty(0, np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Chosen:
    """The selected rows and the reserves of an annotated table."""

    rows: IntArray
    """Selected rows, ascending."""
    reserves: IntArray = field(default_factory=_none)
    """Rows of the reserves, sorted by stratum and then by rank."""
    ranks: IntArray = field(default_factory=_none)
    """Rank of each reserve in its stratum, from 1."""
    splits: NDArray[np.int8] | None = None
    """Split of each selected row and then of each reserve, as position in
    ``spatial_split.SPLITS``."""

    @property
    def all_rows(self) -> IntArray:
        """Return the selected rows and then the reserves."""
        return np.concatenate([self.rows, self.reserves])


def split_chosen(
    tiles: Tiles, chosen: Chosen, kept: BoolArray, options: SplitOptions, *, seed: int
) -> Chosen:
    """Assign a split to each chosen tile, and remove the tiles in the buffer between two splits.

    The buffer contains tiles only where tiles are so dense that no gap separates two splits.

    Raises:
        InputError: If a kept tile lies in the buffer.
    """
    rows = chosen.all_rows
    codes = split_tiles(tiles.points[rows], tiles.strata.codes[rows], options, seed=seed)
    has_split = codes != IN_BUFFER
    lost = int((kept[rows] & ~has_split).sum())
    if lost:
        raise InputError(
            f"every kept cell must belong to a split, found {lost} within {options.buffer_km:g} km "
            "of two splits; choose fewer tiles around them, keep fewer cells, or omit --split"
        )
    selected, reserve = np.split(has_split, [len(chosen.rows)])
    reserves = chosen.reserves[reserve]
    of_stratum = tiles.strata.codes[reserves]
    return Chosen(
        rows=chosen.rows[selected],
        reserves=reserves,
        # New ranks: the remaining reserves are sorted by stratum and rank.
        ranks=np.arange(len(reserves)) - np.searchsorted(of_stratum, of_stratum) + 1,
        splits=codes[has_split],
    )


def selected_table(annotated: pa.Table, chosen: Chosen, kept: BoolArray) -> pa.Table:
    """Return the chosen rows, reserves last, with ``role``, ``kept`` and ``reserve_rank``.

    If the tiles are split, the table also has the column ``split``.
    """
    table = without_geometry(annotated).take(pa.array(chosen.all_rows))
    num_selected, num_reserves = len(chosen.rows), len(chosen.reserves)
    roles = pa.array(["selected"] * num_selected + ["reserve"] * num_reserves)
    ranks = [pa.nulls(num_selected, pa.int32()), pa.array(chosen.ranks, pa.int32())]
    table = table.append_column("role", roles.dictionary_encode())
    table = table.append_column("kept", pa.array(kept[chosen.all_rows]))
    table = table.append_column("reserve_rank", pa.concat_arrays(ranks))
    if chosen.splits is None:
        return table
    splits = pa.DictionaryArray.from_arrays(pa.array(chosen.splits), pa.array(SPLITS))
    return table.append_column("split", splits)


def kept_mask(annotated: pa.Table, names: Sequence[str], *, source: str) -> BoolArray:
    """Return a mask of the annotated tiles that a list of cells names.

    Args:
        annotated: One row a tile.
        names: Names of the cells.
        source: Name of the list in error messages.

    Raises:
        InputError: If the list names a cell that is not annotated.
    """
    present = set(annotated["grid_cell"].to_pylist())
    missing = [name for name in names if name not in present]
    if missing:
        raise InputError(
            f"all cells of {source} must be in the annotated file, found {len(missing)} that are "
            f"not ({', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}): they are not "
            "annotated or have no class; remove them from the list or annotate them"
        )
    return mask_of(annotated, pa.array(names, pa.string()))


def check_annotated(table: pa.Table, name: str, *, to_split: bool) -> None:
    """Check that tiles can be chosen from a table.

    Args:
        table: One row a tile.
        name: Name of the table in error messages.
        to_split: Whether a column ``split`` will be added.

    Raises:
        InputError: If a column is missing or reserved, the table is a selection, a tile is not
            where its cell is, or a cell is there twice.
    """
    missing = [column for column in COLUMNS if column not in table.column_names]
    if missing:
        raise InputError(
            f"{name} must have the columns {', '.join(COLUMNS)}, found "
            f"{', '.join(table.column_names)} without {', '.join(missing)}; give the output of "
            f"`{MADE_BY}`"
        )
    taken = [column for column in ROLE_COLUMNS if column in table.column_names]
    if taken:
        raise InputError(
            f"{name} must be the output of `{MADE_BY}`, found a selection (it has the column "
            f"{', '.join(taken)}); give the annotated file"
        )
    if to_split and "split" in table.column_names:
        raise InputError(f"{name} already has a column split; rename it, or omit --split")
    refuse_other_bbox(table, name)
    check_places_of(table, source=name, made_by=MADE_BY)
    counts = table["grid_cell"].combine_chunks().value_counts()
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(repeated):
        raise InputError(
            f"{name} must have each grid cell once, found {len(repeated):,} more than once, first "
            f"{repeated[0]}; remove the repeated rows"
        )
