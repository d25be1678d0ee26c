"""A fine-tuned network as an extractor, whose vectors hold the probability of each class.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns    K  classes
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from csmoe_model.checkpoints.hub import find_checkpoint
from csmoe_model.distributed.device import best_device, fast_inference
from csmoe_model.extractors.checkpoint import load_model
from csmoe_model.extractors.cost import ExtractorCost
from csmoe_model.extractors.extractor import Alignment, Extractor, Sizes
from csmoe_model.finetuning.head_files import HEAD, RECORD, HeadRecord, load_network
from csmoe_model.finetuning.network import FineTuned
from csmoe_model.finetuning.objective import probabilities
from csmoe_model.nn.cost import encoder_cost
from minortom.io.provenance import sha256_of
from minortom.sensors import SensorName


@dataclass(frozen=True, kw_only=True, eq=False)
class Classifier(Extractor):
    """A fine-tuned network; it needs the images of all its sensors."""

    kind: ClassVar[str] = "classifier"
    alignment: ClassVar[Alignment] = "joint"

    network: FineTuned
    head: HeadRecord
    head_sha256: str
    """Hash of the weights of the head."""

    def vectors(self, images: Mapping[SensorName, Tensor]) -> Tensor:
        """Return the probabilities of the classes of images [B, K]."""
        encoder = self.network.encoder
        assert encoder.preprocess is not None  # because it was loaded from a checkpoint
        size = encoder.config.image_size
        normal = {
            sensor: encoder.preprocess(sensor, image_BCHW, image_size=size, check_unit=False)
            for sensor, image_BCHW in images.items()
        }
        with fast_inference(self.device):
            logits_BK = self.network(normal)
            return probabilities(self.head.task, logits_BK.float())

    def width_of(self, sensors: Sequence[SensorName]) -> int:
        """Return the number of classes."""
        del sensors
        return len(self.head.classes)

    def cost_of(self, sizes: Sizes) -> ExtractorCost:
        """Return the cost of the encoder and of a linear head."""
        cost = encoder_cost(self.network.encoder.config, sensors=tuple(sizes))
        head = sum(weight.numel() for weight in self.network.head.parameters())
        products = self.head.width(self.network.encoder.config.width) * len(self.head.classes)
        return ExtractorCost(
            parameters=cost.params_trainable + head, multiply_adds=cost.macs_full + products
        )

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.network.parameters()).device

    @property
    def smallest_px(self) -> int:
        """Side of a patch of the encoder."""
        return self.network.encoder.config.patch_size

    @property
    def record(self) -> Mapping[str, object]:
        """The head, which the hash of the encoder does not cover."""
        return {"head_sha256": self.head_sha256}


def load_classifier(checkpoint: str | Path) -> Classifier:
    """Load a fine-tuned checkpoint with its head, on the best device.

    Args:
        checkpoint: Folder of a run of `csmoe finetune`, its `model` folder, or a repository of
            the hub.

    Raises:
        InputError: If the checkpoint does not exist, has no head, or is damaged.
    """
    folder = find_checkpoint(checkpoint, also=(RECORD, HEAD))
    trained = load_model(folder, device=best_device())
    network, head = load_network(folder, trained.model)
    return Classifier(
        network=network, head=head, name=trained.name, sensors=head.sensors,
        bands={sensor: trained.bands[sensor] for sensor in head.sensors}, sha256=trained.sha256,
        head_sha256=sha256_of(folder / HEAD), licences=trained.licences, folder=folder,
    )  # fmt: skip
