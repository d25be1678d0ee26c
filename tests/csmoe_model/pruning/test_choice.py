"""Choice of the experts that stay, on scores that a reader can rank."""

import math
from dataclasses import replace

import pytest
from pruning_models import WIDE

from csmoe_model.nn.cost import encoder_cost
from csmoe_model.pruning.choice import choose_experts
from csmoe_model.pruning.saliency import Saliency
from minortom.errors import InputError

SCORES = {
    "s2.0": (5.0, 1.0, 3.0, 1.0),
    "s2.1": (0.4, 0.3, 0.2, 0.1),
    "shared.0": (0.0, 9.0, 8.0, 7.0),
}
ALL = dict.fromkeys(SCORES, (0, 1, 2, 3))


def saliency(scores=SCORES, *, by="ablation", experts=ALL, config=WIDE):
    return Saliency(
        by=by, sensors=("s2",), experts=experts, scores=scores, specificity={}, patches=1,
        config=config,
    )  # fmt: skip


def macs(kept):
    return encoder_cost(_with(kept)).macs_full / 1e9


def _with(kept):
    return replace(WIDE, kept_experts=kept)


def test_the_highest_scores_of_each_layer_stay_and_the_lower_number_of_equals():
    assert choose_experts(saliency(), keep=3) == {
        "s2.0": (0, 1, 2), "s2.1": (0, 1, 2), "shared.0": (1, 2, 3)
    }  # fmt: skip


def test_half_stay_without_a_number_or_a_budget():
    assert choose_experts(saliency()) == choose_experts(saliency(), keep=2)


def test_a_layer_with_fewer_experts_keeps_all_of_them():
    kept = {**ALL, "s2.1": (1, 3)}
    scores = {**SCORES, "s2.1": (0.1, math.inf)}
    found = choose_experts(saliency(scores, experts=kept, config=_with(kept)), keep=3)
    assert found["s2.1"] == (1, 3)
    assert found["s2.0"] == (0, 1, 2)


def test_a_budget_removes_the_lowest_scores_of_all_layers_until_it_is_met():
    # By score: 0 of shared.0 (0.0), 3 and 2 of s2.1 (0.1, 0.2), then 1 of s2.1 (0.3).
    three = {"s2.0": (0, 1, 2, 3), "s2.1": (0, 1), "shared.0": (1, 2, 3)}
    assert choose_experts(saliency(), budget=macs(three)) == three
    four = {**three, "s2.1": (0,)}
    assert choose_experts(saliency(), budget=macs(three) - 1e-9) == four


def test_scores_that_are_no_drift_compare_as_shares_of_their_layer():
    # Shares of s2.1: 0.4, 0.3, 0.2, 0.1; the two lowest of s2.0: 0.1 and 0.1.
    one, both = {**ALL, "shared.0": (1, 2, 3)}, {**ALL, "s2.0": (0, 1, 2), "shared.0": (1, 2, 3)}
    assert choose_experts(saliency(by="reap"), budget=macs(one)) == one
    assert choose_experts(saliency(by="reap"), budget=macs(both)) == both


def test_a_budget_above_the_cost_keeps_all_and_the_least_keeps_one_each():
    assert choose_experts(saliency(), budget=99) == ALL
    least = dict.fromkeys(SCORES, (0,)) | {"shared.0": (1,)}
    assert choose_experts(saliency(), budget=macs(least)) == least


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 5}, "keep must be at most 4, the experts of the largest layer, found 5"),
        ({"keep": 0}, "keep must be a whole number of at least 1, found 0"),
        ({"keep": 2, "budget": 1}, "expected keep or budget, found keep 2 and budget 1"),
        ({"budget": 1e-6}, "budget must be at least "),
        ({"budget": math.nan}, "budget must be a finite number, found nan"),
        ({"budget": math.inf}, "budget must be a finite number, found inf"),
        ({"budget": "much"}, "budget must be a number, found 'much'"),
    ],
)
def test_what_cannot_be_kept_is_one_line(options, message):
    with pytest.raises(InputError) as error:
        choose_experts(saliency(), **options)
    assert message in str(error.value)


def test_the_least_budget_that_the_error_names_is_enough():
    with pytest.raises(InputError) as error:
        choose_experts(saliency(), budget=0)
    least = float(str(error.value).split("at least ")[1].split()[0])
    assert all(len(experts) == 1 for experts in choose_experts(saliency(), budget=least).values())
    assert least == pytest.approx(macs(dict.fromkeys(SCORES, (0,))), rel=1e-3)
