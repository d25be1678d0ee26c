"""Writing of the weights of a run: at its end, and every few epochs with `keep_every`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from csmoe_model.checkpoints.model_card import AFTER
from csmoe_model.checkpoints.weights import Origin, StoredModel, write_model
from csmoe_model.csmoe import CSMoE
from csmoe_model.data.normalise import Normalise
from csmoe_model.runs.folder import RunFolder
from csmoe_model.training.module import Pretraining
from minortom.io.atomic_write import atomic_folder
from minortom.io.provenance import Provenance


@dataclass(frozen=True, kw_only=True)
class RunWeights:
    """Writes the current weights of a run."""

    run: Pretraining
    recipe: str
    provenance: Provenance
    """Provenance of the run."""
    history: tuple[Mapping[str, Any], ...] = ()
    """Provenance of the weights that the run started from, newest first."""

    def save(self, folder: RunFolder) -> None:
        """Write the averaged weights, if the run has them, then the weights."""
        models = {folder.ema: self.run.ema.model} if self.run.ema else {}
        models[folder.model] = self.run.model
        for path, model in models.items():
            assert isinstance(model, CSMoE)
            save_model(
                path, model=model, normalise=self.run.normalise, recipe=self.recipe,
                provenance=self.provenance, history=self.history,
            )  # fmt: skip

    def keep(self, folder: RunFolder, *, epochs: int, steps: int) -> None:
        """Write a copy of the weights; its provenance names the epochs and steps.

        A resumed run replaces a copy that it wrote before by the same copy.
        """
        after = {AFTER: {"epochs": epochs, "steps": steps}}
        provenance = replace(self.provenance, options={**self.provenance.options, **after})
        replace(self, provenance=provenance).save(folder.epoch_folder(epochs))


def save_model(
    folder: Path, *, model: CSMoE, normalise: Normalise, recipe: str, provenance: Provenance,
    history: tuple[Mapping[str, Any], ...] = (), more: Callable[[Path], None] | None = None,
) -> None:  # fmt: skip
    """Write a folder with the weights, the configuration and a card, atomically.

    `more` writes more files into the folder before it takes its place.
    """
    origin = Origin(
        recipe=recipe, statistics=normalise.statistics, record=provenance.as_dict(),
        history=history,
    )  # fmt: skip
    stored = StoredModel(
        config=model.config, encoder_of=model.encoder_only, origin=origin,
        tensors=model.state_dict(),
    )  # fmt: skip
    with atomic_folder(folder) as temporary:
        write_model(temporary, stored)
        if more is not None:
            more(temporary)
