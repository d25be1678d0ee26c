"""Few-shot probes: a limited number of training samples of each class."""

from dataclasses import replace

import numpy as np

from csmoe_model.datasets.base import LabelledSet
from csmoe_model.probing.heads import Table
from minortom.errors import InputError

SHOT_DRAWS = 5
"""Number of draws of the samples. The score of a single draw would depend on chance. All kinds of
features use the same draws."""


def check_shots(data: LabelledSet, shots: int | None) -> None:
    """Check that a limited number of samples of each class can be drawn.

    Raises:
        InputError: If `shots` is given and the set is not multiclass.
    """
    if shots is not None and data.task != "multiclass":
        raise InputError(
            f"--shots needs a multiclass set, found the {data.task} set {data.name}; leave it out"
        )


def with_shots(table: Table, shots: int, *, seed: int) -> Table:
    """Return a table with at most `shots` random training samples of each class.

    The validation and test splits do not change.
    """
    labels, rng = table.labels["train"], np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    chosen = np.sort(
        np.concatenate([order[labels[order] == k][:shots] for k in range(table.num_classes)])
    )
    return replace(
        table,
        features={**table.features, "train": table.features["train"][chosen]},
        labels={**table.labels, "train": labels[chosen]},
    )
