"""The table of a selection: which annotated rows it has, and what it says of each."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.grid.cell_lists import read_cells
from minortom.grid.spatial_split import IN_BUFFER, SPLITS, SplitOptions, split_tiles
from minortom.io.geoparquet import GEOMETRY
from minortom.sampling.strata import COLUMNS, Tiles, mask_of

MADE_BY = "minortom annotate"
"""What makes the files that tiles are chosen from."""
ROLE_COLUMNS = ("role", "kept", "reserve_rank")
"""What a selection has that an annotated file has not."""

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def _none() -> IntArray:
    return np.empty(0, np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Chosen:
    """Rows of an annotated table, and what they were chosen as."""

    rows: IntArray
    """Selected rows, ascending."""
    reserves: IntArray = field(default_factory=_none)
    """Rows of the reserves, by stratum and then by rank."""
    ranks: IntArray = field(default_factory=_none)
    """Rank of each reserve in its stratum, from 1."""
    splits: NDArray[np.int8] | None = None
    """Positions in ``spatial_split.SPLITS`` of the selected rows and then of the reserves."""

    @property
    def all_rows(self) -> IntArray:
        """The selected rows and then the reserves."""
        return np.concatenate([self.rows, self.reserves])


def split_chosen(
    tiles: Tiles, chosen: Chosen, kept: BoolArray, options: SplitOptions, *, seed: int
) -> Chosen:
    """Give each chosen tile its split; leave out those that can have none.

    These lie between two splits in a crowd of tiles that no gap divides.

    Raises:
        InputError: If one of them is a kept tile.
    """
    rows = chosen.all_rows
    codes = split_tiles(tiles.points[rows], tiles.strata.codes[rows], options, seed=seed)
    has_split = codes != IN_BUFFER
    lost = int((kept[rows] & ~has_split).sum())
    if lost:
        raise InputError(
            f"{lost} of the cells to be kept lie between two splits, within {options.buffer_km:g} "
            "km of both; choose fewer tiles around them, keep fewer, or do without --split"
        )
    selected, reserve = np.split(has_split, [len(chosen.rows)])
    reserves = chosen.reserves[reserve]
    of_stratum = tiles.strata.codes[reserves]
    return Chosen(
        rows=chosen.rows[selected],
        reserves=reserves,
        # Counted anew: by stratum they are, and in the order of their ranks.
        ranks=np.arange(len(reserves)) - np.searchsorted(of_stratum, of_stratum) + 1,
        splits=codes[has_split],
    )


def selected_table(annotated: pa.Table, chosen: Chosen, kept: BoolArray) -> pa.Table:
    """Take the chosen rows, the reserves last; add ``role``, ``kept`` and ``reserve_rank``.

    And ``split``, where the tiles are split.
    """
    table = annotated.drop_columns([GEOMETRY]) if GEOMETRY in annotated.column_names else annotated
    table = table.take(pa.array(chosen.all_rows))
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


def kept_mask(annotated: pa.Table, keep: Path) -> BoolArray:
    """Mark the tiles that a list of cells names.

    Raises:
        InputError: If the list cannot be read, or names a cell that is not annotated.
    """
    # A file called `grid` is meant, never the word that stands for the whole grid.
    names = pa.array(read_cells([str(keep) if keep.parts != ("grid",) else "./grid"]).names())
    present = set(annotated["grid_cell"].to_pylist())
    missing = [name for name in names.to_pylist() if name not in present]
    if missing:
        raise InputError(
            f"{keep} names {len(missing)} cells that are not in the annotated file "
            f"({', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}): not annotated, or "
            "without a class there; take them out of the list or annotate them"
        )
    return mask_of(annotated, names)


def check_annotated(table: pa.Table, path: Path, *, to_split: bool) -> None:
    """Make sure that a table is what tiles can be chosen from.

    Args:
        table: One row a tile.
        path: Where it is from, for messages.
        to_split: Whether a column ``split`` will be made.

    Raises:
        InputError: If it lacks a column, is a selection already, or has a cell twice.
    """
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise InputError(
            f"{path} lacks the column {', '.join(missing)}; it has "
            f"{', '.join(table.column_names)}; wanted the output of `{MADE_BY}`"
        )
    taken = [name for name in ROLE_COLUMNS if name in table.column_names]
    if taken:
        raise InputError(
            f"{path} has the column {', '.join(taken)} already: it is a selection; wanted the "
            f"output of `{MADE_BY}`"
        )
    if to_split and "split" in table.column_names:
        raise InputError(f"{path} has a column split already; rename it, or do without --split")
    counts = table["grid_cell"].combine_chunks().value_counts()
    twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(twice):
        raise InputError(
            f"{path} has {len(twice):,} grid cells more than once, first {twice[0]}; "
            "wanted each once"
        )
