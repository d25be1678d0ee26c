"""Standard parts of a vision transformer.

Axes, as name suffixes:
    B  images in a batch    C  bands          H W  pixel rows and columns
    N  tokens of an image   D  token width    P    pixel values in a patch
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from csmoe_model.nn.shapes import Float
from minortom.errors import InputError

NORM_EPS = 1e-6
"""Epsilon of every LayerNorm; the value of ViT and MAE."""


def patchify(image_BCHW: Float[Tensor, "B C H W"], patch_size: int) -> Float[Tensor, "B N P"]:
    """Cut images into square patches in raster order; values within are band, row, column.

    Raises:
        InputError: If the patch does not divide the image.
    """
    batch, bands, height, width = image_BCHW.shape
    if height % patch_size or width % patch_size or not (height and width):
        raise InputError(
            f"height and width of an image must be multiples of the patch size {patch_size}, "
            f"found {height} x {width} pixels; crop or resize the image"
        )
    rows, columns = height // patch_size, width // patch_size
    cut = image_BCHW.reshape(batch, bands, rows, patch_size, columns, patch_size)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, -1)


def unpatchify(
    patches_BNP: Float[Tensor, "B N P"], *, bands: int, grid: tuple[int, int]
) -> Float[Tensor, "B C H W"]:
    """Join patches to images: the inverse of `patchify`.

    Args:
        patches_BNP: All patches of each image, in raster order.
        bands: Number of bands of the image.
        grid: Number of patches along the height and the width of the image.
    """
    batch, _, values = patches_BNP.shape
    rows, columns = grid
    side = math.isqrt(values // bands)
    apart = patches_BNP.reshape(batch, rows, columns, bands, side, side)
    return apart.permute(0, 3, 1, 4, 2, 5).reshape(batch, bands, rows * side, columns * side)


def sincos_positions(
    grid: tuple[int, int], width: int, *, trained_grid: tuple[int, int] | None = None
) -> Float[Tensor, "N D"]:
    """Compute fixed 2-D positions as MAE does: half the width for the row, half for the column.

    The coordinates of a grid other than the pretraining grid are scaled to the extent of the
    latter. This equals interpolating the positions of the pretraining grid.

    Args:
        grid: Number of patches along the height and the width of the image.
        width: Token width, a multiple of 4.
        trained_grid: Grid of the pretraining; `grid` itself when None.
    """
    frequency = 10_000.0 ** (-torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    axes = []
    for count, trained in zip(grid, trained_grid or grid, strict=True):
        centre = (torch.arange(count, dtype=torch.float64) + 0.5) * (trained / count) - 0.5
        angle = centre[:, None] * frequency
        axes.append(torch.cat([angle.sin(), angle.cos()], dim=1))
    row, column = axes
    both = torch.cat(
        [
            row[:, None].expand(-1, grid[1], -1),
            column[None, :].expand(grid[0], -1, -1),
        ],
        dim=2,
    )
    return both.reshape(-1, width).float()


def take_tokens(x_BND: Float[Tensor, "B N D"], index_BK: Tensor) -> Float[Tensor, "B K D"]:
    """Select tokens of each image by their index.

    Rows are copied whole: on a CPU a fifth of the time of `gather`, which reads an index a value.
    """
    first_B = torch.arange(x_BND.shape[0], device=index_BK.device) * x_BND.shape[1]
    row_R = (index_BK + first_B[:, None]).flatten()
    return x_BND.flatten(0, 1).index_select(0, row_R).view(*index_BK.shape, -1)


def at_least_float32(x: Tensor) -> Tensor:
    """Convert to float32, which sums, logarithms and logits need; float64 stays."""
    return x if x.dtype == torch.float64 else x.float()


def float32_product(left: Tensor, right: Tensor) -> Tensor:
    """Multiply matrices in float32 or float64, also under autocast."""
    left, right = at_least_float32(left), at_least_float32(right)
    if left.is_meta:  # without autocast; torch.compile of 2.10 cannot trace the question for it
        return left @ right
    with torch.autocast(left.device.type, enabled=False):
        return left @ right


class Attention(nn.Module):
    """Multi-head self-attention, with biases on queries, keys and values."""

    def __init__(self, *, width: int, num_heads: int) -> None:
        """Build the layer; `num_heads` divides `width`."""
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x_BND: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Mix the tokens of each image by self-attention."""
        batch, tokens, width = x_BND.shape
        heads = self.qkv(x_BND).view(batch, tokens, 3, self.num_heads, -1)
        query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)
        seen = F.scaled_dot_product_attention(query, key, value)
        mixed: Tensor = self.out(seen.transpose(1, 2).reshape(batch, tokens, width))
        return mixed


class MLP(nn.Module):
    """Two linear layers with a GELU in between, applied to each token."""

    def __init__(self, *, width: int, hidden_width: int) -> None:
        """Build the layer."""
        super().__init__()
        self.up = nn.Linear(width, hidden_width)
        self.down = nn.Linear(hidden_width, width)

    def forward(self, x_BND: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Apply the two layers."""
        out: Tensor = self.down(F.gelu(self.up(x_BND)))
        return out


class DropPath(nn.Module):
    """Stochastic depth (Huang et al. 2016, arXiv 1603.09382) of a residual branch.

    In training the branch of each image is dropped with the probability `rate`; the branches of
    the other images grow by 1 / (1 − rate), so that the mean is the same. It has no weights.
    """

    def __init__(self) -> None:
        """Drop no branch."""
        super().__init__()
        self.rate = 0.0
        """Probability to drop the branch of an image, from 0 to below 1."""

    def forward(self, branch_BND: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Drop the branches of some images; none outside training."""
        if not self.training or not self.rate:
            return branch_BND
        kept_B11 = torch.rand(len(branch_BND), 1, 1, device=branch_BND.device) >= self.rate
        scaled_BND: Tensor = branch_BND * kept_B11 / (1 - self.rate)
        return scaled_BND


class Block(nn.Module):
    """A pre-norm transformer layer around a given feed-forward layer."""

    def __init__(self, *, width: int, num_heads: int, feed_forward: nn.Module) -> None:
        """Build the layer; `feed_forward` maps [B, N, D] to [B, N, D]."""
        super().__init__()
        self.norm_attention = nn.LayerNorm(width, eps=NORM_EPS)
        self.attention = Attention(width=width, num_heads=num_heads)
        self.norm_feed_forward = nn.LayerNorm(width, eps=NORM_EPS)
        self.feed_forward = feed_forward
        self.drop_path = DropPath()

    def forward(self, x_BND: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Apply attention, then the feed-forward layer, each with a residual connection."""
        x_BND = x_BND + self.drop_path(self.attention(self.norm_attention(x_BND)))
        added: Tensor = self.feed_forward(self.norm_feed_forward(x_BND))
        kept: Tensor = self.drop_path(added)
        return x_BND + kept


def takes_weight_decay(name: str, weight: Tensor) -> bool:
    """Return whether weight decay applies to a weight.

    It does not apply to norms, biases, tokens, scales and condition vectors.
    """
    # The biases of the experts are stacked, so they are found by name, like the condition vectors,
    # which are biases of slot embeddings. All other weights with one axis are norms, biases,
    # tokens or scales.
    stacked = "bias" in name.rsplit(".", 1)[-1] or "condition_vectors." in name
    return weight.ndim >= 2 and not stacked


def initialise(module: nn.Module) -> None:
    """Initialise the weights of standard layers as MAE does; for `nn.Module.apply`.

    Linear: Xavier uniform, zero bias. LayerNorm and RMSNorm keep ones and zeros.
    """
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
