"""The weights of a run on disk: at its end, and after some epochs where they are to be kept."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from csmoe_model.checkpoints import save_model
from csmoe_model.csmoe import CSMoE
from csmoe_model.hub import WEIGHTS
from csmoe_model.model_card import AFTER
from csmoe_model.pretraining import Pretraining
from csmoe_model.run_folder import RunFolder
from minortom.errors import InputError
from minortom.provenance import Provenance

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


def kept_weights(run: Path, *, averaged: bool = False) -> list[Path]:
    """List the folders with weights that a run kept after some epochs, and those of its end.

    Args:
        run: Folder of the run, finished or not.
        averaged: Whether to list the averaged weights instead.

    Raises:
        InputError: If it kept none.
    """
    folder = RunFolder(run)
    names = (path.name for path in folder.epochs.glob("*") if path.name.isdecimal())
    kept = [folder.after(epochs) for epochs in sorted(map(int, names))]
    places = [one.ema if averaged else one.model for one in [*kept, folder]]
    found = [place for place in places if (place / WEIGHTS).is_file()]
    if not found or found == places[-1:]:
        what = "averaged weights (--ema-decay)" if averaged else "weights"
        raise InputError(
            f"{run} kept no {what} on the way; give runs of `csmoe train … --keep-every 10`"
        )
    return found


def seen_by(record: Mapping[str, Any], *, steps_an_epoch: float) -> tuple[float, int]:
    """Tell after how many epochs and steps weights were written, by their provenance.

    Args:
        record: Of the weights.
        steps_an_epoch: What turns the steps of a whole run into epochs.
    """
    after, train = record["options"].get(AFTER), record["options"]["train"]
    if after:
        return float(after["epochs"]), int(after["steps"])
    steps = train["steps"] or round(train["epochs"] * steps_an_epoch)
    return steps / steps_an_epoch, int(steps)
