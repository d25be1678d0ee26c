"""Terms of the pretraining objective (Eq. 4, 9-11, 18-20) as functions of tensors.

Axes, as name suffixes:
    B  images in a batch    N  tokens per image    D  width
    E  experts    S  slots per expert    M  all slots of a layer, or masked patches
    P  values in a patch    L  layers
"""

import math
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from csmoe_model.config import LossForm, MiForm
from csmoe_model.nn.layers import at_least_float32, float32_product
from csmoe_model.nn.shapes import Float
from csmoe_model.nn.soft_moe import Routing
from minortom.errors import InputError


def reconstruction_loss(
    predicted_BMP: Float[Tensor, "B M P"], target_BMP: Float[Tensor, "B M P"]
) -> Float[Tensor, ""]:
    """Return the mean squared error of masked patches of normalised pixels (RecL of Eq. 4, 9)."""
    return F.mse_loss(at_least_float32(predicted_BMP), at_least_float32(target_BMP))


def mutual_information_loss(
    s2_BD: Float[Tensor, "B D"],
    s1_BD: Float[Tensor, "B D"],
    *,
    temperature: float,
    form: MiForm = "csmae",
) -> Float[Tensor, ""]:
    """Return the contrastive loss between the two sensors (NT-Xent, Eq. 10-11).

    The two images of a pair are positives; images of other pairs are negatives.

    Args:
        s2_BD: Vector of the Sentinel-2 image of each pair of the global batch.
        s1_BD: Vectors of the Sentinel-1 images.
        temperature: Divisor of the cosine similarities.
        form: `csmae`: each of the 2B vectors is compared with the 2B - 1 others, as published
            with CSMAE. `eq10`: each is compared with the B - 1 vectors of the other sensor and
            of other pairs. The positive is not in the denominator, so the loss can be negative.

    Raises:
        InputError: If the batch of `eq10` has one pair, and so no negatives.
    """
    s2_BD, s1_BD = (F.normalize(at_least_float32(x_BD), dim=1) for x_BD in (s2_BD, s1_BD))
    batch = len(s2_BD)
    if form == "csmae":
        both = torch.cat([s2_BD, s1_BD])
        similarity = float32_product(both, both.T) / temperature
        itself = torch.eye(2 * batch, dtype=torch.bool, device=both.device)
        partner = torch.arange(2 * batch, device=both.device).roll(batch)
        return F.cross_entropy(similarity.masked_fill(itself, -torch.inf), partner)
    if batch == 1:
        raise InputError(
            "mi_form eq10 needs batches of at least 2 pairs, found 1; give a larger batch size"
        )
    similarity = float32_product(s2_BD, s1_BD.T) / temperature
    positive_B = similarity.diagonal()
    same_place = torch.eye(batch, dtype=torch.bool, device=similarity.device)
    others = similarity.masked_fill(same_place, -torch.inf)
    return (
        (others.logsumexp(1) - positive_B).mean() + (others.logsumexp(0) - positive_B).mean()
    ) / 2


def repulsion_loss(
    slots_BESD: Float[Tensor, "B E S D"], *, form: LossForm = "text"
) -> Float[Tensor, ""]:
    """Return the similarity of the slots of an image (Eq. 18), averaged over images.

    `text`: the mean squared cosine between different slots; 0 if all are orthogonal.
    `printed`: minus the mean squared cosine over all pairs of slots, each with itself included.
    This is Eq. 18 to the letter, which rewards equal slots.
    """
    # The order of the slots does not matter; this is their order in memory.
    slots_BMD = F.normalize(at_least_float32(slots_BESD).transpose(1, 2).flatten(1, 2), dim=2)
    # Cosines may be bfloat16, since the rounding of 10,000 pairs averages out; squares may not.
    square_BMM = at_least_float32(slots_BMD @ slots_BMD.transpose(1, 2)).square()
    if form == "printed":
        return -square_BMM.mean()
    count = square_BMM.shape[1]
    itself_BM = square_BMM.diagonal(dim1=1, dim2=2)
    different_B = square_BMM.sum((1, 2)) - itself_BM.sum(1)
    return different_B.mean() / max(count * (count - 1), 1)


