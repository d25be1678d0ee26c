"""ConvNeXt V2; tests_eo compares it with timm's."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from csmoe_model.nn.convnext import ARCHS, ConvNeXtV2, GlobalResponseNorm, Sizes, convnext_macs
from minortom.errors import InputError

SMALL = Sizes(depths=(1, 1, 2, 1), widths=(4, 6, 8, 12))


def test_response_norm_multiplies_a_channel_by_its_share_of_the_mean_norm():
    layer = GlobalResponseNorm(2)
    image = torch.tensor([[[[3.0, 0.0], [4.0, 1.0]]]])  # norms 5 and 1, whose mean is 3
    assert torch.equal(layer(image), image)  # at first the identity

    torch.nn.init.ones_(layer.weight)
    torch.nn.init.constant_(layer.bias, 7)
    wanted = image * torch.tensor([1 + 5 / 3, 1 + 1 / 3]) + 7
    torch.testing.assert_close(layer(image), wanted)


@pytest.mark.parametrize(
    ("arch", "millions"),  # Table 9 of the paper counts RGB and 1000 classes
    [
        ("convnextv2-atto", 3.7), ("convnextv2-femto", 5.2), ("convnextv2-pico", 9.1),
        ("convnextv2-nano", 15.6),
    ],
)  # fmt: skip
def test_sizes_are_those_of_the_paper(arch, millions):
    with torch.device("meta"):
        network = ConvNeXtV2(ARCHS[arch], bands=3)
    head = 1000 * (ARCHS[arch].widths[-1] + 1)
    count = sum(parameter.numel() for parameter in network.parameters()) + head
    assert count / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize("side", [32, 61, 120])
def test_multiply_adds_equal_those_counted_by_torch(side):
    network = ConvNeXtV2(SMALL, bands=5).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 5, side, side))
    assert counter.get_total_flops() == 2 * convnext_macs(SMALL, bands=5, image_size=side)


def test_every_parameter_receives_a_gradient_and_stages_shrink_the_image():
    torch.manual_seed(0)
    network = ConvNeXtV2(SMALL, bands=3)
    image = torch.randn(2, 3, 64, 32)
    (network(image) * torch.randn(2, 12)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name
    shapes = [tuple(x.shape[1:]) for x in network.maps(image)]
    assert shapes == [(4, 16, 8), (6, 8, 4), (8, 4, 2), (12, 2, 1)]


def test_an_image_smaller_than_the_stride_is_refused():
    with pytest.raises(InputError, match="at least 32 × 32 pixels, found 31 × 40"):
        ConvNeXtV2(SMALL, bands=3)(torch.zeros(1, 3, 31, 40))
