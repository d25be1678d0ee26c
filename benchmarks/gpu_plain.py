"""Plain implementation of the model: the baseline and the reference of the fast one.

Experts are separate modules in a list, called one after the other. Routing uses einsums over
[B, N, E, S]. Nothing is compiled.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from csmoe_model.nn.layers import float32_product
from csmoe_model.nn.routers import DynamicRouter
from csmoe_model.nn.soft_moe import ExpertMLPs, Routing, SoftMoE


class PlainSoftMoE(nn.Module):
    """The layer of `csmoe_model.nn.soft_moe`, with a loop over its experts."""

    def __init__(self, layer: SoftMoE) -> None:
        """Copy the weights of a layer."""
        super().__init__()
        self.router = deepcopy(layer.router)
        self.experts = nn.ModuleList(_alone(layer.experts, e) for e in range(layer.num_experts))

    def forward(self, x_BND: Tensor, conditions: object = ()) -> tuple[Tensor, Routing]:
        """Blend tokens into slots, run the experts, blend the slots back into tokens."""
        del conditions  # of the models that are measured, none is conditioned
        token_BND, logit_BNES = self._logits(x_BND)
        dispatch_BNES = logit_BNES.softmax(dim=1)
        combine_BNES = logit_BNES.flatten(2).softmax(dim=2).view_as(logit_BNES)
        slots_BESD = torch.einsum("bnd,bnes->besd", token_BND, dispatch_BNES)
        out_BESD = torch.stack(
            [expert(slots_BESD[:, number]) for number, expert in enumerate(self.experts)], dim=1
        )
        routing = Routing(
            dispatch_BNES=dispatch_BNES, combine_BNES=combine_BNES, slots_BESD=slots_BESD
        )
        return torch.einsum("besd,bnes->bnd", out_BESD, combine_BNES.to(out_BESD.dtype)), routing

    def _logits(self, x_BND: Tensor) -> tuple[Tensor, Tensor]:
        router, experts = self.router, len(self.experts)
        if isinstance(router, DynamicRouter):
            token_BND = router.norm(x_BND)
            mean_BSD = _means(token_BND, experts)
            embedding_BSED = router.to_slots(mean_BSD).unflatten(2, (experts, -1))
            slot_BESD = router.norm_slots(embedding_BSED).transpose(1, 2) * router.logit_scale
            logit_BNM = float32_product(token_BND, slot_BESD.flatten(1, 2).transpose(1, 2))
            return token_BND, logit_BNM.unflatten(2, (experts, -1))
        slot_ESD = F.normalize(router.slot_ESD, dim=-1) * router.scale
        token_BND = F.normalize(x_BND.float(), dim=-1)
        logit_BNM = float32_product(token_BND, slot_ESD.flatten(0, 1).T)
        return x_BND, logit_BNM.unflatten(2, (experts, -1))


def plain_twin(model: nn.Module) -> nn.Module:
    """Return a copy of a model with plain expert layers."""
    twin = deepcopy(model)
    for parent in list(twin.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, SoftMoE):
                setattr(parent, name, PlainSoftMoE(child))
    return twin


def gradients(model: nn.Module) -> dict[str, Tensor]:
    """Return the gradient of each weight; those of experts stacked, for both implementations."""
    found = {
        name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None
    }
    for prefix, layer in model.named_modules():
        if isinstance(layer, PlainSoftMoE):
            for place, up in ((0, "up"), (2, "down")):
                names = [f"{prefix}.experts.{e}.{place}" for e in range(len(layer.experts))]
                weights = [found.pop(f"{name}.weight").T for name in names]
                biases = [found.pop(f"{name}.bias") for name in names]
                axes = {"up": ("EDH", "EH"), "down": ("EHD", "ED")}[up]
                found[f"{prefix}.experts.{up}_{axes[0]}"] = torch.stack(weights)
                found[f"{prefix}.experts.{up}_bias_{axes[1]}"] = torch.stack(biases)
    return found


def _alone(experts: ExpertMLPs, number: int) -> nn.Sequential:
    up_DH, down_HD = experts.up_EDH[number], experts.down_EHD[number]
    device = up_DH.device
    layers = (nn.Linear(*up_DH.shape, device=device), nn.Linear(*down_HD.shape, device=device))
    with torch.no_grad():
        for layer, weight, bias in zip(
            layers, (up_DH, down_HD), (experts.up_bias_EH, experts.down_bias_ED), strict=True
        ):
            layer.weight.copy_(weight.T)
            layer.bias.copy_(bias[number])
    return nn.Sequential(layers[0], nn.GELU(), layers[1])


def _means(token_BND: Tensor, size: int) -> Tensor:
    return torch.stack([part.mean(1) for part in token_BND.split(size, dim=1)], dim=1)
