"""Calls of `csmoe_model.finetune` on a small set of bright and dark images."""

from dataclasses import replace

from labelled_sets import bright_and_dark

import csmoe_model

SIZES = {"train": 24, "val": 8, "test": 12}
SHORT = {
    "epochs": 4, "batch_size": 8, "validations": 2, "lr": 1e-2, "log_every": 2,
    # The linear probe of this set makes no mistake, so that no step would be better.
    "warm_start": False,
}  # fmt: skip


def finetune(checkpoint, out, data=None, **options):
    """Fine-tune a checkpoint with few short epochs; return the result."""
    given = {"compare": False, "tensorboard": False, **SHORT, **options}
    return csmoe_model.finetune(
        checkpoint, data=bright_and_dark(SIZES) if data is None else data, root=None, out=out,
        **given,
    )  # fmt: skip


def relabelled(**labels):
    """Return the set with other labels of some splits."""
    data = bright_and_dark(SIZES)
    splits = {
        name: replace(split, labels=labels.get(name, split.labels))
        for name, split in data.splits.items()
    }
    return replace(data, splits=splits)
