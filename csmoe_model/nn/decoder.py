"""The decoder of one target sensor, with a linear head per source sensor (Eq. 17).

Axes, as name suffixes:
    B  images in a batch    N  patches per image    D  encoder width    K  decoder width
    U  visible patches      M  masked patches       P  values in a patch
    T  tokens of an image: [CLS] and the visible patches
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from csmoe_model.config import ModelConfig
from csmoe_model.nn.layers import MLP, NORM_EPS, Block, initialise, sincos_positions, take_tokens
from csmoe_model.nn.shapes import Float, Int
from minortom.sensors import SensorName


class Decoder(nn.Module):
    """Reconstruction of one sensor's image from the tokens of any sensor; for pretraining only."""

    def __init__(
        self, config: ModelConfig, *, target: SensorName, sources: Sequence[SensorName]
    ) -> None:
        """Build the decoder of `target`, with one head for the tokens of each of `sources`."""
        super().__init__()
        width = config.decoder_width
        self.narrow = nn.Linear(config.width, width)
        self.mask_token_K = nn.Parameter(torch.empty(width))
        self.grid = (config.grid_size, config.grid_size)
        self.register_buffer("position_NK", None, persistent=False)
        self.position_NK: Tensor
        self.compute_positions()
        self.blocks = nn.ModuleList(
            Block(
                width=width,
                num_heads=config.decoder_heads,
                feed_forward=MLP(width=width, hidden_width=config.mlp_ratio * width),
            )
            for _ in range(config.decoder_layers)
        )
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.heads = nn.ModuleDict(
            {source: nn.Linear(width, config.patch_values(target)) for source in sources}
        )
        self.apply(initialise)
        nn.init.normal_(self.mask_token_K, std=0.02)  # as MAE

    def compute_positions(self) -> None:
        """Compute the positions of the patches, which are not stored with the weights."""
        self.position_NK = sincos_positions(self.grid, self.mask_token_K.shape[0])

    def forward(
        self, encoded_BTD: Float[Tensor, "B T D"], visible_BU: Int[Tensor, "B U"]
    ) -> Float[Tensor, "B N K"]:
        """Insert the mask token for the masked patches and run the layers, without a head.

        Args:
            encoded_BTD: [CLS] and the visible patches of any sensor, from the encoder.
            visible_BU: Indices of the visible patches.
        """
        token_BNK = self.narrow(encoded_BTD)
        index_BUK = visible_BU[:, :, None].expand(-1, -1, token_BNK.shape[2])
        # Under autocast the tokens are bfloat16, and scatter does not mix dtypes.
        masked_BNK = self.mask_token_K.to(token_BNK.dtype).expand(
            token_BNK.shape[0], self.position_NK.shape[0], -1
        )
        placed_BNK = masked_BNK.scatter(1, index_BUK, token_BNK[:, 1:]) + self.position_NK
        x_BNK = torch.cat([token_BNK[:, :1], placed_BNK.to(token_BNK.dtype)], dim=1)
        for block in self.blocks:
            x_BNK = block(x_BNK)
        decoded: Tensor = self.norm(x_BNK)[:, 1:]
        return decoded

    def to_pixels(
        self,
        decoded_BNK: Float[Tensor, "B N K"],
        source: SensorName,
        masked_BM: Int[Tensor, "B M"] | None = None,
    ) -> Float[Tensor, "B M P"]:
        """Apply the head of a source sensor to decoded tokens.

        Args:
            decoded_BNK: Result of `forward` on tokens of `source`.
            source: Sensor that the tokens were encoded from.
            masked_BM: Indices of the patches to return; all when None.

        Returns:
            Pixel values [B, M, P] of these patches.
        """
        if masked_BM is not None:
            decoded_BNK = take_tokens(decoded_BNK, masked_BM)
        pixels: Tensor = self.heads[source](decoded_BNK)
        return pixels


def decode_sources(
    decoder: Decoder,
    encoded: Mapping[SensorName, Tensor],
    visible: Mapping[SensorName, Tensor],
) -> dict[SensorName, Float[Tensor, "B N K"]]:
    """Run the decoder of one target on the tokens of all sources, as one batch."""
    decoded = decoder(torch.cat(list(encoded.values())), torch.cat(list(visible.values())))
    return dict(zip(encoded, decoded.chunk(len(encoded)), strict=True))
