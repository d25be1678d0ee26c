"""Split of patches by cell: those to train on, and those to validate with."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from csmoe_model.text.patches import Patches
from minortom.errors import InputError

_SHARE = 0.2
"""Share of the training cells that are held out where no cell has the split `val`."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Numbers of the patches of two sets of cells, ascending."""

    train_n: IntArray
    val_n: IntArray

    @classmethod
    def of(cls, patches: Patches, *, seed: int) -> "Split":
        """Return the splits `train` and `val`; a fifth of the training cells for a missing `val`.

        Patches of the split `test` are in neither.

        Args:
            patches: The patches.
            seed: Draws the held-out cells.

        Raises:
            InputError: If there are not two training cells, or a cell is in two splits.
        """
        if "split" in patches.table.column_names:
            split_n = np.array(patches.table["split"].cast(pa.string()).to_pylist(), object)
        else:
            split_n = np.full(len(patches), "train", object)
        is_train, is_val = split_n == "train", split_n == "val"
        cell_n = patches.cell_n
        both = np.intersect1d(cell_n[is_train], cell_n[is_val])
        if len(both):
            raise InputError(
                f"expected each cell in one split in {patches.source}, found {both[0]} in train "
                "and val; export with splits by cell"
            )
        cells = np.unique(cell_n[is_train])
        if len(cells) < 2:
            raise InputError(
                f"expected at least two cells with the split train in {patches.source}, found "
                f"{len(cells)}; embed more cells"
            )
        if not is_val.any():
            count = max(1, round(_SHARE * len(cells)))
            held_out = np.random.default_rng([seed, 1]).permutation(cells)[:count]
            is_val = is_train & np.isin(cell_n, held_out)
            is_train &= ~is_val
        return cls(train_n=np.flatnonzero(is_train), val_n=np.flatnonzero(is_val))
