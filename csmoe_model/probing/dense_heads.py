"""What tells a class for each pixel from frozen maps: UPerNet, and the least that can.

Axes, as name suffixes:
    B  images in a batch    C  channels    H W  pixel rows and columns    K  classes
"""

from typing import Any

import torch
from torch import Tensor, nn

from csmoe_model.config import ModelConfig
from csmoe_model.optional_packages import load_package

CHANNELS = 256
"""Of UPerNet's own layers, TerraTorch's usual number."""
NUM_MAPS = 4
"""That UPerNet's pyramid is made of."""


class UPerNet(nn.Module):
    """TerraTorch's UPerNet on maps of one size (Xiao et al. 2018, arXiv 1807.10221).

    A learnt neck makes a pyramid of the maps, as an encoder without one needs.
    """

    def __init__(self, width: int, num_classes: int, *, seed: int) -> None:
        """Draw the weights.

        Args:
            width: Channels of each of the four maps.
            num_classes: How many classes to tell.
            seed: Draws the weights.

        Raises:
            InputError: If TerraTorch is not installed.
        """
        super().__init__()
        necks, decoders, heads = (
            load_package(f"terratorch.models.{name}", extra="terratorch")
            for name in ("necks", "decoders", "heads")
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.neck: Any = necks.LearnedInterpolateToPyramidal([width] * NUM_MAPS)
            widths = self.neck.process_channel_list([width] * NUM_MAPS)
            self.decoder: Any = decoders.UperNetDecoder(widths, channels=CHANNELS)
            self.head: Any = heads.SegmentationHead(self.decoder.out_channels, num_classes)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Say how likely each class is, [B, K, H', W'] with the first map's sides times 4."""
        said_BKHW: Tensor = self.head(self.decoder(self.neck(maps)))
        return said_BKHW


class PixelLayer(nn.Module):
    """One linear layer, pixel by pixel: all that a class has of its own is its colour."""

    def __init__(self, width: int, num_classes: int, *, seed: int) -> None:
        """Draw the weights for maps of `width` channels."""
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layer = nn.Conv2d(width, num_classes, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Say how likely each class is, [B, K, H, W], from the only map."""
        (map_BCHW,) = maps
        said_BKHW: Tensor = self.layer(map_BCHW)
        return said_BKHW


Head = UPerNet | PixelLayer


def spread_layers(config: ModelConfig) -> list[int]:
    """Choose four layers, evenly spread, the last among them."""
    count = config.sensor_layers + config.shared_layers
    return [max(1, round(count * quarter / NUM_MAPS)) - 1 for quarter in range(1, NUM_MAPS + 1)]
