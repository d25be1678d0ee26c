"""Test patches of shards whose class no training patch has."""

from dataclasses import replace

import numpy as np

from csmoe_model.datasets.base import LabelledSet, class_counts
from csmoe_model.datasets.names import SHARDS
from minortom.errors import InputError


def with_trained_classes(data: LabelledSet) -> LabelledSet:
    """Return shards without the test patches whose class has no training patch; other sets as is.

    The split of shards is drawn, so that a rare class may be in one split alone. The classes of a
    published or a user's own set are split on purpose; `check_for_probe` refuses such a set.

    Raises:
        InputError: If no test patch is left.
    """
    if data.name != SHARDS or data.task != "multiclass":
        return data
    trained, test = class_counts(data, "train") > 0, data.split("test")
    kept = trained[test.labels]
    if kept.all():
        return data
    lost = ", ".join(data.classes[k] for k in np.unique(test.labels[~kept]))
    count = int((~kept).sum())
    if not kept.any():
        raise InputError(
            f"each class of the test split needs training patches, found none for {lost}; give "
            "--split-by blocks, another --label, or shards with more tiles of each class"
        )
    return replace(
        data,
        splits={**data.splits, "test": test.take(np.flatnonzero(kept))},
        settings={**data.settings, "untrained": count},
        notes=(*data.notes, f"left out {count:,} test patches of {lost}: no training patch has it"),
    )
