"""A slow twin of a pruned model: all experts run, and the removed ones get no combine weight."""

import torch
from torch.nn import functional as F

from csmoe_model.nn.layers import patchify


def masked_tokens(model, sensor, image_BCHW, kept):
    """Return the tokens of a whole model with some experts masked in the combine softmax.

    `kept` has the experts that stay, by layer; other layers keep all.
    """
    encoder = model.backbone.encoder_of(sensor)
    side = image_BCHW.shape[-1] // model.config.patch_size
    patch_BND = encoder.embed(patchify(image_BCHW, model.config.patch_size))
    patch_BND = patch_BND + encoder.positions((side, side))
    x_BTD = torch.cat([encoder.cls_D.expand(len(image_BCHW), 1, -1), patch_BND], dim=1)
    for part, trunk in ((sensor, encoder.trunk), ("shared", model.backbone.shared.trunk)):
        for number, block in enumerate(trunk.blocks):
            experts = range(model.config.num_experts)
            staying = kept.get(f"{part}.{number}", tuple(experts))
            x_BTD = x_BTD + block.attention(block.norm_attention(x_BTD))
            normed_BTD = block.norm_soft_moe(x_BTD)
            x_BTD = x_BTD + _masked_layer(block.soft_moe, normed_BTD, staying, sensor)
        x_BTD = trunk.norm(x_BTD)
    return x_BTD


def layer_parts(layer, x_BND, sensor="s2"):
    """Return logits [B, N, S, E] and each expert's outputs [B, S, D], expert by expert."""
    vectors, condition_1ED = layer.condition_vectors, None
    if vectors is not None:
        named = [vectors[name] for name in (sensor, "whole") if name in vectors]
        condition_1ED = torch.stack(named).sum(0, keepdim=True)
    token_BND, *logits = layer.router(x_BND, condition_1ED)
    dispatch_BNSE, logit_BNSE = (logit.unflatten(2, (-1, layer.num_experts)) for logit in logits)
    slots_BSED = torch.einsum("bnse,bnd->bsed", dispatch_BNSE.softmax(1), token_BND)
    experts, outputs = layer.experts, []
    for e in range(layer.num_experts):
        hidden = F.gelu(slots_BSED[:, :, e] @ experts.up_EDH[e] + experts.up_bias_EH[e])
        outputs.append(hidden @ experts.down_EHD[e] + experts.down_bias_ED[e])
    return logit_BNSE, outputs


def _masked_layer(layer, x_BND, staying, sensor):
    logit_BNSE, outputs = layer_parts(layer, x_BND, sensor)
    mask_E = torch.full((layer.num_experts,), -torch.inf)
    mask_E[list(staying)] = 0
    weight_BNSE = (logit_BNSE + mask_E).flatten(2).softmax(2).view_as(logit_BNSE)
    return sum(
        torch.einsum("bns,bsd->bnd", weight_BNSE[..., e], out) for e, out in enumerate(outputs)
    )
