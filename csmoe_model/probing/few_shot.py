"""Few-shot probes: a limited number of training samples of each class."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from csmoe_model.datasets.base import LabelledSet, Labels
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
    labels = table.labels["train"]
    chosen = shot_samples(labels, table.num_classes, shots, seed=seed)
    return replace(
        table,
        features={**table.features, "train": table.features["train"][chosen]},
        labels={**table.labels, "train": labels[chosen]},
    )


def shot_samples(labels: Labels, num_classes: int, shots: int, *, seed: int) -> NDArray[np.int64]:
    """Draw at most `shots` samples of each class; return their numbers, ascending."""
    order = np.random.default_rng(seed).permutation(len(labels))
    drawn = [order[labels[order] == k][:shots] for k in range(num_classes)]
    return np.sort(np.concatenate(drawn))
