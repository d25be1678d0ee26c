"""ConvNeXt V2 against timm's code, with random weights copied over."""

import pytest
import timm
import torch

from csmoe_model.nn.convnext import ARCHS, ConvNeXtV2


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize(("bands", "side"), [(10, 120), (2, 64)])
def test_parameters_and_outputs_are_those_of_timm(arch, bands, side):
    oracle = timm.create_model(arch.replace("-", "_"), in_chans=bands, num_classes=0).eval()
    found = ConvNeXtV2(ARCHS[arch], bands=bands).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for theirs, ours in zip(oracle.parameters(), found.parameters(), strict=True):
            assert theirs.squeeze().shape == ours.squeeze().shape  # theirs has 1 × 1 convolutions
            theirs.add_(0.05 * torch.randn(theirs.shape, generator=generator))  # GRN starts at 0
            ours.copy_(theirs.reshape(ours.shape))
        image = torch.randn(2, bands, side, side, generator=generator)
        torch.testing.assert_close(found(image), oracle(image), rtol=1e-4, atol=1e-5)
        maps = oracle.forward_intermediates(image, intermediates_only=True)
        for ours, theirs in zip(found.maps(image), maps, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
