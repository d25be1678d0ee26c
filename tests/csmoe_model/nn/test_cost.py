import warnings
from dataclasses import replace

import pytest
import soft_moe_pytorch.soft_moe_with_dynamic_slots as oracle_module
import torch
from soft_moe_pytorch import DynamicSlotsSoftMoE
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from csmoe_model.config import ModelConfig
from csmoe_model.csmoe import CSMoE
from csmoe_model.nn.backbone import Backbone
from csmoe_model.nn.cost import encoder_cost, pretraining_cost
from csmoe_model.nn.cost_table import cost_row
from csmoe_model.nn.masking import Mask, Masks
from csmoe_model.recipes import RECIPES, recipe

TABLE_IV = {
    "csmoe-b32": (277.10, 2.923),
    "csmoe-b28": (275.27, 3.674),
    "csmoe-b16": (271.31, 10.108),
    "csmoe-b14": (270.90, 13.410),
}
PRINTED = {
    "csmoe-b32": (277, 2.92, 94.86),
    "csmoe-b28": (275, 3.67, 74.93),
    "csmoe-b16": (271, 10.11, 26.81),
    "csmoe-b14": (271, 13.40, 20.22),
}
UNEQUAL = {"s2.0": (1,), "s2.1": (0, 2), "s1.1": (3,), "shared.0": (0, 1, 3)}
"""Experts of a pruned model."""
# 50 tokens a sensor, with padding to 52 for the first; 65 to 68 for the second; none with 5.
SMALL = [
    recipe("tiny"),
    replace(recipe("tiny"), image_size=64, shared_layers=0),
    replace(recipe("tiny"), num_experts=5),
    replace(recipe("tiny"), slots="fixed", slots_per_expert=3),
    replace(recipe("tiny"), num_experts=0, mlp_ratio=2),
    replace(recipe("tiny"), decoder_layers=2, mask_ratio=0.75, mask_mode="disjoint"),
    replace(recipe("tiny"), kept_experts=UNEQUAL),
    replace(recipe("tiny"), kept_experts=UNEQUAL, slots="fixed", slots_per_expert=3),
    replace(recipe("tiny"), condition="sensor", kept_experts=UNEQUAL),
    replace(recipe("tiny"), condition="both", local_global=1.0, shared_layers=2),
    replace(recipe("tiny"), condition="granularity", local_global=1.0, slots="fixed"),
    replace(recipe("tiny"), local_global=1.0, crop_side=0.25, num_experts=0),
    replace(recipe("tiny"), mi_features="mean", projector="off"),
    replace(recipe("tiny"), logit_scale=0.1, logit_scale_of="dispatch"),
]


@pytest.mark.parametrize("name", TABLE_IV)
def test_the_published_variants_weigh_and_cost_what_table_iv_says(name):
    row = cost_row(name, recipe(name))
    params, macs = TABLE_IV[name]
    assert row["params"] / 1e6 == pytest.approx(params, abs=0.006)
    assert row["macs_paper"] / 1e9 == pytest.approx(macs, abs=0.001)
    printed_params, printed_macs, printed_c2c = PRINTED[name]
    assert row["params"] / 1e6 == pytest.approx(printed_params, rel=0.002)
    assert row["macs_paper"] / 1e9 == pytest.approx(printed_macs, rel=0.002)
    assert row["c2c"] == pytest.approx(printed_c2c, rel=0.002)


@pytest.mark.parametrize(
    ("experts", "params", "macs"), [(8, 271, 10.10), (4, 144, 6.63), (2, 80, 4.90), (1, 48, 4.04)]
)
def test_pruned_experts_save_what_a_prototype_measured(experts, params, macs):
    config = recipe("csmoe-b16")
    kept = dict.fromkeys(config.layers("s2", "shared"), tuple(range(experts)))
    cost = encoder_cost(replace(config, kept_experts=kept))
    assert cost.params / 1e6 == pytest.approx(params, abs=0.6)
    # fvcore's count of a layer that pads no tokens, 197 instead of 200.
    assert cost.macs_paper / 1e9 == pytest.approx(macs, rel=0.004)


def test_csmae_weighs_and_costs_what_table_i_says():
    row = cost_row("csmae-b15", recipe("csmae-b15"))
    assert row["params"] / 1e6 == pytest.approx(87, abs=0.5)
    assert row["macs_paper"] / 1e9 == pytest.approx(5.64, rel=0.002)
    assert row["c2c"] == pytest.approx(15.43, rel=0.003)


def test_csmae_at_the_others_image_and_patch_costs_17_billion():
    config = replace(recipe("csmae-b15"), patch_size=16, image_size=224)
    assert encoder_cost(config).macs_paper / 1e9 == pytest.approx(17.1, abs=0.1)


@pytest.mark.parametrize(
    ("name", "macs"),
    [("csmoe-b32", 1.33), ("csmoe-b28", 1.54), ("csmoe-b16", 3.42), ("csmoe-b14", 4.28)],
)
def test_the_slots_of_the_papers_text_would_cost_a_third(name, macs):
    cost = encoder_cost(replace(recipe(name), slots="fixed"))
    assert cost.macs_paper / 1e9 == pytest.approx(macs, rel=0.005)


def test_the_encoder_of_both_sensors_has_about_451_million_weights():
    both = encoder_cost(recipe("csmoe-b16"), sensors=("s2", "s1"))
    assert both.params / 1e6 == pytest.approx(451, abs=0.5)


def test_pretraining_patch_16_takes_about_13_billion_multiply_adds_a_pair():
    assert pretraining_cost(recipe("csmoe-b16")).macs_full / 1e9 == pytest.approx(13.3, abs=0.1)


