"""Conditioned routing against the layer written out, and local-global pairs against their parts."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from csmoe_model.csmoe import CSMoE
from csmoe_model.nn.masking import masks_of
from csmoe_model.nn.soft_moe import SoftMoE
from csmoe_model.recipes import recipe

NARROW = replace(recipe("tiny"), width=24, num_heads=3)
CONDITIONED = replace(NARROW, condition="both", local_global=0.5)
CONDITIONS = [("s2", "whole"), ("s1", "whole"), ("s2", "local")]
ROUTERS = [{}, {"slots": "fixed", "slots_per_expert": 2}]


def images(batch=2):
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(batch, bands, 56, 56, generator=generator) for bands in (10, 2))


def seeded(config):
    torch.manual_seed(0)
    return CSMoE(config)


def with_vectors(module):
    """Set the condition vectors of a module to random values."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if "condition_vectors." in name:
                weight.copy_(torch.randn(weight.shape, generator=generator))
    return module


def layer(**options):
    torch.manual_seed(1)
    return with_vectors(
        SoftMoE(
            width=24, hidden_width=48, num_experts=4, conditions=("s2", "s1", "whole", "local"),
            **options,
        )
    )  # fmt: skip


@pytest.mark.parametrize("options", ROUTERS)
def test_at_zero_vectors_the_model_is_bit_equal_to_one_without_conditions(options):
    plain, conditioned = (
        seeded(replace(config, **options))
        for config in (replace(NARROW, local_global=0.5), CONDITIONED)
    )
    s2, s1 = images()
    for name, vector in plain.encode(s2, s1, patch_tokens=True).items():
        assert torch.equal(conditioned.encode(s2, s1, patch_tokens=True)[name], vector)
    masks = masks_of(CONDITIONED, range(2), seed=0, epoch=0)
    wanted, found = (model(s2, s1, masks).terms() for model in (plain, conditioned))
    assert found == wanted
    assert with_vectors(conditioned)(s2, s1, masks).terms()["umr"] != wanted["umr"]


