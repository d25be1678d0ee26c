"""The objective on a device other than the CPU.

The device `meta` computes shapes only, so every machine has it. Like a GPU it refuses to mix its
tensors with those of the CPU.
"""

import numpy as np
import pytest
import torch
from shard_maker import made_up_tensors

from csmoe_model.csmoe import CSMoE
from csmoe_model.data.normalise import Normalise, draw_flips, signed
from csmoe_model.nn.masking import draw_masks
from csmoe_model.recipes import recipe_with
from csmoe_model.training.step import Objective, numbers_of
from minortom.sensors import GROUPS

STATISTICS = {
    group.column: {
        "bands": group.bands,
        "mean": [0.0] * len(group.bands),
        "std": [1.0] * len(group.bands),
    }
    for group in GROUPS
}
PRINTED = {"mi_form": "eq10", "rep_form": "printed", "bal_form": "printed"}


@pytest.mark.parametrize("forms", [{}, PRINTED, {"slots": "fixed"}, {"num_experts": 0}])
def test_a_step_creates_tensors_on_the_device_of_its_model_only(forms):
    config = recipe_with("tiny", forms)
    model, normalise = CSMoE(config), Normalise(STATISTICS, image_size=config.image_size)
    stored = {column: torch.from_numpy(x) for column, x in made_up_tensors(4, 120).items()}
    samples = np.arange(4)
    masks = draw_masks(
        samples, num_patches=config.num_patches, mask_ratio=0.5, mode="independent", seed=0, epoch=0
    )
    flips_B2 = draw_flips(samples, seed=0, epoch=0)
    objective = Objective(model.to("meta"), normalise.to("meta"))
    output = objective(
        {column: x.to("meta") for column, x in signed(stored).items()},
        flips_B2.to("meta"),
        masks.to("meta"),
    )
    output.loss.backward()
    assert numbers_of(output)[1].device.type == "meta"
    assert {p.grad.device.type for p in model.parameters()} == {"meta"}
