"""Models of four experts for the tests of pruning."""

from dataclasses import replace

import torch
from training_shards import MODEL

from csmoe_model.csmoe import CSMoE

# 17 tokens: five segments of four, the last of one token.
WIDE = replace(MODEL, num_experts=4, sensor_layers=2)


def random_model(config=WIDE, *, encoder_of=None, seed=0):
    """Return a model with random weights, biases included; zeros would hide a mistake."""
    torch.manual_seed(seed)
    model = CSMoE(config, encoder_of=encoder_of)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "bias" in name or "norm" in name:
                weight.add_(torch.randn_like(weight) * 0.3)
    return model.eval()
