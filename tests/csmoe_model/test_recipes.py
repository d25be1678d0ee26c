import ast
import inspect
import itertools
import json
import math
from dataclasses import asdict, fields, replace

import pytest
import torch

from csmoe_model import config
from csmoe_model.config import ModelConfig, visible_count
from csmoe_model.csmoe import CSMoE
from csmoe_model.nn.masking import draw_masks
from csmoe_model.recipes import RECIPES, recipe, recipe_with
from minortom.errors import InputError


def step(config, *, expected, dtype):
    """Take one gradient step on one batch.

    Args:
        config: The model.
        expected: Decrease of the loss that the gradient predicts for the step.
        dtype: Of weights and images.

    Returns:
        The decrease found, and the names of the weights without gradient.
    """
    torch.manual_seed(0)
    model = CSMoE(config).to(dtype)
    side = config.image_size
    s2 = torch.randn(2, 10, side, side, dtype=dtype)
    s1 = torch.randn(2, 2, side, side, dtype=dtype)
    masks = draw_masks(
        range(2), num_patches=config.num_patches, mask_ratio=config.mask_ratio,
        mode=config.mask_mode, seed=0, epoch=0,
    )  # fmt: skip
    before = model(s2, s1, masks).loss
    before.backward()
    unmoved = [n for n, w in model.named_parameters() if w.grad is None or not w.grad.any()]
    with torch.no_grad():
        steepness = sum(float(w.grad.square().sum()) for w in model.parameters())
        for weight in model.parameters():
            weight.sub_(weight.grad, alpha=expected / steepness)
        after = model(s2, s1, masks).loss
    return (before - after).item(), unmoved


def narrowed(config):
    """Return a recipe with narrow tokens; images, patches, layers and options stay."""
    return replace(
        config, width=24, num_heads=3, decoder_width=16, decoder_heads=2, decoder_layers=2
    )


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_reduces_the_loss_as_its_gradient_predicts(name):
    config = recipe(name)
    if config.width > 192:
        config = narrowed(config)
    # The almost one-hot routing bends the loss within a small fraction of a usual step.
    decrease, unmoved = step(config, expected=1e-7, dtype=torch.float64)
    assert unmoved == []
    assert decrease == pytest.approx(1e-7, rel=0.02)


@pytest.mark.soak
@pytest.mark.parametrize("name", ["csmoe-b32", "csmoe-b14", "csmae-b15"])
def test_every_large_recipe_reduces_the_loss_at_its_full_width(name):
    decrease, unmoved = step(recipe(name), expected=1e-3, dtype=torch.float32)
    assert unmoved == []
    assert decrease > 0


def test_the_published_variants_differ_in_the_patch_alone():
    base = asdict(recipe("csmoe-b16"))
    for size in (32, 28, 16, 14):
        assert asdict(recipe(f"csmoe-b{size}")) == base | {"patch_size": size}


def test_the_sizes_are_those_of_section_iii_c():
    base = recipe("csmoe-b16")
    assert (base.sensor_layers, base.shared_layers, base.decoder_layers) == (4, 2, 4)
    assert (base.num_experts, base.width, base.decoder_width) == (8, 768, 256)
    assert (base.mask_ratio, base.mi_temperature, base.image_size) == (0.5, 0.5, 224)


