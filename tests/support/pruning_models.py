"""Models of four experts for the tests of pruning."""

from dataclasses import replace

import torch
from training_shards import MODEL

from csmoe_model.csmoe import CSMoE

# 17 tokens: five segments of four, the last of one token.
WIDE = replace(MODEL, num_experts=4, sensor_layers=2)
CONDITIONED = replace(WIDE, condition="both", local_global=1.0)


def random_model(config=WIDE, *, encoder_of=None, seed=0):
    """Return a model with random weights, biases included; zeros would hide a mistake."""
    torch.manual_seed(seed)
    model = CSMoE(config, encoder_of=encoder_of)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "bias" in name or "norm" in name or "condition_vectors" in name:
                weight.add_(torch.randn_like(weight) * 0.3)
    return model.eval()


def plant_dead_experts(model, sensor, dead, *, unread=True):
    """Silence one expert of each layer; if unread, also point its slots away from tokens.

    `dead` has the number of the expert by layer.
    """
    own, shared = model.backbone.encoder_of(sensor).trunk, model.backbone.shared.trunk
    width = model.config.width
    with torch.no_grad():
        for layer, number in dead.items():
            part, _, place = layer.partition(".")
            moe = (shared if part == "shared" else own).blocks[int(place)].soft_moe
            moe.experts.down_EHD[number] = 0
            moe.experts.down_bias_ED[number] = 0
            if unread:
                rows = slice(number * width, (number + 1) * width)
                moe.router.to_slots.weight[rows] = -torch.eye(width)
