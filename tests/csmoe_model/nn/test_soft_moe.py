import math

import pytest
import torch
from soft_moe_pytorch import DynamicSlotsSoftMoE
from torch.nn import functional as F

from csmoe_model.nn.routers import FixedRouter
from csmoe_model.nn.soft_moe import ExpertMLPs, SoftMoE

WIDTH, HIDDEN, EXPERTS = 24, 48, 8


def dynamic(num_experts=EXPERTS, **more):
    torch.manual_seed(1)
    return perturbed(SoftMoE(width=WIDTH, hidden_width=HIDDEN, num_experts=num_experts, **more))


def fixed(slots_per_expert=2, **more):
    torch.manual_seed(1)
    return perturbed(
        SoftMoE(
            width=WIDTH, hidden_width=HIDDEN, num_experts=EXPERTS, slots="fixed",
            slots_per_expert=slots_per_expert, **more,
        )
    )  # fmt: skip


def perturbed(layer):
    """Change norms and biases from ones and zeros, which would hide a mistake."""
    with torch.no_grad():
        for name, weight in layer.named_parameters():
            if "norm" in name or "bias" in name:
                weight.add_(torch.randn_like(weight) * 0.3)
    return layer


def oracle_like(layer):
    """Build soft-moe-pytorch's layer with the weights of ours."""
    experts = layer.experts
    count, width, hidden = experts.up_EDH.shape
    oracle = DynamicSlotsSoftMoE(width, num_experts=count, expert_mult=hidden // width)
    router = layer.router
    with torch.no_grad():
        oracle.norm.gamma.copy_(router.norm.weight_D)
        oracle.to_slot_embeds[0].weight.copy_(router.to_slots.weight)
        oracle.to_slot_embeds[2].gamma.copy_(router.norm_slots.weight_D)
        for number, expert in enumerate(oracle.experts):
            expert[0].weight.copy_(experts.up_EDH[number].T)
            expert[0].bias.copy_(experts.up_bias_EH[number])
            expert[3].weight.copy_(experts.down_EHD[number].T)
            expert[3].bias.copy_(experts.down_bias_ED[number])
    return oracle


@pytest.mark.parametrize("tokens", [1, 7, 8, 9, 16, 25, 99])
def test_dynamic_slots_equal_soft_moe_pytorch_with_the_same_weights(tokens):
    layer = dynamic()
    x_BND = torch.randn(3, tokens, WIDTH, generator=torch.Generator().manual_seed(2))

    wanted = oracle_like(layer)(x_BND)
    torch.testing.assert_close(layer(x_BND)[0], wanted, rtol=1e-4, atol=1e-4)


def test_dynamic_slots_equal_soft_moe_pytorch_at_the_published_size():
    torch.manual_seed(0)
    layer = SoftMoE(width=768, hidden_width=3072, num_experts=8)
    x_BND = torch.randn(1, 50, 768)

    with torch.no_grad():
        wanted = oracle_like(layer)(x_BND)
        torch.testing.assert_close(layer(x_BND)[0], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tokens", [16, 25])
def test_gradients_equal_those_of_soft_moe_pytorch(tokens):
    layer = dynamic()
    oracle = oracle_like(layer)
    x_BND = torch.randn(2, tokens, WIDTH, generator=torch.Generator().manual_seed(2))
    ours, theirs = x_BND.clone().requires_grad_(), x_BND.clone().requires_grad_()

    layer(ours)[0].square().sum().backward()
    oracle(theirs).square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        layer.router.to_slots.weight.grad,
        oracle.to_slot_embeds[0].weight.grad,
        rtol=1e-3,
        atol=1e-3,
    )
    torch.testing.assert_close(
        layer.experts.up_EDH.grad[5], oracle.experts[5][0].weight.grad.T, rtol=1e-3, atol=1e-3
    )


def test_a_segment_is_the_mean_of_the_consecutive_tokens_that_are_there():
    x_BND = torch.randn(2, 11, WIDTH)
    means = dynamic(num_experts=4).router.segment_means(x_BND)

    assert means.shape == (2, 3, WIDTH)
    for segment, part in enumerate((slice(0, 4), slice(4, 8), slice(8, 11))):
        torch.testing.assert_close(means[:, segment], x_BND[:, part].mean(1))


@pytest.mark.parametrize("build", [dynamic, fixed])
@pytest.mark.parametrize("tokens", [16, 19])
def test_each_slot_averages_tokens_and_each_token_averages_slots(build, tokens):
    routing = build().route(torch.randn(2, tokens, WIDTH))
    slots = routing.slots_BESD.shape[2]

    torch.testing.assert_close(routing.dispatch_BNES.sum(1), torch.ones(2, EXPERTS, slots))
    torch.testing.assert_close(routing.combine_BNES.sum((2, 3)), torch.ones(2, tokens))


@pytest.mark.parametrize("build", [dynamic, fixed])
def test_output_equals_the_sum_written_out(build):
    layer = build()
    x_BND = torch.randn(2, 9, WIDTH)
    out, routing = layer(x_BND)
    blended = layer.router(x_BND)[0]

    wanted = torch.zeros_like(out)
    for image in range(2):
        for expert in range(EXPERTS):
            up, down = layer.experts.up_EDH[expert], layer.experts.down_EHD[expert]
            for slot in range(routing.slots_BESD.shape[2]):
                weights = routing.dispatch_BNES[image, :, expert, slot]
                read = sum(w * token for w, token in zip(weights, blended[image], strict=True))
                hidden = F.gelu(read @ up + layer.experts.up_bias_EH[expert])
                said = hidden @ down + layer.experts.down_bias_ED[expert]
                share = routing.combine_BNES[image, :, expert, slot]
                wanted[image] += share[:, None] * said[None]
    torch.testing.assert_close(out, wanted, rtol=1e-4, atol=1e-5)


def test_fixed_routing_is_algorithm_1_of_the_soft_moe_paper():
    layer = fixed(logit_scale=3.0)
    x_BND = torch.randn(2, 9, WIDTH)
    phi = layer.router.slot_ESD.detach().flatten(0, 1).T  # [D, slots], as in the paper

    phi = 3.0 * phi / phi.square().sum(0).sqrt()
    unit = x_BND / x_BND.square().sum(2, keepdim=True).sqrt()
    logits = torch.einsum("bnd,ds->bns", unit, phi)
    routing = layer.route(x_BND)
    torch.testing.assert_close(routing.dispatch_BNES.flatten(2), logits.softmax(1))
    torch.testing.assert_close(routing.combine_BNES.flatten(2), logits.softmax(2))
    torch.testing.assert_close(
        routing.slots_BESD.flatten(1, 2), torch.einsum("bns,bnd->bsd", logits.softmax(1), x_BND)
    )


def test_fixed_slots_do_not_depend_on_the_order_of_the_tokens():
    layer = fixed()
    x_BND = torch.randn(2, 9, WIDTH)
    order = torch.randperm(9)
    torch.testing.assert_close(layer(x_BND[:, order])[0], layer(x_BND)[0][:, order])


def test_dynamic_slots_do_not_depend_on_the_order_within_a_segment():
    layer = dynamic()
    x_BND = torch.randn(2, 16, WIDTH)
    order = torch.cat([torch.randperm(8), 8 + torch.randperm(8)])
    torch.testing.assert_close(layer(x_BND[:, order])[0], layer(x_BND)[0][:, order])


def test_dynamic_slots_depend_on_which_tokens_share_a_segment():
    layer = dynamic()
    x_BND = torch.randn(2, 16, WIDTH)
    order = torch.arange(16).view(2, 8).T.flatten()  # interleaves the two segments
    assert not torch.allclose(layer(x_BND[:, order])[0], layer(x_BND)[0][:, order], atol=1e-2)


@pytest.mark.parametrize("build", [dynamic, fixed])
def test_permuting_the_experts_permutes_nothing(build):
    layer, other = build(), build()
    order = torch.tensor([3, 1, 7, 0, 2, 6, 5, 4])
    with torch.no_grad():
        for weight in other.experts.parameters():
            weight.copy_(weight[order])
        if build is dynamic:
            slots = other.router.to_slots.weight
            slots.copy_(slots.view(EXPERTS, WIDTH, WIDTH)[order].flatten(0, 1))
        else:
            other.router.slot_ESD.copy_(other.router.slot_ESD[order])
    x_BND = torch.randn(2, 19, WIDTH)

    torch.testing.assert_close(other(x_BND)[0], layer(x_BND)[0])
    torch.testing.assert_close(
        other.route(x_BND).combine_BNES, layer.route(x_BND).combine_BNES[:, :, order]
    )


@pytest.mark.parametrize("build", [dynamic, fixed])
def test_images_of_a_batch_do_not_affect_each_other(build):
    layer = build()
    x_BND = torch.randn(3, 9, WIDTH)
    torch.testing.assert_close(layer(x_BND)[0][1:2], layer(x_BND[1:2])[0])


@pytest.mark.parametrize("build", [dynamic, fixed])
@pytest.mark.parametrize("tokens", [16, 19])
def test_every_weight_receives_a_gradient(build, tokens):
    layer = build()
    layer(torch.randn(2, tokens, WIDTH))[0].square().sum().backward()
    assert [n for n, w in layer.named_parameters() if w.grad is None or not w.grad.any()] == []


@pytest.mark.parametrize("build", [dynamic, fixed])
@pytest.mark.parametrize("tokens", [16, 19])
def test_the_slots_of_an_expert_are_evenly_spaced_rows_in_memory(build, tokens):
    slots_BSED = build().route(torch.randn(2, tokens, WIDTH)).slots_BESD.transpose(1, 2)
    assert slots_BSED.is_contiguous()  # the experts' product reads them without a copy
    x_EXD = slots_BSED.flatten(0, 1).transpose(0, 1)
    assert x_EXD.data_ptr() == slots_BSED.data_ptr()


def tf32(x):
    """Round to TF32: ten bits after the leading one, to nearest, ties to even."""
    bits = x.view(torch.int32)
    return ((bits + 0x0FFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)


@pytest.mark.parametrize(
    ("rounded", "logit_bound", "weight_bound"),
    [(tf32, 0.05, 0.01), (lambda x: x.bfloat16().float(), 0.5, 0.1)],
    ids=["tf32", "bfloat16"],
)
def test_rounding_what_goes_into_the_logits_costs_the_softmax_little(
    rounded, logit_bound, weight_bound
):
    """Logits are float32 products, computed as TF32 on a GPU: see `device.tensor_cores`."""
    generator = torch.Generator().manual_seed(0)
    token, slot = (
        F.rms_norm(torch.randn(4, count, 768, generator=generator), (768,)) for count in (99, 104)
    )
    exact = token.double() @ slot.double().transpose(1, 2)
    found = (rounded(token) @ rounded(slot).transpose(1, 2)).double()
    assert exact.abs().max() > 100
    assert (found - exact).abs().max() < logit_bound
    moved = (found.softmax(2) - exact.softmax(2)).abs().sum(2) / 2
    assert moved.max() < weight_bound
    assert moved.max() > weight_bound / 20  # or the bound would say nothing


@pytest.mark.parametrize("build", [dynamic, fixed])
def test_the_logit_scale_multiplies_the_logits(build):
    x_BND = torch.randn(2, 9, WIDTH)
    one, quarter = build(logit_scale=1.0), build(logit_scale=0.25)
    torch.testing.assert_close(quarter.router(x_BND)[1], one.router(x_BND)[1] / 4)


@pytest.mark.parametrize("build", [dynamic, fixed])
def test_the_scale_of_dispatch_is_the_inverse_temperature_of_eq_12(build):
    """Eq. 12: softmax over tokens of logits / τ; softmax over slots of the logits themselves."""
    x_BND = torch.randn(2, 9, WIDTH)
    plain = build(logit_scale=1.0).route(x_BND)
    found = build(logit_scale=2.0, logit_scale_of="dispatch").route(x_BND)  # τ = 0.5
    torch.testing.assert_close(found.combine_BNES, plain.combine_BNES)
    sharper = plain.dispatch_BNES.square()  # exp(2 l) of exp(l)
    torch.testing.assert_close(found.dispatch_BNES, sharper / sharper.sum(1, keepdim=True))
    assert (found.dispatch_BNES - plain.dispatch_BNES).abs().max() > 0.01


def test_published_logits_start_so_wide_that_the_softmax_is_almost_one_hot():
    torch.manual_seed(0)
    layer = SoftMoE(width=768, hidden_width=768, num_experts=8)
    logits = layer.router(torch.randn(2, 64, 768))[1]
    assert logits.std().item() == pytest.approx(math.sqrt(768), rel=0.1)


def test_fixed_logits_stay_within_the_learned_scale():
    router = FixedRouter(width=WIDTH, num_experts=4, slots_per_expert=3, logit_scale=1.0)
    logits = router(1000 * torch.randn(2, 9, WIDTH))[1]
    assert logits.abs().max() <= 1 + 1e-6


def test_each_expert_starts_as_a_linear_layer_of_its_own_would():
    torch.manual_seed(0)
    experts = ExpertMLPs(num_experts=3, width=64, hidden_width=256)
    for weight in (experts.up_EDH, experts.down_EHD):
        assert weight.abs().max() <= math.sqrt(6 / 320)
        assert weight.std().item() == pytest.approx(math.sqrt(2 / 320), rel=0.02)
    assert not experts.up_bias_EH.any()
    assert not experts.down_bias_ED.any()
