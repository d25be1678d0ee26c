"""What a user takes home: load, normalise, encode, feature maps, save, and share.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns    D  token width
    A digit after them tells the sensors apart: the two need not be equally many or large.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from csmoe_model.checkpoints.hub import WEIGHTS, find_checkpoint
from csmoe_model.checkpoints.preprocess import Pixels
from csmoe_model.checkpoints.weights import Origin, Stored, read_model, unfit_weights, write_model
from csmoe_model.config import ModelConfig
from csmoe_model.data.bands import pick
from csmoe_model.nn.backbone import SENSORS, Backbone
from csmoe_model.nn.feature_maps import feature_info, feature_maps
from csmoe_model.nn.shapes import Float
from minortom.errors import InputError, OutputExistsError
from minortom.io.atomic_write import check_parents, is_empty_folder, whole_folder
from minortom.io.provenance import Provenance, sha256_of
from minortom.remote.hub_upload import HubRepository
from minortom.sensors import SensorName

Model = TypeVar("Model", bound="Pretrained")
"""`typing.Self` is more than the check of shapes in the tests understands."""


@runtime_checkable
class HasPositions(Protocol):
    """A part of a model with fixed positions, which no file of weights holds."""

    def compute_positions(self) -> None:
        """Fill them in."""
        ...


class Pretrained(nn.Module):
    """A model with an encoder, `backbone`, that is loaded, used, saved and shared."""

    def __init__(
        self, config: ModelConfig, *, encoder_of: Sequence[SensorName] | None = None
    ) -> None:
        """Build the encoder of some sensors; of all when None."""
        super().__init__()
        self.config = config
        self.encoder_only = None if encoder_of is None else tuple(encoder_of)
        """Sensors of an encoder alone; None for the whole pretraining model."""
        self.backbone = Backbone(config, sensors=encoder_of or SENSORS)
        self.origin: Origin | None = None
        """Where the weights come from; None where they were never on disk."""
        self.pixels: Pixels | None = None

    @property
    def sensors(self) -> tuple[SensorName, ...]:
        """Sensors whose images can be encoded."""
        return SENSORS if self.encoder_only is None else self.encoder_only

    @classmethod
    def from_pretrained(
        cls: type[Model],
        checkpoint: str | Path,
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: Path | None = None,
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
            raise unfit_weights(folder, error) from None
        for module in model.modules():
            if isinstance(module, HasPositions):
                module.compute_positions()
        model.origin, model.pixels = stored.origin, Pixels(stored.origin.statistics)
        return model.eval()

    def prepare(
        self,
        s2: Tensor | None = None,
        s1: Tensor | None = None,
        *,
        s2_bands: Sequence[str] | None = None,
        s1_bands: Sequence[str] | None = None,
        image_size: int | None = None,
    ) -> dict[str, Tensor]:
        """Normalise images with the statistics of the training data: for `encode(**…)`.

        Args:
            s2: Sentinel-2, [B, C, H, W], all bands on one grid, reflectance × 10,000 without
                the offset of processing baseline 04.00.
            s1: Sentinel-1, [B, C, H, W], gamma0 in dB.
            s2_bands: Names of its channels, in any order, others among them; those of
                `MODEL_BANDS` when None.
            s1_bands: The same of `s1`.
            image_size: Side to resize to, as training does; as they are when None.

        Returns:
            By `s2` and `s1`, on the device of the model.

        Raises:
            InputError: If the model knows no statistics, a band is missing or unknown, or a
                pixel is not a finite number.
        """
        if self.pixels is None:
            raise InputError(
                "this model does not know what its images are normalised with; load it with "
                "from_pretrained, or give encode normalised images"
            )
        bands = {"s2": s2_bands, "s1": s1_bands}
        return {
            str(name): self.pixels(name, image_BCHW, bands=bands[name], image_size=image_size)
            for name, image_BCHW in _given(s2, s1).items()
        }

    def encode(
        self,
        s2: Float[Tensor, "B2 C2 H2 W2"] | None = None,
        s1: Float[Tensor, "B1 C1 H1 W1"] | None = None,
        *,
        s2_bands: Sequence[str] | None = None,
        s1_bands: Sequence[str] | None = None,
        patch_tokens: bool = False,
    ) -> dict[str, Tensor]:
        """Encode whole normalised images of either sensor or both: see `Backbone.forward`.

        Where `s2_bands` or `s1_bands` name the channels, they may be in any order, others among
        them.
        """
        bands = {"s2": s2_bands, "s1": s1_bands}
        picked = {
            name: pick(name, image_BCHW, bands[name]) for name, image_BCHW in _given(s2, s1).items()
        }
        encoded: dict[str, Tensor] = self.backbone(**picked, patch_tokens=patch_tokens)
        return encoded

    def features(
        self,
        s2: Float[Tensor, "B2 C2 H2 W2"] | None = None,
        s1: Float[Tensor, "B1 C1 H1 W1"] | None = None,
        *,
        layers: Sequence[int] | None = None,
    ) -> list[Tensor]:
        """Compute the feature maps of some layers, for dense heads.

        Args:
            s2: Normalised Sentinel-2 images; give one sensor a call.
            s1: Normalised Sentinel-1 images.
            layers: Numbers in `feature_info`, from 0 or, from the end, from -1; all when None.

        Returns:
            A map [B, D, H / patch, W / patch] for each layer asked for; see
            `feature_list.feature_maps`.

        Raises:
            InputError: If not exactly one sensor is given, there is no such layer, or the
                images do not fit.
        """
        given = _given(s2, s1)
        if len(given) != 1:
            raise InputError(f"features takes the images of one sensor, s2 or s1; got {len(given)}")
        ((sensor, image_BCHW),) = given.items()
        return feature_maps(self.backbone, sensor, image_BCHW, layers)

    @property
    def feature_info(self) -> list[dict[str, object]]:
        """Describe each layer's map: `num_chs`, `reduction` and `module`, as timm does."""
        return feature_info(self.config)

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
        stored = Stored(
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


def _given(s2: Tensor | None, s1: Tensor | None) -> dict[SensorName, Tensor]:
    both: dict[SensorName, Tensor | None] = {"s2": s2, "s1": s1}
    return {name: image_BCHW for name, image_BCHW in both.items() if image_BCHW is not None}
