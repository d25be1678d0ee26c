"""Soft mixture of experts (https://arxiv.org/abs/2308.00951): routers and stacked experts.

Axes, as name suffixes:
    B  images in a batch    N  tokens per image    D  token width
    E  experts              S  slots per expert    H  hidden width of an expert
    M  all slots of a layer, E * S, expert by expert
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from csmoe_model.config import Slots
from csmoe_model.layers import precise_product, widened
from csmoe_model.shapes import Float

_EPS = 1e-12
"""Of the router's RMSNorms, which only keeps 0 / 0 away: means of tokens are short, and a
usual 1e-6 would shift logits of size 100 in the third decimal."""


@dataclass(frozen=True, kw_only=True)
class Routing:
    """How one layer blended tokens into slots and slots into tokens."""

    dispatch_BNES: Tensor
    """Weight of each token in each slot; sums to 1 over N (α of Eq. 12)."""
    combine_BNES: Tensor
    """Weight of each slot in each token; sums to 1 over E and S (α̂ of Eq. 12)."""
    slots_BESD: Tensor
    """What the experts read: blends of tokens (Eq. 13)."""


class RMSNorm(nn.Module):
    """Divides each token by its root mean square, in float32 at least."""

    def __init__(self, width: int) -> None:
        """Start with weights of one."""
        super().__init__()
        self.weight_D = nn.Parameter(torch.ones(width))

    def forward(self, x_BND: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        """Norm each token."""
        x_BND = widened(x_BND)
        return F.rms_norm(x_BND, x_BND.shape[-1:], self.weight_D.to(x_BND.dtype), _EPS)


class DynamicRouter(nn.Module):
    """Makes a slot for each expert from each run of E consecutive tokens.

    Tokens are RMS-normalised and cut into ceil(N / E) segments; one linear map makes E slot
    embeddings from each segment's mean, RMS-normalised too. The last segment may be short.
    """

    def __init__(self, *, width: int, num_experts: int, logit_scale: float) -> None:
        """Build the router; `logit_scale` 1.0 is the published layer."""
        super().__init__()
        self.num_experts = num_experts
        self.logit_scale = logit_scale
        self.norm = RMSNorm(width)
        self.to_slots = nn.Linear(width, num_experts * width, bias=False)
        self.norm_slots = RMSNorm(width)

    def forward(
        self, x_BND: Float[Tensor, "B N D"]
    ) -> tuple[Float[Tensor, "B N D"], Float[Tensor, "B N E S"]]:
        """Give the tokens to blend and the logit of each token and slot."""
        x_BND = self.norm(x_BND)
        mean_BSD = self.segment_means(x_BND)
        batch, slots, width = mean_BSD.shape
        embedding_BSED = self.to_slots(mean_BSD).view(batch, slots, self.num_experts, width)
        embedding_BESD = self.norm_slots(embedding_BSED).transpose(1, 2)
        if self.logit_scale != 1.0:
            embedding_BESD = embedding_BESD * self.logit_scale
        # Logits reach 100, where bfloat16 has steps of a half: softmax would choose at random.
        logit_BNM = precise_product(x_BND, embedding_BESD.flatten(1, 2).transpose(1, 2))
        return x_BND, logit_BNM.view(batch, -1, self.num_experts, slots)

    def segment_means(self, x_BND: Float[Tensor, "B N D"]) -> Float[Tensor, "B S D"]:
        """Average each run of E consecutive tokens; the last over those that are there."""
        batch, tokens, width = x_BND.shape
        size = self.num_experts
        missing = -tokens % size
        if not missing:
            return x_BND.reshape(batch, -1, size, width).mean(2)
        padded_BND = F.pad(x_BND, (0, 0, 0, missing))
        mean_BSD = padded_BND.view(batch, -1, size, width).mean(2)
        correction_S1 = mean_BSD.new_ones(mean_BSD.shape[1], 1)
        correction_S1[-1] = size / (size - missing)  # padding is no token
        return mean_BSD * correction_S1


class FixedRouter(nn.Module):
    """Learned slot embeddings, the same for every image (Puigcerver et al., Algorithm 1).

    Tokens and embeddings are unit vectors, so the logits stay within the learned scale.
    """

    def __init__(
        self, *, width: int, num_experts: int, slots_per_expert: int, logit_scale: float
    ) -> None:
        """Build the router; the learned scale starts at `logit_scale`."""
        super().__init__()
        # Lecun normal, as in the reference code of the Soft MoE paper.
        self.slot_ESD = nn.Parameter(
            torch.randn(num_experts, slots_per_expert, width) * width**-0.5
        )
        self.scale = nn.Parameter(torch.tensor(float(logit_scale)))

    def forward(
        self, x_BND: Float[Tensor, "B N D"]
    ) -> tuple[Float[Tensor, "B N D"], Float[Tensor, "B N E S"]]:
        """Give the tokens to blend and the logit of each token and slot."""
        slot_ESD = F.normalize(widened(self.slot_ESD), dim=-1) * self.scale
        logit_BNM = precise_product(F.normalize(widened(x_BND), dim=-1), slot_ESD.flatten(0, 1).T)
        return x_BND, logit_BNM.view(*logit_BNM.shape[:2], *slot_ESD.shape[:2])


class ExpertMLPs(nn.Module):
    """E perceptrons with one hidden layer, run as two batched products."""

    def __init__(self, *, num_experts: int, width: int, hidden_width: int) -> None:
        """Draw each expert's weights as a linear layer of its own would (Xavier uniform)."""
        super().__init__()
        bound = math.sqrt(6 / (width + hidden_width))
        self.up_EDH = nn.Parameter(torch.empty(num_experts, width, hidden_width))
        self.up_bias_EH = nn.Parameter(torch.zeros(num_experts, hidden_width))
        self.down_EHD = nn.Parameter(torch.empty(num_experts, hidden_width, width))
        self.down_bias_ED = nn.Parameter(torch.zeros(num_experts, width))
        for weight in (self.up_EDH, self.down_EHD):
            nn.init.uniform_(weight, -bound, bound)

    def forward(self, slots_BESD: Float[Tensor, "B E S D"]) -> Float[Tensor, "B E S D"]:
        """Give the slots of expert `e` to expert `e` alone."""
        batch, experts, slots, width = slots_BESD.shape
        # One product an expert over the slots of all images.
        x_EXD = slots_BESD.transpose(0, 1).reshape(experts, batch * slots, width)
        hidden_EXH = F.gelu(_affine(x_EXD, self.up_EDH, self.up_bias_EH))
        out_EXD = _affine(hidden_EXH, self.down_EHD, self.down_bias_ED)
        return out_EXD.view(experts, batch, slots, width).transpose(0, 1)


