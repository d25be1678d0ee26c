import math
from pathlib import Path

import pytest
import torch
from loss_worker import loss_of_shared_vectors, save_share
from torch import multiprocessing

from csmoe_model.distributed.collectives import gather_rows, mean_over_processes
from csmoe_model.nn.losses import (
    dispatch_sharpness_loss,
    imbalance_loss,
    mutual_information_loss,
    reconstruction_loss,
    repulsion_loss,
    routing_terms,
)
from csmoe_model.nn.soft_moe import Routing
from minortom.errors import InputError


def cosine(one, other):
    return float(one @ other / (one.norm() * other.norm()))


def ntxent_loop(s2, s1, temperature):
    """Each of the 2B vectors against all others, in plain Python."""
    vectors, batch = [*s2, *s1], len(s2)
    total = 0.0
    for i, anchor in enumerate(vectors):
        positive = math.exp(cosine(anchor, vectors[(i + batch) % (2 * batch)]) / temperature)
        everyone = sum(
            math.exp(cosine(anchor, other) / temperature)
            for j, other in enumerate(vectors)
            if j != i
        )
        total -= math.log(positive / everyone)
    return total / (2 * batch)


def eq10_loop(s2, s1, temperature):
    """Eq. 10 and 11 to the letter, in plain Python."""
    total = 0.0
    for x, y in ((s2, s1), (s1, s2)):
        for i in range(len(x)):
            positive = math.exp(cosine(x[i], y[i]) / temperature)
            others = sum(
                math.exp(cosine(x[i], y[q]) / temperature) for q in range(len(x)) if q != i
            )
            total -= math.log(positive / others)
    return total / (2 * len(s2))


@pytest.mark.parametrize(("form", "loop"), [("csmae", ntxent_loop), ("eq10", eq10_loop)])
def test_mutual_information_equals_a_loop(form, loop):
    torch.manual_seed(0)
    s2, s1 = torch.randn(5, 7, dtype=torch.float64), torch.randn(5, 7, dtype=torch.float64)
    found = mutual_information_loss(s2, s1, temperature=0.5, form=form)
    assert found.item() == pytest.approx(loop(s2, s1, 0.5), rel=1e-5)


@pytest.mark.parametrize("form", ["csmae", "eq10"])
def test_mutual_information_is_symmetric_in_the_sensors(form):
    s2, s1 = torch.randn(2, 4, 6)
    forth = mutual_information_loss(s2, s1, temperature=0.5, form=form)
    back = mutual_information_loss(s1, s2, temperature=0.5, form=form)
    torch.testing.assert_close(forth, back)


@pytest.mark.parametrize("form", ["csmae", "eq10"])
def test_aligned_pairs_cost_less_than_swapped_ones(form):
    s2 = torch.eye(4)
    aligned = mutual_information_loss(s2, 3 * s2, temperature=0.5, form=form)
    swapped = mutual_information_loss(s2, s2.roll(1, 0), temperature=0.5, form=form)
    assert aligned < swapped


def test_the_literal_eq_10_can_be_negative_for_its_positive_is_in_no_denominator():
    # cos = 1 for the pair, 0 for the three others: -log(e^2 / 3).
    loss = mutual_information_loss(torch.eye(4), torch.eye(4), temperature=0.5, form="eq10")
    assert loss.item() == pytest.approx(math.log(3) - 2)


def test_eq_10_refuses_a_batch_of_one_pair():
    x = torch.randn(1, 6)
    assert mutual_information_loss(x, x, temperature=0.5).item() == pytest.approx(0, abs=1e-6)
    with pytest.raises(InputError, match="eq10 needs batches of at least 2 pairs, found 1"):
        mutual_information_loss(x, x, temperature=0.5, form="eq10")


def test_reconstruction_averages_squares_over_images_patches_and_values():
    drawn, wanted = torch.zeros(2, 3, 4), torch.zeros(2, 3, 4)
    wanted[1, 2, 3] = 6.0
    assert reconstruction_loss(drawn, wanted).item() == pytest.approx(36 / 24)


def test_orthogonal_slots_do_not_repel():
    slots = 7 * torch.eye(6).view(1, 3, 2, 6)
    assert repulsion_loss(slots).item() == pytest.approx(0, abs=1e-6)


def test_equal_or_opposite_slots_repel_fully():
    slots = torch.ones(2, 3, 2, 5)
    slots[:, 1] = -4.0
    assert repulsion_loss(slots).item() == pytest.approx(1)


