"""Few labels: a probe's training samples thinned to some of each class."""

from dataclasses import replace

import numpy as np

from csmoe_model.datasets.base import LabelledSet
from csmoe_model.probing.heads import Table
from minortom.errors import InputError

SHOT_DRAWS = 5
"""How often samples are drawn, for every kind of features the same: few may be lucky ones."""


def check_shots(data: LabelledSet, shots: int | None) -> None:
    """Make sure that samples of a class can be drawn.

    Raises:
        InputError: If some are asked for and samples have no class of their own.
    """
    if shots is not None and data.task != "multiclass":
        raise InputError(
            f"--shots {shots} draws training samples of each class, and those of {data.name} have "
            "several; leave it out"
        )


def with_shots(table: Table, shots: int, *, seed: int) -> Table:
    """Keep so many training samples of each class, drawn; all where a class has no more.

    Validation and test stay as they are.
    """
    labels, rng = table.labels["train"], np.random.default_rng(seed)
    order = rng.permutation(len(labels))
    kept = np.sort(
        np.concatenate([order[labels[order] == k][:shots] for k in range(table.num_classes)])
    )
    return replace(
        table,
        features={**table.features, "train": table.features["train"][kept]},
        labels={**table.labels, "train": labels[kept]},
    )
