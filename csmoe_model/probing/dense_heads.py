"""Segmentation heads on frozen feature maps: UPerNet and a linear layer for each pixel.

Axes, as name suffixes:
    B  images in a batch    C  channels    H W  pixel rows and columns    K  classes
"""

from typing import Any

import torch
from torch import Tensor, nn

from csmoe_model.config import ModelConfig
from csmoe_model.optional_packages import load_package

CHANNELS = 256
"""Channels of the layers of UPerNet, the default of TerraTorch."""
NUM_MAPS = 4
"""Number of feature maps that UPerNet takes."""


class UPerNet(nn.Module):
    """UPerNet of TerraTorch on maps of one size (Xiao et al. 2018, arXiv 1807.10221).

    A trained neck turns the maps into a pyramid, because the encoder has none.
    """

    def __init__(self, width: int, num_classes: int, *, seed: int) -> None:
        """Initialise the weights.

        Args:
            width: Channels of each of the four maps.
            num_classes: Number of classes.
            seed: Random seed of the weights.

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
        """Return the logits of each class, [B, K, H', W'], at 4 times the size of the first map."""
        logits_BKHW: Tensor = self.head(self.decoder(self.neck(maps)))
        return logits_BKHW


class PixelLayer(nn.Module):
    """Linear layer applied to each pixel: it tells classes apart by their band values only."""

    def __init__(self, width: int, num_classes: int, *, seed: int) -> None:
        """Initialise the weights for maps with `width` channels."""
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layer = nn.Conv2d(width, num_classes, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Return the logits of each class, [B, K, H, W], for the only map."""
        (map_BCHW,) = maps
        logits_BKHW: Tensor = self.layer(map_BCHW)
        return logits_BKHW


Head = UPerNet | PixelLayer


def spread_layers(config: ModelConfig) -> list[int]:
    """Return the indices of four evenly spaced layers, the last of which is the last layer."""
    count = config.sensor_layers + config.shared_layers
    return [max(1, round(count * quarter / NUM_MAPS)) - 1 for quarter in range(1, NUM_MAPS + 1)]
