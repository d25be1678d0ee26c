"""An encoder with a head for labels, trained together.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns    K  classes
    T  tokens of an image: [CLS] and its patches    D  width of a feature
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from csmoe_model.choices import Pooling
from csmoe_model.csmoe import CSMoE
from csmoe_model.nn.feature_maps import feature_maps
from csmoe_model.nn.layers import DropPath
from csmoe_model.probing.dense_heads import spread_layers
from minortom.sensors import SensorName

NormalImages = Mapping[SensorName, Tensor]
"""Normalised images [B, C, H, W] of each sensor, at the image size of the encoder."""


class FineTuned(nn.Module):
    """Logits of an image, from the tokens of an encoder."""

    def __init__(
        self, encoder: CSMoE, head: nn.Module, *, sensors: Sequence[SensorName], pooling: Pooling
    ) -> None:
        """Join an encoder and a head.

        Args:
            encoder: Encoder of at least the sensors.
            head: A linear layer on the feature of an image, or UPerNet on maps of four layers.
            sensors: Sensors of the images; the features of several are concatenated.
            pooling: Feature of an image, for a linear layer.
        """
        super().__init__()
        self.encoder, self.head = encoder, head
        self.sensors, self.pooling = tuple(sensors), pooling

    @property
    def is_dense(self) -> bool:
        """Return whether the head classifies pixels."""
        return not isinstance(self.head, nn.Linear)

    def forward(self, images: NormalImages) -> Tensor:
        """Return logits [B, K], or [B, K, H', W'] of a segmentation head."""
        if self.is_dense:
            (sensor,) = self.sensors
            layers = spread_layers(self.encoder.config)
            maps = feature_maps(self.encoder.backbone, sensor, images[sensor], layers)
            dense_BKHW: Tensor = self.head(maps)
            return dense_BKHW
        logits_BK: Tensor = self.head(self.features(images))
        return logits_BK

    def patch_logits(self, images: NormalImages) -> Tensor:
        """Return logits of each patch, [B, N, K].

        The mean over the patches of an image is the logit of the image, because the linear layer
        takes the mean of the patch tokens. With the pooling `cls` all patches have that logit.
        """
        assert isinstance(self.head, nn.Linear)
        logits_BNK: Tensor = self.head(self._features(images, of_patches=True))
        return logits_BNK

    def features(self, images: NormalImages) -> Tensor:
        """Return the features [B, D] of images: pooled tokens, sensor by sensor."""
        return self._features(images, of_patches=False)

    def _features(self, images: NormalImages, *, of_patches: bool) -> Tensor:
        """Return the features of each image [B, D], or of each patch [B, N, D]."""
        parts = []
        for sensor in self.sensors:
            token_BTD = self.encoder.backbone.tokens(sensor, images[sensor])
            cls_BD, patch_BND = token_BTD[:, 0], token_BTD[:, 1:]
            if self.pooling != "mean":
                parts.append(cls_BD[:, None].expand_as(patch_BND) if of_patches else cls_BD)
            if self.pooling != "cls":
                parts.append(patch_BND if of_patches else patch_BND.mean(1))
        return torch.cat(parts, dim=-1)


def prepared_images(
    encoder: CSMoE,
    images: Mapping[SensorName, Tensor],
    *,
    sensors: Sequence[SensorName],
    bands: Mapping[SensorName, Sequence[str]],
) -> dict[SensorName, Tensor]:
    """Normalise measured images of some sensors, and resize them to the size of the encoder.

    Raises:
        InputError: If a sensor or a band is missing, or a pixel is not a finite number.
    """
    assert encoder.preprocess is not None  # because it was loaded from a checkpoint
    size = encoder.config.image_size
    return {
        sensor: encoder.preprocess(sensor, images[sensor], bands=bands[sensor], image_size=size)
        for sensor in sensors
    }


def set_drop_path(encoder: CSMoE, rate: float) -> None:
    """Raise the probability to skip a layer linearly from 0 to `rate` at the last one."""
    config = encoder.config
    last = max(1, config.sensor_layers + config.shared_layers - 1)
    trunks = [(encoder.backbone.encoder_of(sensor).trunk, 0) for sensor in encoder.sensors]
    for trunk, first in [*trunks, (encoder.backbone.shared.trunk, config.sensor_layers)]:
        for number, block in enumerate(trunk.blocks, first):
            drop = block.drop_path
            assert isinstance(drop, DropPath)
            drop.rate = rate * number / last
