"""Weights of a run on disk: the copies kept during training, and the final weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csmoe_model.checkpoints.hub import CONFIG
from csmoe_model.checkpoints.model_card import AFTER
from csmoe_model.checkpoints.weight_files import WEIGHTS
from csmoe_model.runs.folder import RunFolder
from minortom.errors import InputError
from minortom.io.provenance import sha256_of
from minortom.io.up_to_date import stored_provenance


@dataclass(frozen=True, kw_only=True)
class KeptWeights:
    """Weights of a run after some of its epochs."""

    folder: Path
    epochs: float
    """A whole number for copies. A run whose length is set in steps may end within an epoch."""
    steps: int
    weights_sha256: str


def kept_weights(run: Path, *, averaged: bool = False) -> list[KeptWeights]:
    """Return the copies of a run's weights in order of epochs, then the final weights.

    Args:
        run: Folder of the run, finished or not.
        averaged: Whether to return the averaged weights instead.

    Raises:
        InputError: If the run has no copies, or a copy does not name its epochs.
    """
    folder = RunFolder(run)
    names = (path.name for path in folder.epochs.glob("*") if path.name.isdecimal())
    places = [folder.epoch_folder(epochs) for epochs in sorted(map(int, names))]
    kept = [_kept(place) for one in places if _is_model(place := _place(one, averaged))]
    if not kept:
        what = "averaged weights (--ema-decay)" if averaged else "weights"
        raise InputError(
            f"{run} has no {what} of earlier epochs; give runs of `csmoe train … --keep-every 10`"
        )
    end = _place(folder, averaged)
    if _is_model(end):
        last = _end(end, steps_an_epoch=kept[0].steps / kept[0].epochs)
        kept += [last] if last.steps > kept[-1].steps else []
    return kept


def _place(folder: RunFolder, averaged: bool) -> Path:
    return folder.ema if averaged else folder.model


def _is_model(folder: Path) -> bool:
    return (folder / WEIGHTS).is_file()


def _kept(folder: Path) -> KeptWeights:
    after = _options(folder).get(AFTER)
    if after is None:
        raise InputError(
            f"{folder / CONFIG} must name the epochs of its weights, found none; give the folder "
            "of a run as csmoe train wrote it"
        )
    return KeptWeights(
        folder=folder, epochs=float(after["epochs"]), steps=int(after["steps"]),
        weights_sha256=sha256_of(folder / WEIGHTS),
    )  # fmt: skip


def _end(folder: Path, *, steps_an_epoch: float) -> KeptWeights:
    train = _options(folder)["train"]
    steps = train["steps"] or round(train["epochs"] * steps_an_epoch)
    return KeptWeights(
        folder=folder, epochs=steps / steps_an_epoch, steps=steps,
        weights_sha256=sha256_of(folder / WEIGHTS),
    )  # fmt: skip


def _options(folder: Path) -> Mapping[str, Any]:
    record = stored_provenance(folder / CONFIG)
    if record is None or not isinstance(options := record.get("options"), dict):
        raise InputError(f"{folder / CONFIG} is damaged; copy the run's folder again")
    return options
