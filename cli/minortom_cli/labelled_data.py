"""Labelled sets by the name that a user gives them."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from csmoe_model.labelled import LabelledSet


def open_labelled(
    data: Literal["shards"],
    root: Path,
    *,
    label: Literal["landcover", "climate", "stratum"],
    split_by: Literal["shards", "blocks"],
    seed: int,
) -> "LabelledSet":
    """Open a set.

    Args:
        data: Its kind: `shards`.
        root: Where it lies.
        label: Column of shards to tell.
        split_by: How shards are split.
        seed: Draws a split by blocks.

    Raises:
        MinorTomError: If the set is not there or damaged.
    """
    # Imported here so that `csmoe --help` does not load torch.
    from csmoe_model.labelled_shards import ShardLabels, shards_as_labelled

    del data
    return shards_as_labelled(root, ShardLabels(label=label, split_by=split_by, seed=seed))
