"""Specialists: small convolutional networks, trained with labels on one sensor, then frozen.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns    D  width of a vector
    K  classes
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar, get_args

import torch
from torch import Tensor, nn

from csmoe_model.checkpoints.weights import read_tensors
from csmoe_model.choices import ArchName
from csmoe_model.data.normalise import resized
from csmoe_model.distributed.device import best_device, fast_inference
from csmoe_model.extractors.cost import ExtractorCost
from csmoe_model.extractors.extractor import Deferred, Extractor, Sizes
from csmoe_model.extractors.stored import StoredExtractor, tensors_sha256, write_extractor
from csmoe_model.extractors.vector_statistics import VectorStatistics
from csmoe_model.nn.convnext import ARCHS, INITIAL_STD, ConvNeXtV2, convnext_macs
from csmoe_model.nn.map_head import MapHead
from csmoe_model.nn.shapes import Float
from minortom.io.provenance import Provenance
from minortom.io.schema import count, list_of, text
from minortom.sensors import SensorName

_VECTOR = "vector."
"""Prefix of the names of the stored statistics of the vectors."""


class SpecialistNetwork(nn.Module):
    """Normalisation, resizing, ConvNeXt V2 and a head, on images of measured values.

    The head is a linear layer on the vector of an image, or a `MapHead` for classes of pixels.
    """

    mean_C11: Tensor
    std_C11: Tensor

    def __init__(
        self,
        arch: ArchName,
        *,
        mean_C: Tensor,
        std_C: Tensor,
        image_size: int,
        num_classes: int,
        is_dense: bool = False,
    ) -> None:
        """Build the network with random weights from torch's generator.

        Args:
            arch: Architecture.
            mean_C: Mean of each band of the training images.
            std_C: Standard deviation of each band.
            image_size: Side to resize images to (pixels).
            num_classes: Number of outputs of the head.
            is_dense: Whether the head classifies pixels.
        """
        super().__init__()
        self.arch, self.image_size = arch, image_size
        self.register_buffer("mean_C11", mean_C[:, None, None])
        self.register_buffer("std_C11", std_C[:, None, None])
        self.body = ConvNeXtV2(ARCHS[arch], bands=len(mean_C))
        self.head: nn.Linear | MapHead
        if is_dense:
            self.head = MapHead(ARCHS[arch].widths, num_classes)
        else:
            self.head = nn.Linear(self.width, num_classes)
            nn.init.trunc_normal_(self.head.weight, std=INITIAL_STD)
            nn.init.zeros_(self.head.bias)

    @property
    def width(self) -> int:
        """Length of a vector."""
        return ARCHS[self.arch].widths[-1]

    @property
    def is_dense(self) -> bool:
        """Return whether the head classifies pixels."""
        return isinstance(self.head, MapHead)

    def forward(self, image_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """Return the vector of each image."""
        vector_BD: Tensor = self.body(self._normalised(image_BCHW))
        return vector_BD

    def logits(self, image_BCHW: Float[Tensor, "B C H W"]) -> Tensor:
        """Return the output of the head: [B, K], or [B, K, H', W'] at a quarter of the size."""
        score_BCHW = self._normalised(image_BCHW)
        logits: Tensor = self.head(
            self.body.maps(score_BCHW) if self.is_dense else self.body(score_BCHW)
        )
        return logits

    def _normalised(self, image_BCHW: Tensor) -> Tensor:
        return resized((image_BCHW - self.mean_C11) / self.std_C11, self.image_size)


@dataclass(frozen=True, kw_only=True, eq=False)
class Specialist(Extractor):
    """A trained specialist; its vectors are the normalised mean of the last stage."""

    kind: ClassVar[str] = "specialist"
    normalisation: ClassVar[str] = "z-score with the statistics of the specialist's training images"

    network: SpecialistNetwork
    classes: tuple[str, ...]
    """Classes that it was trained to tell apart."""
    vector_statistics: VectorStatistics
    """Statistics of its vectors of its own training images."""

    @classmethod
    def trained(
        cls,
        network: SpecialistNetwork,
        *,
        sensor: SensorName,
        bands: tuple[str, ...],
        classes: tuple[str, ...],
        vector_statistics: VectorStatistics,
        licences: tuple[str, ...] = (),
        folder: Path | None = None,
    ) -> "Specialist":
        """Return a specialist of a network; `bands` are the channels of its images."""
        tensors = {**network.state_dict(), **vector_statistics.tensors()}
        definition = json.dumps([sensor, bands, network.arch, network.image_size])
        sha256 = hashlib.sha256((definition + tensors_sha256(tensors)).encode()).hexdigest()
        return cls(
            network=network.eval(), classes=classes, vector_statistics=vector_statistics,
            name=network.arch, sensors=(sensor,), bands={sensor: bands}, sha256=sha256,
            licences=licences, folder=folder,
        )  # fmt: skip

    def save(self, folder: Path, provenance: Provenance) -> None:
        """Write `config.json` and `model.safetensors` into an existing folder.

        Args:
            folder: The folder.
            provenance: Options and inputs of the training.
        """
        statistics = {_VECTOR + name: x for name, x in self.vector_statistics.tensors().items()}
        settings = {
            "arch": self.network.arch, "image_size": self.network.image_size,
            "classes": list(self.classes),
            **({"is_dense": True} if self.network.is_dense else {}),
        }  # fmt: skip
        tensors = {**self.network.state_dict(), **statistics}
        write_extractor(folder, self, settings, tensors, provenance)

    @classmethod
    def read(cls, stored: StoredExtractor) -> "Specialist":
        """Return the specialist of a folder.

        Raises:
            InputError: If a file is damaged.
        """
        arch = stored.value("arch", text)
        classes = tuple(stored.value("classes", list_of(text)))
        tensors = read_tensors(stored.folder)
        if arch not in get_args(ArchName) or len(stored.sensors) != 1:
            raise stored.damaged(f"the architecture {arch} for {' and '.join(stored.sensors)}")
        sensor = stored.sensors[0]
        statistics = VectorStatistics.from_tensors(tensors, _VECTOR, width=ARCHS[arch].widths[-1])
        bands = stored.bands[sensor]
        with torch.device("meta"):
            empty = torch.empty(len(bands))
            network = SpecialistNetwork(
                arch, mean_C=empty, std_C=empty, num_classes=len(classes),
                image_size=stored.value("image_size", count),
                is_dense=stored.config.get("is_dense") is True,
            )  # fmt: skip
        weights = {name: x for name, x in tensors.items() if not name.startswith(_VECTOR)}
        try:
            network.load_state_dict(weights, assign=True)
        except RuntimeError as error:
            raise stored.damaged(" ".join(str(error).split())[:200]) from None
        if statistics is None:
            raise stored.damaged("no statistics of its vectors")
        return cls.trained(
            network.requires_grad_(requires_grad=False).to(best_device()), sensor=sensor,
            bands=bands, classes=classes, vector_statistics=statistics, licences=stored.licences,
            folder=stored.folder,
        )  # fmt: skip

    def vectors(self, images: Mapping[SensorName, Tensor]) -> Tensor:
        """Encode images."""
        with fast_inference(self.device):
            vector_BD: Tensor = self.network(images[self.sensors[0]]).float()
            return vector_BD

    def width_of(self, sensors: Sequence[SensorName]) -> int:
        """Return the channels of the last stage."""
        del sensors
        return self.network.width

    def cost_of(self, sizes: Sizes) -> ExtractorCost:
        """Return the cost without the head; images are resized to that of the training."""
        del sizes
        body, side = self.network.body, self.network.image_size
        bands = len(self.bands[self.sensors[0]])
        return ExtractorCost(
            parameters=sum(weight.numel() for weight in body.parameters()),
            multiply_adds=convnext_macs(ARCHS[self.network.arch], bands=bands, image_size=side),
        )

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.network.mean_C11.device

    @property
    def resizing(self) -> str:
        """Resizing to the image size of the training."""
        side = self.network.image_size
        return f"bilinear to {side} × {side}, averaging where it shrinks"

    def untrained(self, *, seed: int) -> Deferred:
        """Return the same network with random weights and the same normalisation."""
        identity = {"features": self.kind, "untrained": self.sha256, "seed": seed}
        return Deferred(identity=identity, make=partial(self._random, seed))

    def _random(self, seed: int) -> "Specialist":
        trained = self.network
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = SpecialistNetwork(
                trained.arch, mean_C=trained.mean_C11.flatten(), std_C=trained.std_C11.flatten(),
                image_size=trained.image_size, num_classes=len(self.classes),
                is_dense=trained.is_dense,
            )  # fmt: skip
        return replace(self, network=network.to(self.device).eval(), folder=None, sha256="")
