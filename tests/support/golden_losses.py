"""Write `tiny_losses.json`: the loss terms of 20 training steps of `tiny` on the CPU.

    python tests/support/golden_losses.py

Run it only if the numbers are meant to change, and give the reason in the commit message.
"""

import json

import torch
from repository import GOLDEN
from torch.nn import functional as F

from csmoe_model.csmoe import CSMoE
from csmoe_model.nn.masking import draw_masks
from csmoe_model.recipes import recipe

FILE = GOLDEN / "tiny_losses.json"
STEPS, BATCH = 20, 2


def curve() -> list[dict[str, float]]:
    """Train on two smooth pairs with equal shapes in both sensors; return the terms by step."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the model is too small for more
    try:
        return _curve()
    finally:
        torch.set_num_threads(threads)


def _curve() -> list[dict[str, float]]:
    config = recipe("tiny")
    torch.manual_seed(0)
    # Training is chaotic: a difference in the last bit becomes one in the first decimal after 20
    # steps. Therefore it runs in float64, where the number of threads has no effect, and draws
    # uniform numbers only, since normal ones depend on the processor's instructions.
    model = CSMoE(config).double()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "cls" in name or "mask_token" in name:
                weight.uniform_(-0.03, 0.03)
    optimizer = torch.optim.AdamW(model.parameter_groups(0.05), lr=3e-4, betas=(0.9, 0.95))
    shapes = torch.rand(BATCH, 2, 7, 7, dtype=torch.float64) * 3 - 1.5
    s1 = F.interpolate(shapes, size=config.image_size, mode="bilinear")
    mixing = torch.rand(10, 2, dtype=torch.float64) * 2 - 1
    s2 = torch.einsum("cd,bdhw->bchw", mixing, s1)
    terms = []
    for step in range(STEPS):
        masks = draw_masks(
            range(BATCH),
            num_patches=config.num_patches,
            mask_ratio=config.mask_ratio,
            mode=config.mask_mode,
            seed=0,
            epoch=step,
        )
        output = model(s2, s1, masks)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        terms.append({name: float(value) for name, value in output.terms().items()})
    return terms


if __name__ == "__main__":
    rounded = [{name: round(value, 6) for name, value in step.items()} for step in curve()]
    FILE.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
