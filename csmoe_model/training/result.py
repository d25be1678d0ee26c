"""Result of a training run."""

from dataclasses import dataclass
from pathlib import Path

from csmoe_model.runs.folder import RunFolder
from minortom.api.results import Result
from minortom.errors import InputError


@dataclass(frozen=True, kw_only=True)
class TrainResult(Result):
    """Folder and last losses of a finished run."""

    status: str
    """`trained` or `up to date`."""
    run: Path
    """Folder of the run."""
    steps: int
    """Optimiser steps taken."""
    epochs: int
    """Epochs started."""
    loss: float
    """Training loss: the last row of the log, a mean over some steps."""
    val_loss: float | None
    """Loss on the validation split after the last step; None without such a split."""
    weights: Path
    """Folder of the trained weights."""
    curve: Path
    """PNG with the loss terms over the steps."""


def read_result(folder: RunFolder, status: str) -> TrainResult:
    """Read the result of a finished run from its log.

    Raises:
        InputError: If the log is missing or damaged.
    """
    rows, val_rows = folder.log.rows("train"), folder.log.rows("val")
    try:
        last = rows[-1]
        return TrainResult(
            status=status,
            run=folder.path,
            steps=int(last["step"]),
            epochs=int(last["epoch"]) + 1,
            loss=float(last["loss"]),
            val_loss=float(val_rows[-1]["loss"]) if val_rows else None,
            weights=folder.model,
            curve=folder.curve,
        )
    except (IndexError, ValueError):
        raise InputError(
            f"expected rows of numbers of the split train in {folder.log.path}, found "
            f"{'others' if rows else 'none'}; restore the file, or give another --out"
        ) from None
