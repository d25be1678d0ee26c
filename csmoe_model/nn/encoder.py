"""The encoders: one per sensor, and one that all sensors share (Eq. 14-16).

Axes, as name suffixes:
    B  images in a batch    N  tokens per image    D  token width    P  values in a patch
    U  visible patches      T  tokens of an image: [CLS] and the encoded patches
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from csmoe_model.config import ModelConfig
from csmoe_model.experts.conditions import Condition, condition_names
from csmoe_model.experts.kept_experts import SHARED
from csmoe_model.nn.layers import (
    MLP,
    NORM_EPS,
    Attention,
    Block,
    DropPath,
    initialise,
    sincos_positions,
    take_tokens,
)
from csmoe_model.nn.shapes import Float, Int
from csmoe_model.nn.soft_moe import Routing, SoftMoE
from minortom.sensors import SensorName

OnLayer = Callable[[Tensor, Routing | None], None]
"""Called with the output tokens [B, N, D] of a layer, and its routing if it has experts."""


class RoutedBlock(nn.Module):
    """A pre-norm transformer layer with a soft mixture of experts after the attention."""

    def __init__(
        self, config: ModelConfig, *, num_experts: int, conditions: Sequence[str] = ()
    ) -> None:
        """Build the layer; a pruned one has fewer experts than the configuration."""
        super().__init__()
        self.norm_attention = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.attention = Attention(width=config.width, num_heads=config.num_heads)
        self.norm_soft_moe = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.soft_moe = SoftMoE(
            width=config.width,
            hidden_width=config.hidden_width,
            num_experts=num_experts,
            segment_tokens=config.num_experts,
            slots=config.slots,
            slots_per_expert=config.slots_per_expert,
            logit_scale=config.logit_scale,
            logit_scale_of=config.logit_scale_of,
            conditions=conditions,
        )
        self.drop_path = DropPath()

    def forward(
        self, x_BND: Float[Tensor, "B N D"], conditions: Sequence[Condition] = ()
    ) -> tuple[Float[Tensor, "B N D"], Routing]:
        """Apply attention, then the experts, each with a residual connection."""
        x_BND = x_BND + self.drop_path(self.attention(self.norm_attention(x_BND)))
        added_BND, routing = self.soft_moe(self.norm_soft_moe(x_BND), conditions)
        return x_BND + self.drop_path(added_BND), routing


class Trunk(nn.Module):
    """A stack of encoder layers with a LayerNorm at the end."""

    def __init__(
        self, config: ModelConfig, *, layers: Sequence[str], conditions: Sequence[str] = ()
    ) -> None:
        """Build the layers of some names; with plain MLPs if `num_experts` is 0."""
        super().__init__()
        self.blocks = nn.ModuleList(_block(config, layer, conditions) for layer in layers)
        self.norm = nn.LayerNorm(config.width, eps=NORM_EPS)

    def forward(
        self,
        x_BND: Float[Tensor, "B N D"],
        *,
        conditions: Sequence[Condition] = (),
        on_layer: OnLayer | None = None,
    ) -> Float[Tensor, "B N D"]:
        """Run the layers and call `on_layer` after each; conditions as in `SoftMoE.forward`."""
        for block in self.blocks:
            routing = None
            if isinstance(block, RoutedBlock):
                x_BND, routing = block(x_BND, conditions)
            else:
                x_BND = block(x_BND)
            if on_layer is not None:
                on_layer(x_BND, routing)
        normed: Tensor = self.norm(x_BND)
        return normed


class SensorEncoder(nn.Module):
    """Encoder of one sensor: patch embedding, [CLS], positions and the layers of the sensor."""

    def __init__(self, config: ModelConfig, sensor: SensorName) -> None:
        """Build the encoder of a sensor."""
        super().__init__()
        self.trained_grid = (config.grid_size, config.grid_size)
        self.embed = nn.Linear(config.patch_values(sensor), config.width)
        self.cls_D = nn.Parameter(torch.empty(config.width))
        # Computed from the sizes, so not stored with the weights.
        self.register_buffer("position_ND", None, persistent=False)
        self.position_ND: Tensor
        self.compute_positions()
        self.trunk = Trunk(config, layers=config.layers(sensor))
        self.apply(initialise)
        nn.init.normal_(self.cls_D, std=0.02)  # as MAE

    def forward(
        self,
        patches_BNP: Float[Tensor, "B N P"],
        *,
        grid: tuple[int, int] | None = None,
        visible_BU: Int[Tensor, "B U"] | None = None,
        on_layer: OnLayer | None = None,
    ) -> Float[Tensor, "B T D"]:
        """Encode patches; the first token of the result is [CLS].

        Args:
            patches_BNP: All patches of each image, in raster order.
            grid: Number of patches along height and width; the pretraining grid when None.
            visible_BU: Indices of the patches to encode, ascending; all when None.
            on_layer: Called after each layer.
        """
        encoded: Tensor = self.trunk(
            self.embedded(patches_BNP, grid, visible_BU), on_layer=on_layer
        )
        return encoded

    def embedded(
        self, patches_BNP: Tensor, grid: tuple[int, int] | None, visible_BU: Tensor | None = None
    ) -> Float[Tensor, "B T D"]:
        """Return the tokens that the first layer reads; the arguments are those of `forward`."""
        position_ND = self.positions(grid or self.trained_grid)
        # The position of [CLS] is zero, as in MAE.
        cls_B1D = self.cls_D.expand(patches_BNP.shape[0], 1, -1)
        if visible_BU is None:
            token_BND = self.embed(patches_BNP) + position_ND
        else:
            # Masked patches are dropped before the embedding, to save its operations.
            token_BND = self.embed(take_tokens(patches_BNP, visible_BU)) + position_ND[visible_BU]
        return torch.cat([cls_B1D, token_BND], dim=1)

    def compute_positions(self) -> None:
        """Compute the positions of the pretraining grid, which are not stored with the weights."""
        self.position_ND = sincos_positions(self.trained_grid, self.cls_D.shape[0])

    def positions(self, grid: tuple[int, int]) -> Float[Tensor, "N D"]:
        """Return the fixed positions of a grid of patches."""
        if grid == self.trained_grid:
            return self.position_ND
        width = self.position_ND.shape[1]
        return sincos_positions(grid, width, trained_grid=self.trained_grid).to(self.position_ND)


class SharedEncoder(nn.Module):
    """Encoder layers that all sensors share; each image is encoded by itself."""

    def __init__(self, config: ModelConfig, *, sensors: Sequence[SensorName]) -> None:
        """Build the shared layers; conditioned ones have a vector for each of `sensors`."""
        super().__init__()
        names = condition_names(config.condition, sensors)
        self.trunk = Trunk(config, layers=config.layers(SHARED), conditions=names)
        self.apply(initialise)

    def forward(
        self,
        x_BND: Float[Tensor, "B N D"],
        *,
        conditions: Sequence[Condition],
        on_layer: OnLayer | None = None,
    ) -> Float[Tensor, "B N D"]:
        """Encode tokens of any sensor into the common space.

        Args:
            x_BND: Tokens of each image.
            conditions: Sensor and granularity of each of the equal parts of the batch, one after
                the other.
            on_layer: Called after each layer.
        """
        encoded: Tensor = self.trunk(x_BND, conditions=conditions, on_layer=on_layer)
        return encoded


def _block(config: ModelConfig, layer: str, conditions: Sequence[str]) -> nn.Module:
    if config.num_experts:
        experts = len(config.experts_of(layer))
        return RoutedBlock(config, num_experts=experts, conditions=conditions)
    return Block(
        width=config.width,
        num_heads=config.num_heads,
        feed_forward=MLP(width=config.width, hidden_width=config.hidden_width),
    )
