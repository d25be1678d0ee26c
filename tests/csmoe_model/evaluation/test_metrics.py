"""Scores against scikit-learn and torchmetrics, and intervals against arithmetic."""

import numpy as np
import pytest
import torch
from sklearn import metrics
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassF1Score,
    MulticlassJaccardIndex,
    MultilabelAveragePrecision,
)

from csmoe_model.evaluation.bootstrap import Bootstrap, interval
from csmoe_model.evaluation.metrics import Predictions, confusion_matrices, score, scorer


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def multiclass(rng, *, num=300, num_classes=5):
    truth = rng.choice(num_classes, num, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    output = rng.dirichlet(np.ones(num_classes), num) + 0.3 * np.eye(num_classes)[truth]
    return Predictions(task="multiclass", truth=truth, output=output)


def multilabel(rng, *, num=200, num_classes=4):
    truth = rng.random((num, num_classes)) < 0.3
    # One decimal: many equal scores.
    output = np.round(np.clip(rng.random(truth.shape) + 0.3 * truth, 0, 1), 1)
    return Predictions(task="multilabel", truth=truth, output=output)


def test_multiclass_scores_agree_with_scikit_learn_and_torchmetrics(rng):
    case = multiclass(rng)
    found, said = score(case), case.output.argmax(1)
    assert found == pytest.approx(
        {
            "average_accuracy": metrics.balanced_accuracy_score(case.truth, said),
            "overall_accuracy": metrics.accuracy_score(case.truth, said),
            "macro_f1": metrics.f1_score(case.truth, said, average="macro"),
        }
    )
    pair = torch.from_numpy(said), torch.from_numpy(case.truth)
    assert found["average_accuracy"] == pytest.approx(
        MulticlassAccuracy(5, average="macro")(*pair).item()
    )
    assert found["macro_f1"] == pytest.approx(MulticlassF1Score(5, average="macro")(*pair).item())


def test_multilabel_scores_agree_with_scikit_learn_and_torchmetrics(rng):
    case = multilabel(rng)
    found, said = score(case), case.output > 0.5
    assert found == pytest.approx(
        {
            "micro_map": metrics.average_precision_score(case.truth, case.output, average="micro"),
            "micro_f1": metrics.f1_score(case.truth, said, average="micro"),
            "macro_f1": metrics.f1_score(case.truth, said, average="macro"),
        }
    )
    oracle = MultilabelAveragePrecision(4, average="micro")
    wanted = oracle(torch.from_numpy(case.output), torch.from_numpy(case.truth).int())
    assert found["micro_map"] == pytest.approx(wanted.item(), abs=1e-6)


def test_miou_agrees_with_scikit_learn_and_torchmetrics_and_leaves_unlabelled_pixels_out(rng):
    truth, said = rng.integers(0, 3, (2, 6, 8, 9))
    truth[:, 0] = -1
    case = Predictions(task="segmentation", truth=truth, output=confusion_matrices(truth, said, 3))
    known = truth >= 0
    assert score(case)["miou"] == pytest.approx(
        metrics.jaccard_score(truth[known], said[known], average="macro")
    )
    oracle = MulticlassJaccardIndex(3, ignore_index=-1)
    wanted = oracle(torch.from_numpy(said), torch.from_numpy(truth))
    assert score(case)["miou"] == pytest.approx(wanted.item())


@pytest.mark.parametrize("make", [multiclass, multilabel])
def test_a_weight_of_two_equals_the_sample_twice(rng, make):
    case = make(rng)
    times = rng.integers(0, 4, len(case.truth))
    repeated = Predictions(
        task=case.task, truth=case.truth.repeat(times, axis=0),
        output=case.output.repeat(times, axis=0),
    )  # fmt: skip
    assert scorer(case)(times.astype(float)) == pytest.approx(score(repeated))


def test_an_interval_over_samples_is_as_wide_as_that_of_a_share():
    hits = np.arange(400) < 300
    case = Predictions(
        task="multiclass", truth=np.zeros(400, np.int64), output=np.stack([hits, ~hits], axis=1)
    )
    draws = Bootstrap.over(400, None, seed=0).draws([case])["overall_accuracy"]
    found = interval(0.75, draws)
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert found.low == pytest.approx(0.75 - half, abs=0.006)
    assert found.high == pytest.approx(0.75 + half, abs=0.006)


def test_an_interval_holds_95_percent_of_the_draws():
    found = interval(500, np.arange(1001.0))
    assert (found.value, found.low, found.high) == (500, 25, 975)


def test_samples_that_always_agree_within_a_group_widen_the_interval_as_fewer_samples_would():
    hits = np.repeat(np.arange(40) < 30, 10)
    case = Predictions(
        task="multiclass", truth=np.zeros(400, np.int64), output=np.stack([hits, ~hits], axis=1)
    )
    groups = np.repeat(np.arange(40).astype(str), 10)
    draws = Bootstrap.over(400, groups, seed=0).draws([case])["overall_accuracy"]
    assert draws.std() == pytest.approx(np.sqrt(0.75 * 0.25 / 40), rel=0.08)


def test_all_predictions_are_scored_on_the_same_draws(rng):
    case, bootstrap = multiclass(rng), Bootstrap.over(300, None, seed=3, num_draws=20)
    first, again = (bootstrap.draws([case])["macro_f1"] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    both = bootstrap.draws([case, case])["macro_f1"]
    np.testing.assert_allclose(both, first)
