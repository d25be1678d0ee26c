"""Maps of layers, for dense heads."""

from dataclasses import replace

import pytest
import torch

from csmoe_model.csmoe import CSMoE
from csmoe_model.nn.layers import patchify
from csmoe_model.recipes import recipe
from minortom.errors import InputError


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    model = CSMoE(recipe("tiny")).eval()
    with torch.no_grad():  # norms all start alike, and a mix-up would not show
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.add_(torch.randn_like(weight) * 0.3)
    return model


def test_the_last_map_holds_the_patch_tokens_in_their_places(tiny):
    s2 = torch.randn(2, 10, 40, 64)
    tokens = tiny.encode(s2=s2, patch_tokens=True)["s2_tokens"]

    (found,) = tiny.features(s2=s2, layers=(-1,))

    assert found.shape == (2, 96, 5, 8)
    for row, column in ((0, 0), (0, 7), (3, 2)):
        assert torch.equal(found[:, :, row, column], tokens[:, 8 * row + column])


def test_each_map_is_its_layers_output_normed(tiny):
    s1 = torch.randn(2, 2, 56, 56)
    encoder, shared = tiny.backbone.sensors["s1"], tiny.backbone.shared.trunk
    patches = patchify(s1, 8)
    cls = encoder.cls_D.expand(2, 1, -1)
    x = torch.cat([cls, encoder.embed(patches) + encoder.position_ND], dim=1)
    wanted = []
    for block in encoder.trunk.blocks:
        x = block(x)[0]
        wanted.append(encoder.trunk.norm(x))
    x = shared.blocks[0](encoder.trunk.norm(x))[0]
    wanted.append(shared.norm(x))

    maps = tiny.features(s1=s1)

    assert len(maps) == len(wanted) == 3
    for found, tokens in zip(maps, wanted, strict=True):
        flat = found.flatten(2).transpose(1, 2)
        torch.testing.assert_close(flat, tokens[:, 1:], rtol=1e-4, atol=1e-4)


def test_maps_come_in_the_requested_order(tiny):
    s2 = torch.randn(1, 10, 56, 56)
    everything = tiny.features(s2=s2)

    for found, layer in zip(tiny.features(s2=s2, layers=(2, 0, -2)), (2, 0, 1), strict=True):
        assert torch.equal(found, everything[layer])


def test_the_description_fits_the_maps(tiny):
    maps, info = tiny.features(s2=torch.randn(1, 10, 56, 56)), tiny.feature_info

    assert [layer["module"] for layer in info] == ["sensor.0", "sensor.1", "shared.0"]
    for found, layer in zip(maps, info, strict=True):
        assert found.shape[1] == layer["num_chs"]
        assert 56 / found.shape[2] == layer["reduction"]


def test_gradients_flow_from_every_map_to_the_embedding(tiny):
    for layer in range(3):
        tiny.zero_grad()
        tiny.features(s2=torch.randn(1, 10, 56, 56), layers=(layer,))[0].square().mean().backward()
        assert tiny.backbone.sensors["s2"].embed.weight.grad.any()
    tiny.zero_grad()


def test_a_model_without_experts_has_maps_too():
    plain = CSMoE(replace(recipe("tiny"), num_experts=0, shared_layers=0))
    assert [found.shape for found in plain.features(s1=torch.randn(1, 2, 56, 56))] == [
        (1, 96, 7, 7)
    ] * 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "images of one sensor, s2 or s1; found 0"),
        ({"s2": 10, "s1": 2}, "images of one sensor, s2 or s1; found 2"),
        ({"s2": 10, "layers": (3,)}, "layers are numbered from 0 to 2, .* from -1 to -3, found 3"),
        ({"s2": 10, "layers": (-4,)}, "numbered from 0 to 2, .*, found -4"),
        ({"s2": 12}, "s2 images must be"),
    ],
)
def test_maps_that_do_not_exist_are_refused(tiny, given, message):
    arguments = {
        name: torch.zeros(1, value, 56, 56) if name != "layers" else value
        for name, value in given.items()
    }
    with pytest.raises(InputError, match=message):
        tiny.features(**arguments)