def test_repulsion_equals_a_loop_over_pairs_of_slots():
    slots = torch.randn(2, 3, 2, 5)
    flat = slots.flatten(1, 2)
    pairs = [
        cosine(image[a], image[b]) ** 2
        for image in flat
        for a in range(6)
        for b in range(6)
        if a != b
    ]
    assert repulsion_loss(slots).item() == pytest.approx(sum(pairs) / len(pairs), rel=1e-5)


def test_eq_18_as_printed_rewards_equal_slots():
    assert repulsion_loss(torch.ones(1, 3, 2, 5), form="printed").item() == pytest.approx(-1)
    orthogonal = torch.eye(6).view(1, 3, 2, 6)
    # Only the six pairs of a slot with itself count, of 36.
    assert repulsion_loss(orthogonal, form="printed").item() == pytest.approx(-1 / 6)


def test_a_single_slot_has_nothing_to_repel():
    assert repulsion_loss(torch.randn(2, 1, 1, 5)).item() == pytest.approx(0, abs=1e-6)


def test_imbalance_is_zero_for_even_and_log_e_for_one_sided_usage():
    assert imbalance_loss(torch.full((8,), 1 / 8)).item() == pytest.approx(0, abs=1e-6)
    assert imbalance_loss(torch.eye(8)[0]).item() == pytest.approx(math.log(8))
    # Two experts alike of four: log 4 - log 2.
    assert imbalance_loss(torch.tensor([0.5, 0.5, 0, 0])).item() == pytest.approx(math.log(2))


def test_imbalance_has_a_finite_gradient_where_an_expert_is_unused():
    usage = torch.tensor([0.5, 0.5, 0.0], requires_grad=True)
    imbalance_loss(usage).backward()
    assert usage.grad.isfinite().all()


def test_eq_19_as_printed_is_the_entropy_of_dispatch_over_the_tokens():
    even = torch.full((2, 10, 4, 3), 1 / 10)
    assert dispatch_sharpness_loss(even).item() == pytest.approx(math.log(10) / 10)
    one_hot = torch.zeros(2, 10, 4, 3)
    one_hot[:, 3] = 1.0
    assert dispatch_sharpness_loss(one_hot).item() == pytest.approx(0, abs=1e-6)


def a_routing(dispatch, combine):
    return Routing(dispatch_BNES=dispatch, combine_BNES=combine, slots_BESD=torch.randn(2, 4, 3, 5))


def test_usage_is_the_share_of_combine_weight_and_entropies_run_from_0_to_1():
    even = a_routing(torch.full((2, 10, 4, 3), 1 / 10), torch.full((2, 10, 4, 3), 1 / 12))
    terms = routing_terms(even, rep_form="text", bal_form="text")
    torch.testing.assert_close(terms.usage_E, torch.full((4,), 0.25))
    assert terms.dispatch_entropy.item() == pytest.approx(1)
    assert terms.combine_entropy.item() == pytest.approx(1)

    dispatch, combine = torch.zeros(2, 2, 10, 4, 3)
    dispatch[:, 0] = 1.0  # every slot reads token 0
    combine[:, :, 2, 1] = 1.0  # every token takes slot 1 of expert 2
    terms = routing_terms(a_routing(dispatch, combine), rep_form="text", bal_form="printed")
    torch.testing.assert_close(terms.usage_E, torch.tensor([0.0, 0, 1, 0]))
    assert terms.dispatch_entropy.item() == pytest.approx(0, abs=1e-6)
    assert terms.combine_entropy.item() == pytest.approx(0, abs=1e-6)


def test_without_other_processes_gathering_changes_nothing():
    x = torch.randn(3, 2, requires_grad=True)
    assert gather_rows(x) is x
    assert mean_over_processes(x) is x


def test_two_processes_have_the_loss_and_gradient_of_one_with_the_whole_batch(tmp_path: Path):
    torch.manual_seed(0)
    weight, s2, s1 = torch.randn(5, 4), torch.randn(6, 5), torch.randn(6, 5)
    multiprocessing.spawn(save_share, args=(str(tmp_path), weight, s2, s1), nprocs=2)

    alone = weight.clone().requires_grad_()
    loss = loss_of_shared_vectors(alone, s2, s1)
    loss.backward()
    for rank in range(2):
        found_loss, found_gradient = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(found_loss, loss.detach())
        torch.testing.assert_close(found_gradient, alone.grad)