@pytest.mark.parametrize("name", RECIPES)
def test_a_configuration_survives_json(name):
    config = recipe(name)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch_size": 15}, "image_size must be a multiple of patch_size 15, found 224"),
        ({"width": 770}, r"width must be a multiple of 12 \(num_heads\), found 770"),
        ({"width": 30, "num_heads": 3}, r"width must be a multiple of 4 \(positions in 2-D\), f"),
        ({"decoder_heads": 3}, r"width must be a multiple of 3 \(decoder_heads\), found 256"),
        ({"num_experts": -1}, "num_experts must be 0 or more, found -1"),
        ({"sensor_layers": 0}, "sensor_layers must be above 0, found 0"),
        ({"width": 768.0}, "width must be a whole number, found 768.0"),
        ({"width": True}, "width must be a whole number, found True"),
        ({"mask_ratio": "half"}, "mask_ratio must be a number, found 'half'"),
        ({"mask_ratio": 1.0}, "mask_ratio must be above 0 and below 1, found 1.0"),
        ({"mask_ratio": math.nan}, "mask_ratio must be above 0 and below 1, found nan"),
        ({"mask_ratio": 0.999}, "mask_ratio 0.999 leaves 0 of 196 visible"),
        (
            {"mask_mode": "disjoint", "mask_ratio": 0.4},
            "need a mask_ratio of at least 0.5, found 0",
        ),
        ({"slots": "static"}, "slots must be one of dynamic, fixed, found 'static'"),
        ({"slots_per_expert": 2}, "slots_per_expert 2 needs slots = fixed"),
        ({"logit_scale": 0.0}, "logit_scale must be above 0, found 0.0"),
        ({"logit_scale_of": "combine"}, "logit_scale_of must be one of both, dispatch, found"),
        ({"logit_scale_of": "dispatch"}, "dispatch needs a logit_scale other than 1, found 1.0; "),
        ({"logit_scale_of": "dispatch", "num_experts": 0}, "layers with experts, found num_exp"),
        ({"mi_features": "max"}, "mi_features must be one of cls, mean, found 'max'"),
        ({"projector": False}, "projector must be one of on, off, found False"),
        ({"rep_weight": math.inf}, "rep_weight must be 0 or more, found inf"),
        ({"condition": "season"}, "condition must be one of none, sensor, granularity, both, fo"),
        ({"condition": "granularity"}, "granularity needs local crops .*, found local_global 0;"),
        ({"condition": "both"}, "both needs local crops .*; give a weight above 0 as local_glob"),
        ({"condition": "sensor", "num_experts": 0}, "shared layers with experts.*num_experts 0"),
        ({"condition": "sensor", "shared_layers": 0}, "found shared_layers 0; give condition none"),
        ({"local_global": -1}, "local_global must be 0 or more, found -1"),
        ({"local_global": math.nan}, "local_global must be 0 or more, found nan"),
        ({"local_global": 1, "crop_side": 1.5}, "crop_side must be a fraction .*, found 1.5"),
        ({"local_global": 1, "crop_side": 0.99}, "smaller .*0.99 is 14 of the 14 patches along"),
        ({"crop_side": 0.25}, "crop_side 0.25 needs local crops, found local_global 0; give"),
        (
            {"depth": 3, "patchsize": 4},
            "unknown model option depth, patchsize; known options are",
        ),
    ],
)
def test_an_invalid_configuration_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        recipe_with("csmoe-b16", change)


def test_an_unknown_recipe_is_refused_with_the_list_of_recipes():
    message = "recipe must be one of csmoe-b32, .*tiny-p12, found 'csmoe-b15'"
    with pytest.raises(InputError, match=message):
        recipe("csmoe-b15")


def test_an_integer_is_accepted_for_a_float():
    config = recipe_with("tiny", {"logit_scale": 2, "slots": "fixed"})
    assert CSMoE(config).backbone.shared.trunk.blocks[0].soft_moe.router.scale.item() == 2.0


def test_files_leave_out_later_options_at_their_defaults():
    given = {
        "condition": "both", "local_global": 0.5, "crop_side": 0.25, "logit_scale": 0.3,
        "logit_scale_of": "dispatch", "mi_features": "mean", "projector": "off",
    }  # fmt: skip
    stored = recipe("tiny").to_dict()
    assert not {"kept_experts", *given} - {"logit_scale"} & set(stored)
    changed = recipe_with("tiny", given)
    assert changed.to_dict() == stored | given
    assert ModelConfig.from_dict(changed.to_dict()) == changed


def test_csmae_contrasts_mean_tokens_without_a_projector():
    """As `src/csmae.py` of the published code, which has neither a projector nor regularisers."""
    found = recipe("csmae-b15")
    assert (found.mi_features, found.projector, found.mi_form) == ("mean", "off", "csmae")
    assert (found.num_experts, found.rep_weight, found.bal_weight) == (0, 0.0, 0.0)
    with torch.device("meta"):
        names = [name for name, _ in CSMoE(found).named_parameters()]
    assert not [name for name in names if name.startswith("projector")]


@pytest.mark.parametrize(
    ("crop_side", "patches"), [(0.5, 16), (0.25, 4), (0.01, 1), (0.85, 36), (0.36, 9)]
)
def test_a_crop_has_the_nearest_whole_number_of_patches_along_a_side(crop_side, patches):
    config = recipe_with("tiny", {"local_global": 1.0, "crop_side": crop_side})  # 7 x 7 patches
    assert config.num_cropped == patches
    assert recipe("tiny").num_cropped == 0


def test_every_field_says_what_it_is():
    (body,) = (
        node.body
        for node in ast.parse(inspect.getsource(config)).body
        if isinstance(node, ast.ClassDef) and node.name == "ModelConfig"
    )
    described = {
        field.target.id
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }
    assert described == {field.name for field in fields(ModelConfig)}


@pytest.mark.parametrize(
    ("patches", "ratio", "visible"), [(10, 0.9, 1), (49, 0.5, 24), (100, 0.29, 71), (7, 0.0, 7)]
)
def test_the_number_of_visible_patches_is_rounded_down(patches, ratio, visible):
    assert visible_count(patches, ratio) == visible
