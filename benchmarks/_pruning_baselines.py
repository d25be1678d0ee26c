"""Baselines of pruning: random experts, merged experts, slimmer layers."""

import sys
from collections import defaultdict
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from csmoe_model.distributed.device import fast_inference
from csmoe_model.experts.kept_experts import SHARED
from csmoe_model.nn.cost import encoder_cost
from csmoe_model.pruning.paths import path_of
from csmoe_model.pruning.slicing import keep_experts

sys.path.append(str(Path(__file__).parent.parent / "tests" / "support"))
from pruning_models import plant_dead_experts

HEADS_LEFT = (1.0, 2 / 3, 1 / 3)
"""Shares of the attention heads that a slimmed model may keep."""


def layers_on_path(model, sensor):
    """Return (name, layer) of the layers of a sensor."""
    return [(step.layer, step.module) for step in path_of(model, sensor) if step.layer]


def random_kept(config, sensor, keep, seed):
    """Draw the experts to keep in each layer."""
    rng = np.random.default_rng([seed, keep])
    return {
        layer: tuple(sorted(rng.choice(config.num_experts, keep, replace=False).tolist()))
        for layer in config.layers(sensor, SHARED)
    }


def merged(model, sensor, kept, usage):
    """Merge each removed expert into the most similar kept one, weighted by usage.

    Similar: cosine of all weights of the two experts, the map to their slots included.
    """
    whole = deepcopy(model)
    for layer, block in layers_on_path(whole, sensor):
        moe, width = block.soft_moe, model.config.width
        stacked = [*moe.experts.parameters()]
        slots = moe.router.to_slots.weight
        with torch.no_grad():
            rows = [slots.view(-1, width, width), *stacked]
            flat_EX = torch.cat([row.flatten(1) for row in rows], dim=1)
            cosine_EE = F.normalize(flat_EX, dim=1) @ F.normalize(flat_EX, dim=1).T
            groups = {number: [number] for number in kept[layer]}
            for number in set(range(model.config.num_experts)) - set(kept[layer]):
                groups[max(kept[layer], key=lambda k: cosine_EE[number, k].item())].append(number)
            for centre, members in groups.items():
                weight = torch.tensor([usage[layer][m] for m in members])
                weight = weight / weight.sum()
                for row in rows:
                    row[centre] = torch.einsum("m,m...->...", weight, row[members].clone())
    return keep_experts(whole, kept)


@dataclass(frozen=True, kw_only=True)
class Slimmed:
    """A model with fewer heads and hidden units, and its cost."""

    model: object
    macs: float
    params: float
    heads: float
    """Share of the heads that are left."""
    hidden: float
    """Share of the hidden units that are left."""


def slimmed(model, sensor, target_macs, patches):
    """Yield slimmed models of at most some multiply-adds, one for each share of heads.

    Heads and hidden units are those with the smallest contribution to the output on the patches:
    their mean activation times the norm of their outgoing weights. They are set to zero, which
    computes what a smaller layer would; the cost is that of the smaller layer.
    """
    importance = _importance(model, sensor, patches)
    for heads in HEADS_LEFT:
        for hidden in np.linspace(1, 0, 97)[:-1]:
            macs, params = _slim_cost(model.config, sensor, heads, hidden)
            if macs <= target_macs:
                smaller = _zeroed(model, sensor, importance, heads, hidden)
                yield Slimmed(
                    model=smaller, macs=macs, params=params, heads=heads, hidden=float(hidden)
                )
                break


def _slim_cost(config, sensor, heads, hidden):
    whole = encoder_cost(config, sensors=(sensor,))
    layers, tokens = len(config.layers(sensor, SHARED)), config.num_patches + 1
    width, experts = config.width, config.num_experts
    units = round(config.hidden_width * (1 - hidden))
    slots = -(-tokens // experts) * experts
    gone = 1 - heads
    attention = gone * (4 * tokens * width**2 + 2 * tokens**2 * width)
    macs = whole.macs_full - layers * (attention + slots * 2 * width * units)
    weights = gone * (4 * width**2 + 3 * width) + experts * units * (2 * width + 1)
    return macs, whole.params_trainable - layers * weights


def _importance(model, sensor, patches):
    """Return (heads [H], hidden units [E, H]) by layer: activation times outgoing weight."""
    sums, device = defaultdict(lambda: 0.0), next(model.parameters()).device
    handles = []
    for layer, block in layers_on_path(model, sensor):

        def of_heads(module, given, layer=layer, block=block):
            heads = given[0].unflatten(2, (block.attention.num_heads, -1))
            weight = module.weight.unflatten(1, (block.attention.num_heads, -1))
            out = torch.einsum("bnhd,ohd->bnho", heads, weight)
            sums[layer, "heads"] += out.norm(dim=3).mean((0, 1))

        def of_hidden(module, _, out, layer=layer):
            experts = module.experts
            x = out[1].slots_BESD
            hidden = F.gelu(
                torch.einsum("besd,edh->besh", x, experts.up_EDH) + experts.up_bias_EH[:, None]
            )
            sums[layer, "hidden"] += hidden.abs().mean((0, 2)) * experts.down_EHD.norm(dim=2)

        handles += [
            block.attention.out.register_forward_pre_hook(of_heads),
            block.soft_moe.register_forward_hook(of_hidden),
        ]
    for images in patches.batches(device):
        with fast_inference(device):
            model.backbone.tokens(sensor, images[sensor])
    for handle in handles:
        handle.remove()
    return sums


def _zeroed(model, sensor, importance, heads, hidden):
    smaller = deepcopy(model)
    for layer, block in layers_on_path(smaller, sensor):
        with torch.no_grad():
            count = round(block.attention.num_heads * (1 - heads))
            for head in importance[layer, "heads"].argsort()[:count].tolist():
                out = block.attention.out.weight.unflatten(1, (block.attention.num_heads, -1))
                out[:, head] = 0
            units = round(model.config.hidden_width * (1 - hidden))
            for expert, order in enumerate(importance[layer, "hidden"].argsort(dim=1)):
                block.soft_moe.experts.down_EHD[expert, order[:units]] = 0
    return smaller


def planted(model, sensor, seed, *, unread):
    """Return a copy with one dead expert in each layer, and their numbers by layer."""
    dead_model, rng = deepcopy(model), np.random.default_rng(seed)
    experts = model.config.num_experts
    dead = {layer: int(rng.integers(experts)) for layer, _ in layers_on_path(model, sensor)}
    plant_dead_experts(dead_model, sensor, dead, unread=unread)
    return dead_model, dead


def with_kept(config, sensor, keep):
    """Return a configuration with some number of experts in each layer, whichever they are."""
    kept = dict.fromkeys(config.layers(sensor, SHARED), tuple(range(keep)))
    return replace(config, kept_experts=kept)