def imbalance_loss(usage_E: Float[Tensor, "... E"]) -> Float[Tensor, "..."]:
    """Return the imbalance of the experts' usage, log E - H(usage), as in the text of Eq. 19.

    0 if all experts are used equally, log E if one expert is used alone.
    """
    return math.log(usage_E.shape[-1]) - _entropy(at_least_float32(usage_E))


def dispatch_sharpness_loss(dispatch_BNES: Float[Tensor, "B N E S"]) -> Float[Tensor, ""]:
    """Return Eq. 19 as printed: mean entropy of the slots' dispatch weights, divided by N."""
    entropy_BES = _entropy(at_least_float32(dispatch_BNES), dim=1)
    return entropy_BES.mean() / dispatch_BNES.shape[1]


@dataclass(frozen=True, kw_only=True)
class RoutingTerms:
    """Contribution of the routing of one layer to the loss and to the log."""

    rep: Tensor
    """Slot repulsion (Eq. 18), a scalar."""
    sharpness: Tensor | None
    """Eq. 19 as printed, a scalar; None if `bal_form` is another."""
    usage_E: Tensor
    """Share of each expert in the combine weights; sums to 1. With gradient."""
    dispatch_entropy: Tensor
    """Mean entropy of a slot's weights over tokens: 1 if all are equal, 0 for a single token."""
    combine_entropy: Tensor
    """Mean entropy of a token's weights over slots: 1 if all are equal, 0 for a single slot."""


def routing_terms(routing: Routing, *, rep_form: LossForm, bal_form: LossForm) -> RoutingTerms:
    """Compute the terms of the routing of one layer."""
    dispatch_BNES, combine_BNES = (
        at_least_float32(weights) for weights in (routing.dispatch_BNES, routing.combine_BNES)
    )
    _, tokens, experts, slots = dispatch_BNES.shape
    with torch.no_grad():
        dispatch_entropy = _entropy(dispatch_BNES, dim=1).mean() / max(math.log(tokens), 1e-12)
        over_slots = _entropy(combine_BNES, dim=(2, 3)).mean()
        combine_entropy = over_slots / max(math.log(experts * slots), 1e-12)
    return RoutingTerms(
        rep=repulsion_loss(routing.slots_BESD, form=rep_form),
        sharpness=dispatch_sharpness_loss(dispatch_BNES) if bal_form == "printed" else None,
        usage_E=combine_BNES.sum(3).mean((0, 1)),
        dispatch_entropy=dispatch_entropy,
        combine_entropy=combine_entropy,
    )


_ROUTING_TERMS = tuple(field.name for field in fields(RoutingTerms))
LayerTerms = list[tuple[str, RoutingTerms]]
"""Name and terms of each layer with experts, in order."""


def mean_terms(whole: LayerTerms, crops: LayerTerms) -> LayerTerms:
    """Return the means of the terms on whole images and on as many crops.

    Experts are thus balanced over both, so that one may specialise in crops.
    """
    means = []
    for (layer, one), (_, other) in zip(whole, crops, strict=True):
        pairs = {name: (getattr(one, name), getattr(other, name)) for name in _ROUTING_TERMS}
        terms: dict[str, Any] = {
            name: None if a is None else (a + b) / 2 for name, (a, b) in pairs.items()
        }
        means.append((layer, RoutingTerms(**terms)))
    return means


def _entropy(weight: Tensor, dim: int | tuple[int, ...] = -1) -> Tensor:
    """Return the Shannon entropy (nats); a weight of 0 adds 0 and has a finite gradient."""
    tiny = torch.finfo(weight.dtype).tiny
    return -(weight * weight.clamp_min(tiny).log()).sum(dim)
