"""The head for classes of pixels: the sum over the stages."""

import torch
from torch.nn import functional as F

from csmoe_model.nn.layers import NORM_EPS
from csmoe_model.nn.map_head import MapHead


def test_the_logits_of_flat_maps_are_the_sum_of_the_linear_layers():
    torch.manual_seed(0)
    widths, sides = (4, 6, 8), (8, 4, 2)
    head = MapHead(widths, 3)
    for layer in head.layers:
        torch.nn.init.normal_(layer.weight)
        torch.nn.init.normal_(layer.bias)
    vectors = [torch.randn(2, width) for width in widths]
    maps = [x[:, :, None, None].expand(-1, -1, n, n) for x, n in zip(vectors, sides, strict=True)]
    wanted_BK = sum(
        F.linear(F.layer_norm(x, x.shape[1:], eps=NORM_EPS), layer.weight[:, :, 0, 0], layer.bias)
        for x, layer in zip(vectors, head.layers, strict=True)
    )

    torch.testing.assert_close(head(maps), wanted_BK[:, :, None, None].expand(-1, -1, 8, 8))
