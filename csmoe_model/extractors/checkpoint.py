"""Checkpoints of CSMoE as extractors: the [CLS] vectors and the tokens of a trained model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from csmoe_model.checkpoints.hub import find_checkpoint
from csmoe_model.choices import Pooling
from csmoe_model.csmoe import CSMoE
from csmoe_model.data.normalise import Normalise
from csmoe_model.distributed.device import best_device, fast_inference, weights_to_bfloat16
from csmoe_model.extractors.cost import ExtractorCost
from csmoe_model.extractors.extractor import Alignment, Deferred, Extractor, Sizes
from csmoe_model.nn.cost import encoder_cost
from csmoe_model.nn.image_encoder import ImageEncoder
from minortom.sensors import MODEL_BANDS, SensorName


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedModel(Extractor):
    """A CSMoE model with its weights, ready to encode; a pruned one too.

    Images are normalised with the statistics of the training data, and resized to the image size
    of the model.
    """

    kind: ClassVar[str] = "csmoe"
    alignment: ClassVar[Alignment] = "common"
    normalisation: ClassVar[str] = "z-score with the statistics of the model's training data"

    model: CSMoE
    normalise: Normalise
    """Normalisation of shards, with the statistics of the training data."""
    pooling: Pooling = "cls"

    def vectors(self, images: Mapping[SensorName, Tensor]) -> Tensor:
        """Encode images and pool the tokens of each."""
        size, model = self.image_size, self.model
        assert model.preprocess is not None  # because the model was loaded from a checkpoint
        normal = {
            sensor: model.preprocess(sensor, image_BCHW, image_size=size, check_unit=False)
            for sensor, image_BCHW in images.items()
        }
        with fast_inference(self.device):
            encoded = model.encode(
                s2=normal.get("s2"), s1=normal.get("s1"), patch_tokens=self.pooling != "cls"
            )
        parts = []
        for sensor in images:
            if self.pooling in ("cls", "both"):
                parts.append(encoded[sensor].float())
            if self.pooling in ("mean", "both"):
                parts.append(encoded[f"{sensor}_tokens"].float().mean(1))
        return torch.cat(parts, dim=1)

    def stored_vectors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Encode a batch of shards; the [CLS] vectors of each sensor."""
        with fast_inference(self.device):
            images = self.normalise(tensors)
            return self.model.encode(**{name: images[name] for name in self.sensors})

    def width_of(self, sensors: Sequence[SensorName]) -> int:
        """Return the width of the tokens, for each sensor and each pooled vector."""
        return self.model.config.width * len(sensors) * (2 if self.pooling == "both" else 1)

    def cost_of(self, sizes: Sizes) -> ExtractorCost:
        """Return the cost of the encoder; images of any size are resized to that of the model."""
        cost = encoder_cost(self.model.config, sensors=tuple(sizes))
        return ExtractorCost(parameters=cost.params_trainable, multiply_adds=cost.macs_full)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.model.parameters()).device

    @property
    def smallest_px(self) -> int:
        """Side of a patch of the model."""
        return self.model.config.patch_size

    @property
    def identity(self) -> Mapping[str, object]:
        """Weights and pooling."""
        return {"features": "encoder", "pooling": self.pooling, "weights": self.sha256}

    @property
    def record(self) -> Mapping[str, object]:
        """Nothing: an output without a kind of extractor was made by CSMoE."""
        return {}

    @property
    def tile_tokens(self) -> int:
        """Patches along a side of an image of the model."""
        return self.model.config.grid_size

    @property
    def resizing(self) -> str:
        """Resizing to the image size of the model."""
        side = self.image_size
        return f"bilinear to {side} × {side}, averaging where it shrinks"

    @property
    def statistics(self) -> Mapping[str, object]:
        """Statistics of the training data, by tensor column."""
        assert self.model.origin is not None  # because the model was loaded from a checkpoint
        return self.model.origin.statistics

    @property
    def image_size(self) -> int:
        """Side of the images of the model."""
        return self.model.config.image_size

    def details(self, sensors: Sequence[SensorName]) -> Mapping[str, object]:
        """Return the costs as the paper counts them; parameters with the fixed positions."""
        cost = encoder_cost(self.model.config, sensors=sensors)
        return {
            "patch_size": self.model.config.patch_size, "params": cost.params,
            "macs_paper": cost.macs_paper, "c2c": round(cost.c2c, 2),
        }  # fmt: skip

    def with_pooling(self, pooling: Pooling) -> "LoadedModel":
        """Return the same model with another pooling of its tokens."""
        return replace(self, pooling=pooling)

    def untrained(self, *, seed: int) -> Deferred:
        """Return a model of the same architecture and normalisation with random weights."""
        identity: dict[str, object] = {
            "features": "encoder", "pooling": self.pooling,
            "config": {"kept_experts": None} | self.model.config.to_dict(),
            "encoder_of": list(self.sensors), "statistics": self.statistics,
            "seed": seed,
        }  # fmt: skip
        return Deferred(identity=identity, make=partial(self._random, seed))

    def _random(self, seed: int) -> "LoadedModel":
        return replace(self, model=untrained(self.model, seed=seed), folder=None, sha256="")


def untrained(model: ImageEncoder, *, seed: int) -> CSMoE:
    """Return a randomly initialised model of the same architecture and normalisation."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = CSMoE(model.config, encoder_of=model.sensors)
    fresh.preprocess = model.preprocess
    return fresh.to(next(model.parameters()).device).eval()


def load_model(checkpoint: str | Path, *, device: torch.device) -> LoadedModel:
    """Load a model from its checkpoint.

    Args:
        checkpoint: As `CSMoE.from_pretrained` takes it.
        device: Device for the model.

    Raises:
        InputError: If the checkpoint does not exist, its run is not finished, or a file is
            damaged.
    """
    folder = find_checkpoint(checkpoint)
    model = CSMoE.from_pretrained(folder).to(device)
    origin = model.origin
    assert origin is not None  # from_pretrained sets it
    return LoadedModel(
        model=model,
        normalise=Normalise(origin.statistics, image_size=model.config.image_size).to(device),
        name=origin.recipe, sha256=origin.weights_sha256, licences=origin.licences, folder=folder,
        sensors=model.sensors, bands={sensor: MODEL_BANDS[sensor] for sensor in model.sensors},
    )  # fmt: skip


def load_encoder(checkpoint: str | Path) -> LoadedModel:
    """Load a model for inference, on the best device.

    On a GPU the large matrices are stored in bfloat16, in which it multiplies them.

    Args:
        checkpoint: As `CSMoE.from_pretrained` takes it.

    Raises:
        InputError: As `load_model`.
    """
    device = best_device()
    trained = load_model(checkpoint, device=device)
    if device.type == "cuda":
        weights_to_bfloat16(trained.model)
    return trained
