"""A model with weights on disk or on the hub: load, save, share.

What it computes: `nn.image_encoder`, and `csmoe` for pretraining.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import torch

from csmoe_model.checkpoints.hub import WEIGHTS, find_checkpoint
from csmoe_model.checkpoints.weights import (
    Origin,
    StoredModel,
    mismatched_weights,
    read_model,
    write_model,
)
from csmoe_model.config import ModelConfig
from csmoe_model.data.preprocess import Preprocess
from csmoe_model.nn.image_encoder import ImageEncoder
from minortom.errors import InputError, OutputExistsError
from minortom.io.atomic_write import check_parents, is_empty_folder, whole_folder
from minortom.io.provenance import Provenance, sha256_of
from minortom.remote.hub_upload import HubRepository
from minortom.sensors import SensorName

Model = TypeVar("Model", bound="Pretrained")
"""The subclass; jaxtyping's check in the tests does not support `typing.Self`."""


@runtime_checkable
class HasPositions(Protocol):
    """A part of a model with fixed positions, which are not stored with the weights."""

    def compute_positions(self) -> None:
        """Compute the positions."""
        ...


class Pretrained(ImageEncoder):
    """An encoder that is loaded from and saved to a folder or a repository of the hub."""

    def __init__(
        self, config: ModelConfig, *, encoder_of: Sequence[SensorName] | None = None
    ) -> None:
        """Build the encoder of some sensors; of both when None."""
        super().__init__(config, encoder_of=encoder_of)
        self.origin: Origin | None = None
        """Where the weights come from; None for weights that were not loaded."""

    @classmethod
    def from_pretrained(
        cls: type[Model],
        checkpoint: str | Path,
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
    ) -> Model:
        """Load a model, ready to encode, on the CPU; safetensors alone, never a pickle.

        Args:
            checkpoint: A run's folder, the `model` folder inside, a folder of `csmoe export` or
                `save_pretrained`, or a repository of the Hugging Face hub, `user/name`.
            revision: Branch, tag or commit of the repository.
            token: For a private repository; that of `hf auth login` when None.
            cache_dir: Where fetched files are kept; that of `huggingface_hub` when None.
            local_files_only: Take what the cache holds, and ask nobody.

        Raises:
            InputError: If there is no checkpoint, it is damaged, or the hub does not give it.
        """
        folder = find_checkpoint(
            checkpoint, revision=revision, token=token, cache_dir=cache_dir,
            local_files_only=local_files_only,
        )  # fmt: skip
        stored = read_model(folder)
        with torch.device("meta"):  # no weights are drawn only to be replaced
            model = cls(stored.config, encoder_of=stored.encoder_of)
        try:
            model.load_state_dict(stored.tensors, assign=True)
        except RuntimeError as error:
            raise mismatched_weights(folder, error) from None
        for module in model.modules():
            if isinstance(module, HasPositions):
                module.compute_positions()
        model.origin, model.preprocess = stored.origin, Preprocess(stored.origin.statistics)
        return model.eval()

    def save_pretrained(self, folder: str | Path, *, name: str | None = None) -> None:
        """Write `model.safetensors`, `config.json` and a card, whole or not at all.

        Where the weights are no longer those that were loaded, the card and the provenance
        say so.

        Args:
            folder: A new folder, or an empty one.
            name: What `from_pretrained` will be given, for the card; the folder when None.

        Raises:
            InputError: If nothing is known of the training data.
            OutputExistsError: If the folder has files in it.
        """
        out = Path(folder)
        check_parents(out)
        if out.exists() and not is_empty_folder(out):
            raise OutputExistsError(f"{out} exists; give a folder that is new or empty")
        with whole_folder(out) as temporary:
            self._write(temporary, name or str(out))

    def push_to_hub(
        self,
        repository: str,
        *,
        private: bool | None = None,
        commit_message: str = "Upload model",
        revision: str | None = None,
        token: str | None = None,
    ) -> str:
        """Put the model with its card into a repository of the Hugging Face hub.

        Args:
            repository: As `user/name`; made where there is none.
            private: Whether a new repository is private; the owner's usual when None.
            commit_message: Of the commit.
            revision: Branch to commit to; the main one when None.
            token: That may write; that of `hf auth login` when None.

        Returns:
            The address of the commit.

        Raises:
            InputError: If nothing is known of the training data, or the hub refuses.
        """
        hub = HubRepository(name=repository, kind="model", revision=revision, token=token)
        with tempfile.TemporaryDirectory(prefix="csmoe-") as temporary:
            self._write(Path(temporary), repository)
            hub.make(private=private)
            files = {path.name: path for path in sorted(Path(temporary).iterdir())}
            return hub.commit(files, message=commit_message)

    def _write(self, folder: Path, name: str) -> None:
        if self.origin is None:
            raise InputError(
                "nothing is known of what this model was trained on, so that others could not "
                "use it; save what `csmoe train` made, loaded with from_pretrained"
            )
        stored = StoredModel(
            config=self.config, encoder_of=self.encoder_only, origin=self.origin,
            tensors=self.state_dict(),
        )  # fmt: skip
        write_model(folder, stored, name=name)
        former = self.origin.weights_sha256
        if former and sha256_of(folder / WEIGHTS) != former:
            write_model(folder, replace(stored, origin=_changed(self.origin)), name=name)


def _changed(origin: Origin) -> Origin:
    """Say that weights were changed after they had been loaded."""
    provenance = Provenance(
        command="save_pretrained", options={}, inputs={"weights": origin.weights_sha256},
        licences=origin.licences,
    )  # fmt: skip
    return replace(
        origin, record=json.loads(provenance.to_json()), history=(origin.record, *origin.history)
    )
