"""Models with fewer experts compute what the whole model does with the others masked."""

from dataclasses import replace

import pytest
import torch
from masked_twin import masked_tokens
from pruning_models import CONDITIONED, WIDE, random_model

from csmoe_model.config import ModelConfig
from csmoe_model.pruning.slicing import keep_experts
from minortom.errors import InputError

FIXED = replace(WIDE, slots="fixed", slots_per_expert=2)
TURNED = [CONDITIONED, replace(CONDITIONED, slots="fixed", condition="sensor", local_global=0.0)]
KEPT = {"s2.0": (0, 3), "s2.1": (2,), "s1.0": (1, 2, 3), "shared.0": (0, 1)}


def images(bands, count=3):
    return torch.randn(count, bands, 16, 16, generator=torch.Generator().manual_seed(1))


def tokens(model, sensor, image_BCHW):
    with torch.no_grad():
        return model.backbone.tokens(sensor, image_BCHW)


@pytest.mark.parametrize("config", [WIDE, FIXED, replace(WIDE, logit_scale=0.1), *TURNED])
@pytest.mark.parametrize(("sensor", "bands"), [("s2", 10), ("s1", 2)])
def test_a_sliced_model_equals_the_whole_one_with_masked_combine_weights(config, sensor, bands):
    model = random_model(config)
    wanted = masked_tokens(model, sensor, images(bands), KEPT)

    found = tokens(keep_experts(model, KEPT), sensor, images(bands))

    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-5)
    assert (found - tokens(model, sensor, images(bands))).abs().max() > 0.1  # it does differ


@pytest.mark.parametrize("config", [WIDE, FIXED, *TURNED])
def test_keeping_all_experts_is_equal_bit_for_bit(config):
    model = random_model(config)
    everything = dict.fromkeys(config.layers(), (0, 1, 2, 3))

    same = keep_experts(model, everything)

    assert same.config == model.config
    assert torch.equal(tokens(same, "s2", images(10)), tokens(model, "s2", images(10)))


@pytest.mark.parametrize("config", [WIDE, FIXED, *TURNED])
def test_pruning_twice_is_pruning_once(config):
    model = random_model(config)
    wider = {layer: tuple({*numbers, 0, 2}) for layer, numbers in KEPT.items()}

    twice = keep_experts(keep_experts(model, wider), KEPT)

    once = keep_experts(model, KEPT)
    assert twice.config == once.config
    for name, weight in once.state_dict().items():
        assert torch.equal(twice.state_dict()[name], weight), name


def test_the_copy_keeps_the_decoders_the_dtype_and_the_original_as_they_are():
    model = random_model().to(torch.bfloat16).train()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}

    smaller = keep_experts(model, KEPT)
    with torch.no_grad():
        smaller.backbone.shared.trunk.norm.weight.zero_()

    assert smaller.training
    assert {weight.dtype for weight in smaller.parameters()} == {torch.bfloat16}
    decoders = {name: w for name, w in smaller.state_dict().items() if name.startswith("decoders")}
    assert decoders
    assert all(torch.equal(weight, before[name]) for name, weight in decoders.items())
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert model.config.kept_experts is None


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ({"s2.0": (4,)}, "from 0 to 3, found [4]"),
        ({"s2.0": ()}, "one or more different numbers from 0 to 3"),
        ({"s2.0": (1, 1)}, "one or more different numbers from 0 to 3, found [1, 1]"),
        ({"s2.0": "01"}, "found '01'"),
        ({"s3.0": (1,)}, "must name layers of the model, s2.0, s2.1, s1.0, s1.1, shared.0, found"),
    ],
)
def test_experts_that_do_not_exist_are_one_line(kept, message):
    with pytest.raises(InputError, match="kept_experts") as error:
        keep_experts(random_model(), kept)
    assert message in str(error.value)


def test_an_expert_that_was_removed_before_cannot_be_kept():
    with pytest.raises(InputError, match=r"s2\.1 has the experts 2, found 0 to keep"):
        keep_experts(keep_experts(random_model(), KEPT), {"s2.1": (0, 2)})


def test_the_configuration_survives_its_file_and_an_unpruned_one_keeps_its_fields():
    pruned = replace(WIDE, kept_experts=KEPT)

    assert ModelConfig.from_dict(pruned.to_dict()) == pruned
    assert pruned.to_dict()["kept_experts"]["s2.0"] == [0, 3]
    assert "kept_experts" not in WIDE.to_dict()
    assert replace(WIDE, kept_experts={"s2.0": [3, 2, 1, 0]}) == WIDE
    assert hash(replace(WIDE, kept_experts=None)) == hash(WIDE)
