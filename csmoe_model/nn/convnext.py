"""ConvNeXt V2 (Woo et al. 2023, https://arxiv.org/abs/2301.00808), for any number of bands.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns    D  channels of a stage
    N  values of a vector, here the channels of the last stage
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from csmoe_model.choices import ArchName
from csmoe_model.nn.layers import NORM_EPS
from csmoe_model.nn.shapes import Float
from minortom.errors import InputError

STRIDE_PX = 32
"""Side of the square of pixels that one position of the last stage covers without overlap."""
_STEM_PX = 4
_KERNEL = 7
_MLP_RATIO = 4
_GRN_EPS = 1e-6
INITIAL_STD = 0.02
"""Standard deviation of the initial weights, those of a head included."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Number of blocks and of channels of each of the four stages."""

    depths: tuple[int, int, int, int] = (2, 2, 6, 2)
    widths: tuple[int, int, int, int]


ARCHS: dict[ArchName, Sizes] = {
    "convnextv2-atto": Sizes(widths=(40, 80, 160, 320)),
    "convnextv2-femto": Sizes(widths=(48, 96, 192, 384)),
    "convnextv2-pico": Sizes(widths=(64, 128, 256, 512)),
    "convnextv2-nano": Sizes(depths=(2, 2, 8, 2), widths=(80, 160, 320, 640)),
}
"""Published sizes (Table 9 of the paper)."""


class ConvNeXtV2(nn.Module):
    """Four stages of blocks, then the mean over all positions and a LayerNorm."""

    def __init__(self, sizes: Sizes, *, bands: int) -> None:
        """Build the network with the initialisation of the paper, from torch's generator."""
        super().__init__()
        fan_in, stages = bands, []
        for number, (depth, width) in enumerate(zip(sizes.depths, sizes.widths, strict=True)):
            blocks = [Block(width) for _ in range(depth)]
            stages.append(nn.Sequential(_reduction(number, fan_in, width), *blocks))
            fan_in = width
        self.stages = nn.ModuleList(stages)
        self.norm = nn.LayerNorm(fan_in, eps=NORM_EPS)
        self.apply(_initialise)

    def forward(self, image_BCHW: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N"]:
        """Return the vector of each image."""
        vector_BN: Tensor = self.norm(self.maps(image_BCHW)[-1].mean((2, 3)))
        return vector_BN

    def maps(self, image_BCHW: Float[Tensor, "B C H W"]) -> list[Tensor]:
        """Return the output [B, D, H, W] of each stage, at 1/4, 1/8, 1/16 and 1/32 of the size.

        Raises:
            InputError: If the image is smaller than one position of the last stage.
        """
        if min(image_BCHW.shape[2:]) < STRIDE_PX:
            raise InputError(
                f"expected images of at least {STRIDE_PX} × {STRIDE_PX} pixels, found "
                f"{image_BCHW.shape[2]} × {image_BCHW.shape[3]}; give larger images"
            )
        found, x_BDHW = [], image_BCHW
        for stage in self.stages:
            x_BDHW = stage(x_BDHW)
            found.append(x_BDHW)
        return found


class Block(nn.Module):
    """Depthwise 7 × 7 convolution, LayerNorm, and an MLP with GRN, beside a residual."""

    def __init__(self, width: int) -> None:
        """Build the block."""
        super().__init__()
        hidden = _MLP_RATIO * width
        self.depthwise = nn.Conv2d(width, width, _KERNEL, padding=_KERNEL // 2, groups=width)
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.up = nn.Linear(width, hidden)
        self.grn = GlobalResponseNorm(hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x_BDHW: Float[Tensor, "B D H W"]) -> Float[Tensor, "B D H W"]:
        """Add the output of the block to its input."""
        inner_BHWD = self.norm(self.depthwise(x_BDHW).permute(0, 2, 3, 1))
        inner_BHWD = self.down(self.grn(F.gelu(self.up(inner_BHWD))))
        added: Tensor = x_BDHW + inner_BHWD.permute(0, 3, 1, 2)
        return added


class GlobalResponseNorm(nn.Module):
    """Global response normalisation (Eq. 1 to 3): channels compete by their norm over an image."""

    def __init__(self, width: int) -> None:
        """Build the layer, at first the identity."""
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x_BHWD: Float[Tensor, "B H W D"]) -> Float[Tensor, "B H W D"]:
        """Scale each channel by its norm relative to the mean norm of all channels."""
        norm_B11D = torch.linalg.vector_norm(x_BHWD, dim=(1, 2), keepdim=True)
        share_B11D = norm_B11D / (norm_B11D.mean(3, keepdim=True) + _GRN_EPS)
        scaled: Tensor = x_BHWD + self.weight * (x_BHWD * share_B11D) + self.bias
        return scaled


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of each position of [B, D, H, W]."""

    def forward(self, x_BDHW: Tensor) -> Tensor:
        """Normalise the channels."""
        return super().forward(x_BDHW.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _reduction(stage: int, fan_in: int, width: int) -> nn.Sequential:
    """Return the layers that shrink the input of a stage: the stem, or a strided convolution."""
    if not stage:
        stem = nn.Conv2d(fan_in, width, _STEM_PX, stride=_STEM_PX)
        return nn.Sequential(stem, ChannelNorm(width, eps=NORM_EPS))
    return nn.Sequential(ChannelNorm(fan_in, eps=NORM_EPS), nn.Conv2d(fan_in, width, 2, stride=2))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.trunc_normal_(module.weight, std=INITIAL_STD)
        assert module.bias is not None  # because every layer of this file has one
        nn.init.zeros_(module.bias)


def convnext_macs(sizes: Sizes, *, bands: int, image_size: int) -> int:
    """Count the multiply-adds of the forward pass of one square image (convolutions, products)."""
    side, fan_in, total = image_size, bands, 0
    for number, (depth, width) in enumerate(zip(sizes.depths, sizes.widths, strict=True)):
        step = 2 if number else _STEM_PX
        side //= step
        block = width * _KERNEL**2 + 2 * _MLP_RATIO * width**2
        total += side**2 * (fan_in * step**2 * width + depth * block)
        fan_in = width
    return total
