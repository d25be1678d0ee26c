"""Labels of the patches of shards, from a table such as that of `minortom label`."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.io.provenance import sha256_of
from minortom.io.table_columns import is_text, read_table
from minortom.io.up_to_date import stored_provenance
from minortom.shards.layout import DATASET_FILE
from minortom.shards.shard_set import ShardSet

LABEL = "label"
"""Column of the table with the labels."""
KEYS = ("grid_cell", "patch_row", "patch_col")
"""Columns that name a patch, in the table and in the shards."""
_MADE_BY = "minortom label"


def read_patch_labels(path: Path, data: ShardSet) -> NDArray[np.str_]:
    """Return the label of each patch of shards [n]; an empty text for one without a label.

    Args:
        path: Parquet file with `grid_cell`, `patch_row`, `patch_col` and `label`, a text or a
            whole number that is null for a patch without a label; further rows are ignored.
        data: The shards.

    Raises:
        InputError: If the file is no such table, was made from other shards, names a patch twice
            or lacks patches, or no patch has a label.
    """
    table = read_table(path, [*KEYS, LABEL], made_by=_MADE_BY)
    _check_shards(path, data)
    kinds = {name: table.schema.field(name).type for name in (*KEYS[1:], LABEL)}
    for name, kind in kinds.items():
        if not (pa.types.is_integer(kind) or (name == LABEL and is_text(kind))):
            expected = "text or whole numbers" if name == LABEL else "whole numbers"
            raise InputError(
                f"{path}: the column {name} must have {expected}, found {kind}; give the output of "
                f"`{_MADE_BY}`"
            )
    listed = _names(table)
    if pc.count_distinct(listed).as_py() < len(listed):
        raise InputError(f"{path} must name each patch once, found a patch twice; remove one row")
    patches = _names(data.metadata(KEYS))
    rows = pc.index_in(patches, listed)
    if rows.null_count:
        missing = patches.filter(pc.is_null(rows))
        raise InputError(
            f"{path} must have a label for each patch of {data.folder}, found none for "
            f"{len(missing):,} of {len(patches):,}, the first is {missing[0]}; run "
            f"`{_MADE_BY}` on these shards"
        )
    labels = pc.fill_null(table[LABEL].cast(pa.string()), "").take(rows)
    found: NDArray[np.str_] = labels.to_numpy(zero_copy_only=False).astype(str)
    if not (found != "").any():
        raise InputError(f"{path} must have labels, found none for the patches of {data.folder}")
    return found


def _check_shards(path: Path, data: ShardSet) -> None:
    """Check the hash of the shards that `minortom label` stores; other tables have none."""
    record = stored_provenance(path) or {}
    inputs = record.get("inputs")
    stored = inputs.get("shards") if isinstance(inputs, dict) else None
    if record.get("command") == "label" and stored != sha256_of(data.folder / DATASET_FILE):
        raise InputError(
            f"{path} must have labels of the shards {data.folder}, found labels of other shards; "
            f"run `{_MADE_BY}` on these shards"
        )


def _names(table: pa.Table) -> pa.Array:
    """Return the patches as text such as `433D_629L:3:1`."""
    columns = [table[name].cast(pa.string()) for name in KEYS]
    named = pc.binary_join_element_wise(*columns, ":")
    return named.combine_chunks() if isinstance(named, pa.ChunkedArray) else named
