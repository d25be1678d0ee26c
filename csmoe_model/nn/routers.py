"""Routers of a soft mixture of experts: the logit of each token and slot.

Axes, as name suffixes:
    B  images in a batch    N  tokens per image    D  token width
    E  experts              S  slots per expert
    M  all slots of a layer, S * E: the first slot of each expert, then the second of each
    P  equal parts of a batch, each of images of one condition
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from csmoe_model.config import Softmaxes
from csmoe_model.nn.layers import at_least_float32, float32_product
from csmoe_model.nn.shapes import Float

_EPS = 1e-12
"""Epsilon of the RMSNorms of the router. It only prevents 0 / 0. Means of tokens are short vectors,
and the usual 1e-6 would change logits of size 100 in the third decimal."""


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
        self,
        *,
        width: int,
        num_experts: int,
        segment_tokens: int,
        logit_scale: float,
        logit_scale_of: Softmaxes = "both",
    ) -> None:
        """Build the router.

        In the published layer `segment_tokens` is E and `logit_scale` is 1.0. A pruned layer has
        the segments of the unpruned one, so that its slots are those of the experts it keeps.
        """
        super().__init__()
        self.segment_tokens = segment_tokens
        self.logit_scale, self.logit_scale_of = logit_scale, logit_scale_of
        self.norm = RMSNorm(width)
        self.to_slots = nn.Linear(width, num_experts * width, bias=False)
        self.norm_slots = RMSNorm(width)

    def forward(
        self, x_BND: Float[Tensor, "B N D"], condition_PED: Float[Tensor, "P E D"] | None = None
    ) -> tuple[Float[Tensor, "B N D"], Float[Tensor, "B N M"], Float[Tensor, "B N M"]]:
        """Return the tokens to mix, and the logits of each token and slot: dispatch, combine."""
        x_BND = self.norm(x_BND)
        mean_BSD = self.segment_means(x_BND)
        embedding = self.to_slots(mean_BSD)
        if condition_PED is not None:
            parts, experts, width = condition_PED.shape
            embedding = embedding.view(parts, -1, mean_BSD.shape[1], experts, width)
            embedding = embedding + condition_PED[:, None, None]
        embedding_BMD = embedding.view(x_BND.shape[0], -1, x_BND.shape[2])
        embedding_BMD = self.norm_slots(embedding_BMD)
        if self.logit_scale != 1.0 and self.logit_scale_of == "both":
            embedding_BMD = embedding_BMD * self.logit_scale
        # Logits reach 100, where bfloat16 has steps of 0.5: too coarse for the softmax.
        logit_BNM = float32_product(x_BND, embedding_BMD.transpose(1, 2))
        return x_BND, *_of_softmaxes(logit_BNM, self.logit_scale, self.logit_scale_of)

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
        self,
        *,
        width: int,
        num_experts: int,
        slots_per_expert: int,
        logit_scale: float,
        logit_scale_of: Softmaxes = "both",
    ) -> None:
        """Build the router; the learned scale starts at `logit_scale`."""
        super().__init__()
        self.logit_scale_of = logit_scale_of
        # Lecun normal, as in the reference code of the Soft MoE paper.
        self.slot_ESD = nn.Parameter(
            torch.randn(num_experts, slots_per_expert, width) * width**-0.5
        )
        self.scale = nn.Parameter(torch.tensor(float(logit_scale)))

    def forward(
        self, x_BND: Float[Tensor, "B N D"], condition_PED: Float[Tensor, "P E D"] | None = None
    ) -> tuple[Float[Tensor, "B N D"], Float[Tensor, "B N M"], Float[Tensor, "B N M"]]:
        """Return the tokens to mix, and the logits of each token and slot: dispatch, combine."""
        logit_BNM = self._logits(x_BND, condition_PED)
        return x_BND, *_of_softmaxes(logit_BNM, self.scale, self.logit_scale_of)

    def _logits(self, x_BND: Tensor, condition_PED: Tensor | None) -> Float[Tensor, "B N M"]:
        unit_BND = F.normalize(at_least_float32(x_BND), dim=-1)
        slot_ESD = at_least_float32(self.slot_ESD)
        if condition_PED is None:
            return float32_product(unit_BND, self._scaled(slot_ESD).T)
        unit_PBND = unit_BND.reshape(len(condition_PED), -1, *unit_BND.shape[1:])
        parts = zip(unit_PBND, condition_PED, strict=True)
        logits = [
            float32_product(unit, self._scaled(slot_ESD + condition_ED[:, None]).T)
            for unit, condition_ED in parts
        ]
        return torch.cat(logits)

    def _scaled(self, slot_ESD: Tensor) -> Float[Tensor, "M D"]:
        """Return embeddings as vectors of the learned length, in the order of the slots.

        They are unit vectors if the scale is that of dispatch alone.
        """
        unit_ESD = F.normalize(slot_ESD, dim=-1)
        scaled_ESD = unit_ESD * self.scale if self.logit_scale_of == "both" else unit_ESD
        return scaled_ESD.transpose(0, 1).flatten(0, 1)


def _of_softmaxes(
    logit_BNM: Tensor, scale: Tensor | float, scale_of: Softmaxes
) -> tuple[Float[Tensor, "B N M"], Float[Tensor, "B N M"]]:
    """Return the logits of dispatch and of combine; a scale of both is in the logits already."""
    return (logit_BNM if scale_of == "both" else logit_BNM * scale), logit_BNM
