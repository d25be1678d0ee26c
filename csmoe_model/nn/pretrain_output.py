"""Result of a pretraining step: the loss terms and the routing of each layer.

Axes, as name suffixes:
    E  experts
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from csmoe_model.config import ModelConfig
from csmoe_model.distributed.collectives import mean_over_processes
from csmoe_model.nn.loss_terms import LOCAL_GLOBAL, TERMS
from csmoe_model.nn.losses import LayerTerms, imbalance_loss


@dataclass(frozen=True, kw_only=True)
class LayerUsage:
    """Usage of the experts of one layer on a batch, for the log; without gradient."""

    name: str
    """`s2.0` … for the layers of a sensor, `shared.0` … for the shared ones."""
    experts: tuple[int, ...]
    """Numbers of the experts, in the numbering of the unpruned model."""
    usage_E: Tensor
    """Share of each expert in the combine weights, over the global batch; sums to 1."""
    dispatch_entropy: Tensor
    """Normalised entropy: 1 if slots average all tokens, 0 if each reads a single token."""
    combine_entropy: Tensor
    """Normalised entropy: 1 if tokens average all slots, 0 if each takes a single slot."""


@dataclass(frozen=True, kw_only=True)
class PretrainOutput:
    """The loss of a batch (Eq. 20) and its terms as scalars; `rec_TARGET_SOURCE` as in Eq. 17."""

    loss: Tensor
    """umr + cmr + mi + rep_weight * rep + bal_weight * bal; and the weighted `local_global`."""
    umr: Tensor
    """rec_s2_s2 + rec_s1_s1 (Eq. 4)."""
    cmr: Tensor
    """rec_s2_s1 + rec_s1_s2 (Eq. 9)."""
    mi: Tensor
    rep: Tensor
    """Mean over the layers; 0 without experts, like `bal`."""
    bal: Tensor
    rec_s2_s2: Tensor
    rec_s2_s1: Tensor
    rec_s1_s1: Tensor
    rec_s1_s2: Tensor
    local_global: Tensor | None
    """Contrast of each image with its crop, the mean over the sensors; None without crops."""
    layers: tuple[LayerUsage, ...]
    """Routing of each layer with experts; the mean over whole images and crops."""
    reconstructions: dict[str, Tensor] | None
    """Images [B, C, H, W] by `TARGET_SOURCE`, without gradient; None if not requested."""

    def terms(self) -> dict[str, Tensor]:
        """Return the scalars by name, in the order of the log, without gradient."""
        names = TERMS if self.local_global is None else (*TERMS, LOCAL_GLOBAL)
        return {name: getattr(self, name).detach() for name in names}


def regularisers(
    layers: LayerTerms, config: ModelConfig, *, like: Tensor
) -> tuple[Tensor, Tensor, tuple[LayerUsage, ...]]:
    """Return REP and BAL averaged over the layers, with the usage of the global batch.

    Args:
        layers: Name and terms of each layer with experts.
        config: The model.
        like: Scalar whose dtype and device zeros have, without experts.
    """
    if not layers:
        return torch.zeros_like(like), torch.zeros_like(like), ()
    rep = torch.stack([terms.rep for _, terms in layers]).mean()
    own = [terms.usage_E for _, terms in layers]  # of different lengths in a pruned model
    usages = torch.split(mean_over_processes(torch.cat(own)), [len(u_E) for u_E in own])
    printed = [terms.sharpness for _, terms in layers if terms.sharpness is not None]
    bal = torch.stack(printed or [imbalance_loss(usage_E) for usage_E in usages]).mean()
    uses = tuple(
        LayerUsage(
            name=name,
            experts=config.experts_of(name),
            usage_E=usage_E.detach(),
            dispatch_entropy=terms.dispatch_entropy,
            combine_entropy=terms.combine_entropy,
        )
        for (name, terms), usage_E in zip(layers, usages, strict=True)
    )
    return rep, bal, uses
