"""The weights of a run on disk: at its end, and after some epochs where they are to be kept."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from csmoe_model.checkpoints import save_model
from csmoe_model.csmoe import CSMoE
from csmoe_model.hub import CONFIG, WEIGHTS
from csmoe_model.model_card import AFTER
from csmoe_model.pretraining import Pretraining
from csmoe_model.run_folder import RunFolder
from minortom.errors import InputError
from minortom.outputs import stored_provenance
from minortom.provenance import Provenance, sha256_of


@dataclass(frozen=True, kw_only=True)
class RunWeights:
    """Writes the weights of a run as they are when asked to."""

    run: Pretraining
    recipe: str
    provenance: Provenance
    """Of the whole run."""

    def save(self, folder: RunFolder) -> None:
        """Write the averaged weights, where there are any, and the weights last of all."""
        models = {folder.ema: self.run.ema.model} if self.run.ema else {}
        models[folder.model] = self.run.model
        for path, model in models.items():
            assert isinstance(model, CSMoE)
            save_model(
                path, model=model, normalise=self.run.normalise, recipe=self.recipe,
                provenance=self.provenance,
            )  # fmt: skip

    def keep(self, folder: RunFolder, *, epochs: int, steps: int) -> None:
        """Write them to a folder of their own, which says after how many epochs and steps.

        What a run that was killed afterwards left there is replaced by the same.
        """
        after = {AFTER: {"epochs": epochs, "steps": steps}}
        provenance = replace(self.provenance, options={**self.provenance.options, **after})
        replace(self, provenance=provenance).save(folder.after(epochs))


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Weights of a run after some of its epochs."""

    folder: Path
    epochs: float
    """Whole where the weights were kept on the way; a run counted in steps may end in between."""
    steps: int
    weights_sha256: str


def kept_weights(run: Path, *, averaged: bool = False) -> list[Kept]:
    """List the weights that a run kept after some epochs, in order, and last those of its end.

    Args:
        run: Folder of the run, finished or not.
        averaged: Whether to list the averaged weights instead.

    Raises:
        InputError: If it kept none, or they do not say after how many epochs.
    """
    folder = RunFolder(run)
    names = (path.name for path in folder.epochs.glob("*") if path.name.isdecimal())
    places = [folder.after(epochs) for epochs in sorted(map(int, names))]
    kept = [_kept(place) for one in places if _is_model(place := _place(one, averaged))]
    if not kept:
        what = "averaged weights (--ema-decay)" if averaged else "weights"
        raise InputError(
            f"{run} kept no {what} on the way; give runs of `csmoe train … --keep-every 10`"
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


def _kept(folder: Path) -> Kept:
    after = _options(folder).get(AFTER)
    if after is None:
        raise InputError(
            f"{folder / CONFIG} does not say after how many epochs its weights were kept; give "
            "the run as csmoe train left it"
        )
    return Kept(
        folder=folder, epochs=float(after["epochs"]), steps=int(after["steps"]),
        weights_sha256=sha256_of(folder / WEIGHTS),
    )  # fmt: skip


def _end(folder: Path, *, steps_an_epoch: float) -> Kept:
    train = _options(folder)["train"]
    steps = train["steps"] or round(train["epochs"] * steps_an_epoch)
    return Kept(
        folder=folder, epochs=steps / steps_an_epoch, steps=steps,
        weights_sha256=sha256_of(folder / WEIGHTS),
    )  # fmt: skip


def _options(folder: Path) -> Mapping[str, Any]:
    record = stored_provenance(folder / CONFIG)
    if record is None or not isinstance(options := record.get("options"), dict):
        raise InputError(f"{folder / CONFIG} is damaged; copy the run's folder again")
    return options