@pytest.mark.parametrize(
    "config",
    [make() for make in RECIPES.values()] + SMALL,
    ids=[*RECIPES, *map(str, range(len(SMALL)))],
)
def test_weights_are_those_of_the_modules(config):
    with torch.device("meta"):
        model = CSMoE(config)
    with torch.device("meta"):
        s2 = CSMoE(config, encoder_of=("s2",)).parameters()

    assert encoder_cost(config).params_trainable == sum(weight.numel() for weight in s2)
    assert encoder_cost(config, sensors=("s2", "s1")).params_trainable == sum(
        weight.numel() for weight in model.backbone.parameters()
    )
    assert pretraining_cost(config).params_trainable == sum(
        weight.numel() for weight in model.parameters()
    )
    positions = (config.num_patches + 1) * config.width
    assert encoder_cost(config).params == encoder_cost(config).params_trainable + positions


def images(config):
    side = config.image_size
    return torch.empty(1, 10, side, side), torch.empty(1, 2, side, side)


def fvcore_macs(module, *inputs):
    with warnings.catch_warnings():
        # torch.jit, on which fvcore's tracing stands, is deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        from fvcore.nn import FlopCountAnalysis

        count = FlopCountAnalysis(module.eval(), inputs)
        count.unsupported_ops_warnings(False).tracer_warnings("none")
        return count.total()


class S2Path(nn.Module):
    """Positional arguments and a tensor as result, for the tracer."""

    def __init__(self, config):
        super().__init__()
        self.backbone = Backbone(config, sensors=("s2",))

    def forward(self, s2):
        return self.backbone(s2=s2)["s2"]


class PublishedLayer(nn.Module):
    """The layer of soft-moe-pytorch with the interface of ours."""

    def __init__(self, config):
        super().__init__()
        self.layer = DynamicSlotsSoftMoE(
            config.width, num_experts=config.num_experts, expert_mult=config.mlp_ratio
        )

    def forward(self, x_BND, _):
        return self.layer(x_BND), None


def pad_to_multiple(tensor, multiple, dim=-1, value=0):
    """The function of soft-moe-pytorch, for sizes that the tracer turned into tensors."""
    missing = -int(tensor.shape[dim]) % multiple
    padding = (0,) * (-1 - dim) * 2 + (0, missing)
    return missing > 0, F.pad(tensor, padding, value=value) if missing else tensor


@pytest.mark.parametrize("config", [recipe("csmoe-b32"), *SMALL[:3]], ids=["b32", *"012"])
def test_the_papers_count_is_fvcores_of_the_published_layer(config, monkeypatch):
    monkeypatch.setattr(oracle_module, "pad_to_multiple", pad_to_multiple)
    with torch.device("meta"):
        path = S2Path(config)
        for trunk in (path.backbone.sensors["s2"].trunk, path.backbone.shared.trunk):
            for block in trunk.blocks:
                block.soft_moe = PublishedLayer(config)
    # Not exactly: fvcore takes einsums from a printed estimate of four digits.
    found = fvcore_macs(path, images(config)[0].to("meta"))
    assert encoder_cost(config).macs_paper == pytest.approx(found, rel=1e-4)


@pytest.mark.parametrize(
    "config",
    [replace(SMALL[0], num_experts=5), SMALL[3], SMALL[4]],
    ids=["no padding", "fixed", "dense"],
)
def test_without_padding_our_layer_costs_the_same_by_fvcore(config):
    assert fvcore_macs(S2Path(config), images(config)[0]) == encoder_cost(config).macs_paper


def test_not_padding_saves_under_a_quarter_of_a_percent():
    config = recipe("csmoe-b32")
    with torch.device("meta"):
        found = fvcore_macs(S2Path(config), images(config)[0])
    saved = 1 - found / encoder_cost(config).macs_paper
    assert 0 < saved < 0.0025


def flop_counter_macs(call):
    # Under any other backend the counter does not see attention on a CPU.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return counter.get_total_flops() / 2


@pytest.mark.parametrize(
    "config", [*SMALL, recipe("csmoe-b32")], ids=[*map(str, range(len(SMALL))), "csmoe-b32"]
)
def test_the_full_count_is_torchs_own_of_the_encoder_of_both_sensors(config):
    with torch.device("meta"):
        backbone = Backbone(config)
        s2, s1 = images(config)
    wanted = encoder_cost(config, sensors=("s2", "s1")).macs_full
    assert flop_counter_macs(lambda: backbone(s2=s2, s1=s1)) == wanted


def index(count: int) -> torch.Tensor:
    return torch.zeros(1, count, dtype=torch.int64, device="meta")


def some_mask(config: ModelConfig) -> Mask:
    hidden = config.num_patches - config.num_visible
    return Mask(visible_BU=index(config.num_visible), masked_BM=index(hidden))


@pytest.mark.parametrize("config", SMALL, ids=map(str, range(len(SMALL))))
def test_the_count_of_pretraining_is_torchs_own(config):
    with torch.device("meta"):
        model = CSMoE(config)
        s2, s1 = images(config)
    crops = {"crop_BK": index(config.num_cropped)} if config.num_cropped else {}
    masks = Masks(s2=some_mask(config), s1=some_mask(config), **crops)
    # NT-Xent's 2B x 2B cosines at B = 1, counted nowhere; with crops also for each sensor.
    similarities = 2 * 2 * config.width * (3 if crops else 1)
    found = flop_counter_macs(lambda: model(s2, s1, masks))
    assert found - similarities == pretraining_cost(config).macs_full
