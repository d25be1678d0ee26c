"""Soft mixture of experts (https://arxiv.org/abs/2308.00951): the layer and stacked experts.

Axes, as name suffixes:
    B  images in a batch    N  tokens per image    D  token width
    E  experts              S  slots per expert    H  hidden width of an expert
    M  all slots of a layer, S * E: the first slot of each expert, then the second of each
    X  slots of one expert, over all images
    P  equal parts of a batch, each of images of one condition

From the router to the experts, slots are stored as [B, S, E, D]. This is the order in which the
linear map of the router computes them. The slots of an image then form one matrix for the products
with its tokens. The slots of an expert, over all images, form a matrix with evenly spaced rows,
which a batched product reads without a copy. The tensors [.., E, S] of `Routing` are views.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from csmoe_model.config import Slots, Softmaxes
from csmoe_model.experts.conditions import Condition
from csmoe_model.nn.condition_vectors import ConditionVectors
from csmoe_model.nn.routers import DynamicRouter, FixedRouter
from csmoe_model.nn.shapes import Float


@dataclass(frozen=True, kw_only=True)
class Routing:
    """Weights with which one layer mixed tokens into slots and slots into tokens."""

    dispatch_BNES: Tensor
    """Weight of each token in each slot; sums to 1 over N (α of Eq. 12)."""
    combine_BNES: Tensor
    """Weight of each slot in each token; sums to 1 over E and S (α̂ of Eq. 12)."""
    slots_BESD: Tensor
    """Input of the experts: mixtures of tokens (Eq. 13)."""


class ExpertMLPs(nn.Module):
    """E perceptrons with one hidden layer, computed as two batched products."""

    def __init__(self, *, num_experts: int, width: int, hidden_width: int) -> None:
        """Initialise each expert like a linear layer of its own (Xavier uniform)."""
        super().__init__()
        bound = math.sqrt(6 / (width + hidden_width))
        self.up_EDH = nn.Parameter(torch.empty(num_experts, width, hidden_width))
        self.up_bias_EH = nn.Parameter(torch.zeros(num_experts, hidden_width))
        self.down_EHD = nn.Parameter(torch.empty(num_experts, hidden_width, width))
        self.down_bias_ED = nn.Parameter(torch.zeros(num_experts, width))
        for weight in (self.up_EDH, self.down_EHD):
            nn.init.uniform_(weight, -bound, bound)

    def forward(self, slots_BSED: Float[Tensor, "B S E D"]) -> Float[Tensor, "B S E D"]:
        """Apply each expert to its own slots."""
        # One product per expert over the slots of all images; a view, see the top of the file.
        x_EXD = slots_BSED.flatten(0, 1).transpose(0, 1)
        hidden_EXH = F.gelu(_affine(x_EXD, self.up_EDH, self.up_bias_EH))
        out_EXD = _affine(hidden_EXH, self.down_EHD, self.down_bias_ED)
        return out_EXD.transpose(0, 1).view(slots_BSED.shape)


def _affine(x_EXI: Tensor, weight_EIO: Tensor, bias_EO: Tensor) -> Tensor:
    """Apply each expert's linear map; the bias takes the dtype that autocast gave the product."""
    product_EXO = torch.bmm(x_EXI, weight_EIO)
    return product_EXO + bias_EO[:, None].to(product_EXO.dtype)


class SoftMoE(nn.Module):
    """Feed-forward layer in which each expert reads a few mixtures ("slots") of all tokens.

    No token is dropped. The cost grows with the number of slots, E * S, not with the number
    of experts.
    """

    def __init__(
        self,
        *,
        width: int,
        hidden_width: int,
        num_experts: int,
        segment_tokens: int | None = None,
        slots: Slots = "dynamic",
        slots_per_expert: int = 1,
        logit_scale: float = 1.0,
        logit_scale_of: Softmaxes = "both",
        conditions: Sequence[str] = (),
    ) -> None:
        """Build the layer.

        Args:
            width: Token width.
            hidden_width: Hidden width of each expert.
            num_experts: Number of experts.
            segment_tokens: Tokens for which each expert gets one dynamic slot; the number of
                experts when None, as published. Fixed slots do not depend on it.
            slots: `dynamic`, computed from the tokens, or `fixed`, learned.
            slots_per_expert: Number of fixed slots of each expert; that of dynamic slots follows
                from the number of tokens.
            logit_scale: Factor on the routing logits; initial value of the learned one of `fixed`.
            logit_scale_of: Softmaxes that the factor applies to: `both`, or `dispatch` alone.
            conditions: Names of the conditions of the routing; none for a layer that is not
                conditioned.
        """
        super().__init__()
        self.num_experts = num_experts
        self.router: DynamicRouter | FixedRouter
        if slots == "dynamic":
            self.router = DynamicRouter(
                width=width,
                num_experts=num_experts,
                segment_tokens=segment_tokens or num_experts,
                logit_scale=logit_scale,
                logit_scale_of=logit_scale_of,
            )
        else:
            self.router = FixedRouter(
                width=width,
                num_experts=num_experts,
                slots_per_expert=slots_per_expert,
                logit_scale=logit_scale,
                logit_scale_of=logit_scale_of,
            )
        self.experts = ExpertMLPs(num_experts=num_experts, width=width, hidden_width=hidden_width)
        self.condition_vectors = (
            ConditionVectors(conditions, num_experts=num_experts, width=width)
            if conditions
            else None
        )

    def forward(
        self, x_BND: Float[Tensor, "B N D"], conditions: Sequence[Condition] = ()
    ) -> tuple[Float[Tensor, "B N D"], Routing]:
        """Mix tokens into slots, apply the experts, mix the slots back into tokens.

        Args:
            x_BND: Tokens of each image.
            conditions: Sensor and granularity of each of the equal parts of the batch, one after
                the other; only a conditioned layer reads them.
        """
        routing = self.route(x_BND, conditions)
        out_BSED = self.experts(routing.slots_BESD.transpose(1, 2))
        combine_BNM = routing.combine_BNES.transpose(2, 3).flatten(2)
        return combine_BNM @ out_BSED.flatten(1, 2), routing

    def route(self, x_BND: Float[Tensor, "B N D"], conditions: Sequence[Condition] = ()) -> Routing:
        """Compute the dispatch and combine weights and the slots."""
        vectors = self.condition_vectors
        condition_PED = None if vectors is None else vectors.of(conditions)
        token_BND, to_slots_BNM, to_tokens_BNM = self.router(x_BND, condition_PED)
        dispatch_BNM, combine_BNM = to_slots_BNM.softmax(dim=1), to_tokens_BNM.softmax(dim=2)
        slots_BMD = dispatch_BNM.transpose(1, 2) @ token_BND
        apart = (-1, self.num_experts)  # M to S and E
        return Routing(
            dispatch_BNES=dispatch_BNM.unflatten(2, apart).transpose(2, 3),
            combine_BNES=combine_BNM.unflatten(2, apart).transpose(2, 3),
            slots_BESD=slots_BMD.unflatten(1, apart).transpose(1, 2),
        )
