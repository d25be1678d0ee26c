"""A model with weights on disk or on the hub: load, save, share.

What it computes: `nn.image_encoder`, and `csmoe` for pretraining.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from csmoe_model.checkpoints.hub import find_checkpoint
from csmoe_model.checkpoints.weight_files import WEIGHTS
from csmoe_model.checkpoints.weights import (
    Origin,
    StoredModel,
    mismatched_weights,
    read_model,
    write_model,
)
from csmoe_model.config import ModelConfig
from csmoe_model.data.preprocess import Preprocess
from csmoe_model.distributed.device import check_dtype, usable_device
from csmoe_model.nn.image_encoder import ImageEncoder
from minortom.api.arguments import path_of
from minortom.errors import InputError, OutputExistsError
from minortom.io.atomic_write import atomic_folder, check_parents, is_empty_folder
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
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Model:
        """Load a model from safetensors (never from a pickle), in evaluation mode.

        Example:
            >>> model = CSMoE.from_pretrained("runs/first")
            >>> images = model.prepare(s2=s2)  # [B, 10, H, W], reflectance × 10,000
            >>> vectors = model.encode(**images)["s2"]  # [B, width]

        Args:
            checkpoint: Folder of a run, the `model` folder in it, a folder of `csmoe export` or
                `save_pretrained`, or a repository of the Hugging Face hub, `user/name`.
            revision: Branch, tag or commit of the repository.
            token: Token for a private repository; that of `hf auth login` when None.
            cache_dir: Folder of downloaded files; that of `huggingface_hub` when None.
            local_files_only: Whether to use the cache only, without the network.
            device: Device for the model, such as `cuda`.
            dtype: Type of the weights. With `torch.bfloat16` or `torch.float16` the model computes
                under autocast, with half the memory.

        Raises:
            InputError: If the checkpoint does not exist or is damaged, the hub refuses the
                download, or the device or the type cannot be used.
        """
        check_dtype(dtype)
        place = usable_device(device)
        folder = find_checkpoint(
            checkpoint, revision=revision, token=token, cache_dir=cache_dir,
            local_files_only=local_files_only,
        )  # fmt: skip
        try:
            model = cls.from_stored(read_model(folder))
        except RuntimeError as error:
            raise mismatched_weights(folder, error) from None
        return model.to(device=place, dtype=dtype)

    @classmethod
    def from_stored(cls: type[Model], stored: StoredModel) -> Model:
        """Build a model from the content of its files, in evaluation mode.

        Raises:
            RuntimeError: If the tensors do not fit the configuration.
        """
        model = cls.from_tensors(stored.config, stored.encoder_of, stored.tensors)
        model.origin, model.preprocess = stored.origin, Preprocess(stored.origin.statistics)
        return model.eval()

    @classmethod
    def from_tensors(
        cls: type[Model],
        config: ModelConfig,
        encoder_of: Sequence[SensorName] | None,
        tensors: Mapping[str, Tensor],
    ) -> Model:
        """Build a model whose weights are the given tensors themselves, without statistics.

        Raises:
            RuntimeError: If the tensors do not fit the configuration.
        """
        with torch.device("meta"):  # without random weights, which would be replaced
            model = cls(config, encoder_of=encoder_of)
        model.load_state_dict(tensors, assign=True)
        for module in model.modules():
            if isinstance(module, HasPositions):
                module.compute_positions()
        return model

    def save_pretrained(self, folder: str | Path, *, name: str | None = None) -> None:
        """Write `model.safetensors`, `config.json` and a card, in an atomic step.

        If the weights changed since they were loaded, the card and the provenance say so.

        Args:
            folder: A new or empty folder.
            name: Argument of `from_pretrained` in the example of the card; the folder when None.

        Raises:
            InputError: If the model was not loaded with `from_pretrained`.
            OutputExistsError: If the folder is not empty.
        """
        out = path_of("folder", folder)
        check_parents(out)
        if out.exists() and not is_empty_folder(out):
            raise OutputExistsError(f"{out} exists; give a new or empty folder")
        with atomic_folder(out) as temporary:
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
        """Upload the model with its card to a repository of the Hugging Face hub.

        Args:
            repository: Name as `user/name`; a missing repository is created.
            private: Whether a new repository is private; the setting of the owner when None.
            commit_message: Message of the commit.
            revision: Branch to commit to; the main one when None.
            token: Token with the right to write; that of `hf auth login` when None.

        Returns:
            The URL of the commit.

        Raises:
            InputError: If the model was not loaded with `from_pretrained`, or the hub refuses the
                upload.
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
                "saving needs the statistics and licences of the training data, and this model has "
                "none; load weights of `csmoe train` with from_pretrained before you change them"
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
    """Return the origin of weights that were changed after loading."""
    provenance = Provenance(
        command="save_pretrained", options={}, inputs={"weights": origin.weights_sha256},
        licences=origin.licences,
    )  # fmt: skip
    return replace(origin, record=provenance.as_dict(), history=(origin.record, *origin.history))