@pytest.mark.parametrize("options", ROUTERS)
def test_a_conditioned_layer_routes_by_embeddings_plus_the_vectors_of_each_part(options):
    routed, x_BND = layer(**options), torch.randn(6, 9, 24)
    router, vectors = routed.router, routed.condition_vectors
    logits = []
    for number, x_ND in enumerate(x_BND):
        vector_ED = sum(vectors[name] for name in CONDITIONS[number // 2])
        if options:
            token_ND, scale = F.normalize(x_ND, dim=1), router.scale
            slots = F.normalize(router.slot_ESD + vector_ED[:, None], dim=2) * scale
        else:
            token_ND = F.rms_norm(x_ND, (24,))
            means = torch.stack([token_ND[start : start + 4].mean(0) for start in (0, 4, 8)])
            slots = (means @ router.to_slots.weight.T).view(3, 4, 24).transpose(0, 1)
            slots = F.rms_norm(slots + vector_ED[:, None], (24,))
        logits.append(torch.einsum("nd,esd->nes", token_ND, slots))
    logit_BNES = torch.stack(logits)

    routing = routed.route(x_BND, CONDITIONS)

    torch.testing.assert_close(routing.dispatch_BNES, logit_BNES.softmax(1))
    wanted = logit_BNES.flatten(2).softmax(2).view_as(logit_BNES)
    torch.testing.assert_close(routing.combine_BNES, wanted)


@pytest.mark.parametrize("options", ROUTERS)
def test_a_vector_moves_dispatch_and_combine(options):
    routed, x_BND = layer(**options), torch.randn(2, 9, 24)
    one, other = (routed.route(x_BND, [(sensor, "whole")]) for sensor in ("s2", "s1"))
    for weights in ("dispatch_BNES", "combine_BNES"):
        assert (getattr(one, weights) - getattr(other, weights)).abs().max() > 0.01


def test_only_shared_layers_have_vectors_and_weight_decay_spares_them():
    model = seeded(CONDITIONED)
    names = [name for name, _ in model.named_parameters() if "condition_vectors" in name]
    prefix = "backbone.shared.trunk.blocks.0.soft_moe.condition_vectors."
    assert set(names) == {f"{prefix}{name}" for name in ("s2", "s1", "whole", "local")}
    _, spared = model.parameter_groups(0.05)
    weights = dict(model.named_parameters())
    assert {id(weights[name]) for name in names} <= {id(weight) for weight in spared["params"]}


def test_an_encoder_of_one_sensor_has_the_vectors_of_its_sensor():
    model = CSMoE(CONDITIONED, encoder_of=("s1",))
    found = model.backbone.shared.trunk.blocks[0].soft_moe.condition_vectors
    assert set(found) == {"s1", "whole", "local"}


HEADS = [{"mi_features": features, "projector": projector}
         for features in ("cls", "mean") for projector in ("on", "off")]  # fmt: skip


def nt_xent(one, other, temperature):
    """Return the contrast of two unit vectors of each of two images, vector by vector."""
    both, terms = torch.cat([one, other]), []
    for row in range(4):
        score = (both @ both[row] / temperature).exp()
        terms.append(-(score[(row + 2) % 4] / (score.sum() - score[row])).log())
    return torch.stack(terms).mean()


@pytest.mark.parametrize("head", HEADS)
def test_the_contrasts_are_those_of_the_features_written_out_and_enter_the_loss(head):
    model = with_vectors(seeded(replace(CONDITIONED, **head))).eval()
    s2, s1 = images()
    masks = masks_of(CONDITIONED, range(2), seed=0, epoch=0)

    def unit(sensor, image, visible, granularity):
        patches = image.unflatten(3, (7, 8)).unflatten(2, (7, 8)).permute(0, 2, 4, 1, 3, 5)
        own = model.backbone.sensors[sensor](patches.reshape(2, 49, -1), visible_BU=visible)
        shared = model.backbone.shared(own, conditions=[(sensor, granularity)])
        feature = shared[:, 0] if head["mi_features"] == "cls" else shared[:, 1:].mean(1)
        if head["projector"] == "on":
            norm, linear = model.projector
            feature = linear(norm(feature))
        return F.normalize(feature, dim=1)

    wholes, of_crops = [], []
    for sensor, image in (("s2", s2), ("s1", s1)):
        wholes.append(unit(sensor, image, masks.of(sensor).visible_BU, "whole"))
        crop = unit(sensor, image, masks.crop_BK, "local")
        of_crops.append(nt_xent(wholes[-1], crop, CONDITIONED.mi_temperature))
    output = model(s2, s1, masks)

    found = output.terms()
    torch.testing.assert_close(found["mi"], nt_xent(*wholes, CONDITIONED.mi_temperature))
    torch.testing.assert_close(found["local_global"], torch.stack(of_crops).mean())
    of_paper = found["umr"] + found["cmr"] + found["mi"]
    of_paper = of_paper + 0.01 * (found["rep"] + found["bal"])
    torch.testing.assert_close(found["loss"], of_paper + 0.5 * found["local_global"])


def test_usage_and_regularisers_are_means_over_images_and_crops():
    model = with_vectors(seeded(CONDITIONED)).eval()
    s2, s1 = images()
    masks = masks_of(CONDITIONED, range(2), seed=0, epoch=0)
    whole = model(s2, s1, replace(masks, crop_BK=None))
    visible = replace(masks.s2, visible_BU=masks.crop_BK)
    routings = []
    model.backbone.tokens(
        "s2", s2, crop_BK=visible.visible_BU, on_layer=lambda _, routing: routings.append(routing)
    )

    both = model(s2, s1, masks)

    assert whole.local_global is None
    assert [use.name for use in both.layers] == [use.name for use in whole.layers]
    local_E = routings[0].combine_BNES.sum(3).mean((0, 1))
    wanted = (whole.layers[0].usage_E + local_E) / 2
    torch.testing.assert_close(both.layers[0].usage_E, wanted)
    assert both.rep != whole.rep


def test_whole_images_have_the_condition_of_whole_images():
    """The vectors of crops have no effect on what users encode."""
    model = with_vectors(seeded(CONDITIONED)).eval()
    s2, s1 = images()
    before = model.encode(s2, s1)
    vectors = model.backbone.shared.trunk.blocks[0].soft_moe.condition_vectors
    with torch.no_grad():
        vectors["local"].zero_()
    assert all(torch.equal(model.encode(s2, s1)[name], before[name]) for name in before)
    with torch.no_grad():
        vectors["whole"].zero_()
    assert not torch.equal(model.encode(s2, s1)["s1"], before["s1"])
