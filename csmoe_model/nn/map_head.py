"""Classes of pixels from the maps of several stages (skip layers of Long et al. 2015, FCN).

Axes, as name suffixes:
    B  images in a batch    D  channels of a stage    H W  rows and columns    K  classes
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from csmoe_model.nn.convnext import INITIAL_STD, ChannelNorm
from csmoe_model.nn.layers import NORM_EPS
from csmoe_model.nn.shapes import Float


class MapHead(nn.Module):
    """A linear layer on the normalised channels of each stage; the sum is at the finest size."""

    def __init__(self, widths: Sequence[int], num_classes: int) -> None:
        """Build the layers from torch's generator.

        Args:
            widths: Channels of each stage, the finest first.
            num_classes: Number of outputs for each position.
        """
        super().__init__()
        self.norms = nn.ModuleList([ChannelNorm(width, eps=NORM_EPS) for width in widths])
        self.layers = nn.ModuleList([nn.Conv2d(width, num_classes, 1) for width in widths])
        for layer in self.layers:
            nn.init.trunc_normal_(layer.weight, std=INITIAL_STD)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Tensor]) -> Float[Tensor, "B K H W"]:
        """Return the logits of each position of the first map.

        Args:
            maps: Output [B, D, H, W] of each stage.
        """
        size = maps[0].shape[2:]
        logits_BKHW = maps[0].new_zeros(())
        for norm, layer, map_BDHW in zip(self.norms, self.layers, maps, strict=True):
            coarse_BKHW = layer(norm(map_BDHW))
            logits_BKHW = logits_BKHW + F.interpolate(coarse_BKHW, size=size, mode="bilinear")
        return logits_BKHW
