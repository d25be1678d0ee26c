"""Held-out ridge regressions against scikit-learn's, fold by fold."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from csmoe_model.ensembles.ridge import STRENGTHS, HeldOutRidge, class_targets, group_folds

WIDTHS = (3, 5, 2, 150)
"""The last member has more values than there are samples outside of a fold: the dual form."""


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), rng.integers(1, 6, 30))
    labels = rng.integers(0, 4, len(groups))
    features = [rng.normal(labels[:, None], 2, (len(labels), w)).astype("f4") for w in WIDTHS]
    return features, class_targets(labels, "multiclass", 4), group_folds(groups, seed=0), groups


@pytest.mark.parametrize(
    "weights",
    [{0: 1.0}, {2: 1.0, 0: 1.0}, {1: 1.0, 0: 1.5, 2: 0.5}, {3: 1.0}, {3: 0.5, 1: 1.5, 0: 1.0}],
)
def test_a_sample_is_predicted_by_the_regression_that_did_not_see_its_fold(problem, weights):
    features, target, fold, _ = problem
    x = np.concatenate([features[m].astype(float) * w for m, w in weights.items()], axis=1)
    twins = {}
    for strength in STRENGTHS:
        twins[strength] = np.empty_like(target)
        for number in range(5):
            out = fold == number
            twin = Ridge(alpha=strength * (~out).sum()).fit(x[~out], target[~out])
            twins[strength][out] = twin.predict(x[out])
    losses = {strength: ((twin - target) ** 2).mean() for strength, twin in twins.items()}

    found = HeldOutRidge(features, target, fold).fit(weights)

    assert found.strength == min(losses, key=losses.get)
    np.testing.assert_allclose(found.predicted_nK, twins[found.strength], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.explained, 1 - losses[found.strength], rtol=1e-9)


def test_without_members_the_prediction_is_the_mean_of_the_other_folds(problem):
    features, target, fold, _ = problem
    found = HeldOutRidge(features, target, fold).fit({})
    wanted = np.stack([target[fold != number].mean(0) for number in fold])
    np.testing.assert_allclose(found.predicted_nK, wanted, atol=1e-12)


def test_folds_keep_groups_whole_and_depend_on_the_seed(problem):
    *_, groups = problem
    folds = [group_folds(groups, seed=seed) for seed in (0, 0, 1)]
    assert np.array_equal(folds[0], folds[1])
    assert not np.array_equal(folds[0], folds[2])
    for group in range(30):
        assert len(np.unique(folds[0][groups == group])) == 1
    assert np.bincount([folds[0][groups == g][0] for g in range(30)]).tolist() == [6] * 5


def test_targets_of_rare_and_frequent_classes_have_equal_variance():
    one_class_is_missing = class_targets(np.array([0, 0, 0, 2]), "multiclass", 3)
    np.testing.assert_allclose(one_class_is_missing[:, 0], np.array([1, 1, 1, -3]) / 3**0.5)
    np.testing.assert_allclose(one_class_is_missing[:, 1], np.array([-1, -1, -1, 3]) / 3**0.5)

    several = np.array([[1, 1], [1, 0], [1, 1], [1, 0]], bool)
    np.testing.assert_allclose(class_targets(several, "multilabel", 2), [[1], [-1], [1], [-1]])
