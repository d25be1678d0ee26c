import pytest
import torch

from csmoe_model.nn.decoder import Decoder, decode_sources
from csmoe_model.nn.masking import draw_masks
from csmoe_model.recipes import recipe

TINY = recipe("tiny")


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return Decoder(TINY, target="s1", sources=("s2", "s1"))


@pytest.fixture
def visible():
    masks = draw_masks(
        range(2), num_patches=49, mask_ratio=0.5, mode="independent", seed=0, epoch=0
    )
    return {"s2": masks.s2.visible_BU, "s1": masks.s1.visible_BU}


def encoded():
    return torch.randn(2, 1 + 24, TINY.width)


def test_tokens_go_back_to_their_places_and_the_mask_token_to_the_others(decoder, visible):
    decoder.blocks, decoder.norm = torch.nn.ModuleList(), torch.nn.Identity()
    tokens = encoded()
    placed = decoder(tokens, visible["s2"])

    assert placed.shape == (2, 49, TINY.decoder_width)
    for image in range(2):
        seen = visible["s2"][image].tolist()
        for patch in range(49):
            content = decoder.mask_token_K
            if patch in seen:
                content = decoder.narrow(tokens[image, 1 + seen.index(patch)])
            torch.testing.assert_close(placed[image, patch], content + decoder.position_NK[patch])


def test_cls_affects_the_patches_but_is_not_decoded(decoder, visible):
    tokens = encoded()
    other = tokens.clone()
    other[:, 0] += 1.0
    decoded = decoder(tokens, visible["s2"])
    assert decoded.shape[1] == 49
    assert not torch.allclose(decoded, decoder(other, visible["s2"]), atol=1e-3)


def test_sources_decoded_together_are_as_each_alone(decoder, visible):
    tokens = {"s2": encoded(), "s1": encoded()}
    together = decode_sources(decoder, tokens, visible)
    for source in ("s2", "s1"):
        torch.testing.assert_close(together[source], decoder(tokens[source], visible[source]))


def test_each_source_has_a_head_of_its_own(decoder, visible):
    decoded = decoder(encoded(), visible["s2"])
    assert decoder.to_pixels(decoded, "s2").shape == (2, 49, 2 * 8 * 8)
    s2, s1 = decoder.to_pixels(decoded, "s2"), decoder.to_pixels(decoded, "s1")
    assert not torch.allclose(s2, s1, atol=1e-2)


def test_pixels_of_some_patches_are_those_of_all_patches(decoder, visible):
    decoded = decoder(encoded(), visible["s2"])
    some = torch.tensor([[3, 40], [0, 48]])
    picked = decoder.to_pixels(decoded, "s2", some)
    everything = decoder.to_pixels(decoded, "s2")
    for image in range(2):
        torch.testing.assert_close(picked[image], everything[image, some[image]])
