"""Soft mixture of experts (https://arxiv.org/abs/2308.00951): routers and stacked experts.

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

from csmoe_model.conditions import Condition
from csmoe_model.config import Slots
from csmoe_model.nn.condition_vectors import ConditionVectors
from csmoe_model.nn.layers import at_least_float32, float32_product
from csmoe_model.nn.shapes import Float

_EPS = 1e-12
"""Epsilon of the RMSNorms of the router. It only prevents 0 / 0. Means of tokens are short vectors,
and the usual 1e-6 would change logits of size 100 in the third decimal."""


@dataclass(frozen=True, kw_only=True)
class Routing:
    """Weights with which one layer mixed tokens into slots and slots into tokens."""

    dispatch_BNES: Tensor
    """Weight of each token in each slot; sums to 1 over N (α of Eq. 12)."""
    combine_BNES: Tensor
    """Weight of each slot in each token; sums to 1 over E and S (α̂ of Eq. 12)."""
    slots_BESD: Tensor
    """Input of the experts: mixtures of tokens (Eq. 13)."""


class RMSNorm(nn.Module):
    """Division of each token by its root mean square, in float32 or float64."""

    def __init__(self, width: int) -> None:
        """Build the layer with weights of one."""
        super().__init__()
        self.weight_D = nn.Parameter(torch.ones(width))

    def forward(self, x_BND: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        """Normalise each token."""
        x_BND = at_least_float32(x_BND)
        return F.rms_norm(x_BND, x_BND.shape[-1:], self.weight_D.to(x_BND.dtype), _EPS)


class DynamicRouter(nn.Module):
    """Router with one slot per expert for each segment of consecutive tokens.

    Tokens are RMS-normalised and split into segments. One linear map computes E slot embeddings
    from the mean of each segment; they are RMS-normalised too. The last segment may be shorter.
    Condition vectors are added before this norm, so that they turn an embedding without a change
    of its length.
    """

    def __init__(
        self, *, width: int, num_experts: int, segment_tokens: int, logit_scale: float
    ) -> None:
        """Build the router.

        In the published layer `segment_tokens` is E and `logit_scale` is 1.0. A pruned layer has
        the segments of the unpruned one, so that its slots are those of the experts it keeps.
        """
        super().__init__()
        self.segment_tokens = segment_tokens
        self.logit_scale = logit_scale
        self.norm = RMSNorm(width)
        self.to_slots = nn.Linear(width, num_experts * width, bias=False)
        self.norm_slots = RMSNorm(width)

    def forward(
        self, x_BND: Float[Tensor, "B N D"], condition_PED: Float[Tensor, "P E D"] | None = None
    ) -> tuple[Float[Tensor, "B N D"], Float[Tensor, "B N M"]]:
        """Return the tokens to mix, and the logit of each token and slot."""
        x_BND = self.norm(x_BND)
        mean_BSD = self.segment_means(x_BND)
        embedding = self.to_slots(mean_BSD)
        if condition_PED is not None:
            parts, experts, width = condition_PED.shape
            embedding = embedding.view(parts, -1, mean_BSD.shape[1], experts, width)
            embedding = embedding + condition_PED[:, None, None]
        embedding_BMD = embedding.view(x_BND.shape[0], -1, x_BND.shape[2])
        embedding_BMD = self.norm_slots(embedding_BMD)
        if self.logit_scale != 1.0:
            embedding_BMD = embedding_BMD * self.logit_scale
        # Logits reach 100, where bfloat16 has steps of 0.5: too coarse for the softmax.
        return x_BND, float32_product(x_BND, embedding_BMD.transpose(1, 2))

    def segment_means(self, x_BND: Float[Tensor, "B N D"]) -> Float[Tensor, "B S D"]:
        """Return the mean of each segment of consecutive tokens, without padding."""
        batch, tokens, width = x_BND.shape
        size = self.segment_tokens
        missing = -tokens % size
        if not missing:
            return x_BND.reshape(batch, -1, size, width).mean(2)
        padded_BND = F.pad(x_BND, (0, 0, 0, missing))
        mean_BSD = padded_BND.view(batch, -1, size, width).mean(2)
        correction_S1 = mean_BSD.new_ones(mean_BSD.shape[1], 1)
        correction_S1[-1] = size / (size - missing)  # padding does not count
        return mean_BSD * correction_S1


class FixedRouter(nn.Module):
    """Router with learned slot embeddings, equal for every image (Puigcerver et al., Algorithm 1).

    Tokens and embeddings are unit vectors, so the logits are at most the learned scale. Condition
    vectors are added before the embeddings become unit vectors.
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
        self, x_BND: Float[Tensor, "B N D"], condition_PED: Float[Tensor, "P E D"] | None = None
    ) -> tuple[Float[Tensor, "B N D"], Float[Tensor, "B N M"]]:
        """Return the tokens to mix, and the logit of each token and slot."""
        unit_BND = F.normalize(at_least_float32(x_BND), dim=-1)
        slot_ESD = at_least_float32(self.slot_ESD)
        if condition_PED is None:
            return x_BND, float32_product(unit_BND, self._scaled(slot_ESD).T)
        unit_PBND = unit_BND.reshape(len(condition_PED), -1, *unit_BND.shape[1:])
        parts = zip(unit_PBND, condition_PED, strict=True)
        logits = [
            float32_product(unit, self._scaled(slot_ESD + condition_ED[:, None]).T)
            for unit, condition_ED in parts
        ]
        return x_BND, torch.cat(logits)

    def _scaled(self, slot_ESD: Tensor) -> Float[Tensor, "M D"]:
        """Return embeddings as vectors of the learned length, in the order of the slots."""
        return (F.normalize(slot_ESD, dim=-1) * self.scale).transpose(0, 1).flatten(0, 1)


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
            )
        else:
            self.router = FixedRouter(
                width=width,
                num_experts=num_experts,
                slots_per_expert=slots_per_expert,
                logit_scale=logit_scale,
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
        token_BND, logit_BNM = self.router(x_BND, condition_PED)
        dispatch_BNM, combine_BNM = logit_BNM.softmax(dim=1), logit_BNM.softmax(dim=2)
        slots_BMD = dispatch_BNM.transpose(1, 2) @ token_BND
        apart = (-1, self.num_experts)  # M to S and E
        return Routing(
            dispatch_BNES=dispatch_BNM.unflatten(2, apart).transpose(2, 3),
            combine_BNES=combine_BNM.unflatten(2, apart).transpose(2, 3),
            slots_BESD=slots_BMD.unflatten(1, apart).transpose(1, 2),
        )