def _affine(x_EXI: Tensor, weight_EIO: Tensor, bias_EO: Tensor) -> Tensor:
    """Apply each expert's linear map; the bias takes the dtype that autocast gave the product."""
    product_EXO = torch.bmm(x_EXI, weight_EIO)
    return product_EXO + bias_EO[:, None].to(product_EXO.dtype)


class SoftMoE(nn.Module):
    """Feed-forward layer in which each expert reads a few blends ("slots") of all tokens.

    No token is dropped. The cost grows with the number of slots, E * S, not with the number
    of experts.
    """

    def __init__(
        self,
        *,
        width: int,
        hidden_width: int,
        num_experts: int,
        slots: Slots = "dynamic",
        slots_per_expert: int = 1,
        logit_scale: float = 1.0,
    ) -> None:
        """Build the layer.

        Args:
            width: Token width.
            hidden_width: Hidden width of each expert.
            num_experts: Number of experts.
            slots: `dynamic`, made from the tokens, or `fixed`, learned.
            slots_per_expert: Of fixed slots; dynamic ones follow from the number of tokens.
            logit_scale: Factor on the routing logits; where the learned one of `fixed` starts.
        """
        super().__init__()
        self.router: DynamicRouter | FixedRouter
        if slots == "dynamic":
            self.router = DynamicRouter(
                width=width, num_experts=num_experts, logit_scale=logit_scale
            )
        else:
            self.router = FixedRouter(
                width=width,
                num_experts=num_experts,
                slots_per_expert=slots_per_expert,
                logit_scale=logit_scale,
            )
        self.experts = ExpertMLPs(num_experts=num_experts, width=width, hidden_width=hidden_width)

    def forward(self, x_BND: Float[Tensor, "B N D"]) -> tuple[Float[Tensor, "B N D"], Routing]:
        """Blend tokens into slots, run the experts, blend the slots back into tokens."""
        routing = self.route(x_BND)
        out_BESD = self.experts(routing.slots_BESD)
        out_BND = routing.combine_BNES.flatten(2) @ out_BESD.flatten(1, 2)
        return out_BND, routing

    def route(self, x_BND: Float[Tensor, "B N D"]) -> Routing:
        """Weigh the tokens for each slot and the slots for each token; fill the slots."""
        token_BND, logit_BNES = self.router(x_BND)
        dispatch_BNES = logit_BNES.softmax(dim=1)
        combine_BNES = logit_BNES.flatten(2).softmax(dim=2).view_as(logit_BNES)
        slots_BMD = dispatch_BNES.flatten(2).transpose(1, 2) @ token_BND
        slots_BESD = slots_BMD.view(x_BND.shape[0], *logit_BNES.shape[2:], -1)
        return Routing(
            dispatch_BNES=dispatch_BNES, combine_BNES=combine_BNES, slots_BESD=slots_BESD
        )
