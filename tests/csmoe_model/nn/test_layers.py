import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from csmoe_model.nn.layers import (
    MLP,
    Attention,
    Block,
    initialise,
    patchify,
    sincos_positions,
    take_tokens,
    unpatchify,
)
from minortom.errors import InputError


@pytest.fixture
def image():
    return torch.arange(2 * 3 * 8 * 12, dtype=torch.float32).reshape(2, 3, 8, 12)


def test_a_patch_is_the_square_cut_out_of_the_image_in_raster_order(image):
    patches = patchify(image, 4)

    assert patches.shape == (2, 6, 48)
    for row in range(2):
        for column in range(3):
            square = image[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            assert torch.equal(patches[:, 3 * row + column], square.flatten(1))


def test_patches_go_back_to_the_image_they_came_from(image):
    assert torch.equal(unpatchify(patchify(image, 4), bands=3, grid=(2, 3)), image)


def test_a_linear_layer_on_patches_is_the_convolution_of_a_vision_transformer(image):
    convolution = nn.Conv2d(3, 5, kernel_size=4, stride=4)
    tokens = F.linear(patchify(image, 4), convolution.weight.flatten(1), convolution.bias)

    wanted = convolution(image).flatten(2).transpose(1, 2)
    torch.testing.assert_close(tokens, wanted, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("side", [(8, 10), (10, 8), (0, 8)])
def test_an_image_that_the_patch_does_not_divide_is_refused(side):
    with pytest.raises(InputError, match=f"multiples of .* 4, found {side[0]} x {side[1]} pixels"):
        patchify(torch.zeros(1, 2, *side), 4)


def test_positions_are_sines_and_cosines_of_row_then_column():
    positions = sincos_positions((3, 4), 8)

    for row in range(3):
        for column in range(4):
            wanted = [
                wave(place / 10_000 ** (step / 2))
                for place in (row, column)
                for wave in (math.sin, math.cos)
                for step in range(2)
            ]
            torch.testing.assert_close(positions[4 * row + column], torch.tensor(wanted))


def test_no_two_places_of_a_large_grid_share_a_position():
    positions = sincos_positions((16, 16), 768)
    apart = torch.cdist(positions, positions) + torch.eye(256) * 9
    assert apart.min() > 0.5


def test_the_grid_trained_on_has_the_positions_it_was_trained_with():
    torch.testing.assert_close(
        sincos_positions((3, 4), 8, trained_grid=(3, 4)), sincos_positions((3, 4), 8)
    )


def test_another_grid_spans_the_extent_of_the_one_trained_on():
    fine = sincos_positions((6, 6), 8, trained_grid=(3, 3))
    # Cell (0, 0) of the fine grid is centred a quarter of a coarse cell before its centre.
    angle = -0.25
    torch.testing.assert_close(
        fine[0, :4],
        torch.tensor(
            [math.sin(angle), math.sin(angle / 100), math.cos(angle), math.cos(angle / 100)]
        ),
    )
    # In the slowest wave, nearly linear here, four fine cells average to their coarse cell.
    coarse = sincos_positions((3, 3), 8).view(3, 3, 8)[..., 1]
    blocks = fine.view(3, 2, 3, 2, 8)[..., 1].mean((1, 3))
    torch.testing.assert_close(blocks, coarse, atol=1e-6, rtol=0)


def test_attention_equals_that_of_torch_with_the_same_weights():
    torch.manual_seed(0)
    ours, theirs = Attention(width=12, num_heads=3), nn.MultiheadAttention(12, 3, batch_first=True)
    nn.init.normal_(ours.qkv.bias)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.weight)
        theirs.in_proj_bias.copy_(ours.qkv.bias)
        theirs.out_proj.weight.copy_(ours.out.weight)
        theirs.out_proj.bias.copy_(ours.out.bias)
    x_BND = torch.randn(2, 5, 12)

    wanted, _ = theirs(x_BND, x_BND, x_BND)
    torch.testing.assert_close(ours(x_BND), wanted)


def test_a_block_adds_attention_then_feed_forward_to_what_it_got():
    torch.manual_seed(0)
    block = Block(width=8, num_heads=2, feed_forward=MLP(width=8, hidden_width=16))
    x_BND = torch.randn(2, 5, 8)

    after = x_BND + block.attention(F.layer_norm(x_BND, (8,), eps=1e-6))
    hidden = F.gelu(block.feed_forward.up(F.layer_norm(after, (8,), eps=1e-6)))
    torch.testing.assert_close(block(x_BND), after + block.feed_forward.down(hidden))


def test_tokens_are_taken_by_index_image_by_image():
    x_BND = torch.arange(2 * 3 * 2).reshape(2, 3, 2)
    taken = take_tokens(x_BND, torch.tensor([[2, 0], [1, 1]]))
    assert taken.tolist() == [[[4, 5], [0, 1]], [[8, 9], [8, 9]]]


def test_linear_layers_start_as_in_mae():
    torch.manual_seed(0)
    linear = nn.Linear(300, 100)
    initialise(linear)
    assert linear.weight.abs().max() <= math.sqrt(6 / 400)
    assert linear.weight.std().item() == pytest.approx(math.sqrt(2 / 400), rel=0.02)
    assert not linear.bias.any()
