"""The probe that chooses its strength by cross-validation on few training labels."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from csmoe_model.probing import heads
from csmoe_model.probing.cross_validation import (
    cross_validated_probe,
    num_folds,
    stratified_folds,
)
from csmoe_model.probing.heads import Table


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(heads, "STRENGTHS", (1e-3, 1e-2, 0.1, 1.0))


def overlapping(*, shots=10, width=30, seed=0):
    """Few samples of three classes, of which four of the features tell a little."""
    rng = np.random.default_rng(seed)
    labels = {name: np.repeat(np.arange(3), n) for name, n in (("train", shots), ("test", 40))}
    features = {}
    for name, truth in labels.items():
        values = rng.standard_normal((len(truth), width))
        values[:, :4] += 1.2 * truth[:, None]
        features[name] = (values * rng.uniform(0.1, 10, width)).astype(np.float32)
    # The probe must not read this split.
    features["val"], labels["val"] = np.full((3, width), np.nan, np.float32), np.arange(3)
    return Table(task="multiclass", num_classes=3, features=features, labels=labels)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_strength_is_that_of_scikit_learns_cross_validation(seed):
    table = overlapping(seed=seed)
    truth, features = table.labels["train"], table.features["train"].astype(np.float64)
    fold = stratified_folds(truth, seed=seed)
    scores = {}
    for strength in heads.STRENGTHS:
        regression = LogisticRegression(C=strength, max_iter=1000)
        model = make_pipeline(StandardScaler(), regression)
        guessed = cross_val_predict(model, features, truth, cv=PredefinedSplit(fold))
        scores[strength] = balanced_accuracy_score(truth, guessed)
    best = max(scores, key=scores.get)  # the first, thus the strongest penalty
    found = cross_validated_probe(table, seed=seed)
    assert found.settings["C"] == best
    assert found.settings["cross-validated"] == pytest.approx(scores[best], abs=1e-6)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=best, max_iter=1000))
    expected = model.fit(features, truth).predict_proba(table.features["test"].astype(np.float64))
    np.testing.assert_allclose(found.test.output, expected, atol=0.01)


def test_each_fold_has_its_share_of_each_class():
    labels = np.repeat(np.arange(3), [7, 12, 5])
    fold = stratified_folds(labels, seed=3)
    for k, count in enumerate((7, 12, 5)):
        of_class = np.bincount(fold[labels == k], minlength=5)
        assert of_class.sum() == count
        assert of_class.max() - of_class.min() <= 1
    assert not np.array_equal(fold, stratified_folds(labels, seed=4))
    np.testing.assert_array_equal(fold, stratified_folds(labels, seed=3))


@pytest.mark.parametrize(("counts", "folds"), [((10, 20), 5), ((3, 20), 3), ((1, 9), 1)])
def test_there_are_no_more_folds_than_samples_of_a_class(counts, folds):
    assert num_folds(np.repeat([0, 4], counts)) == folds


def test_a_class_without_training_samples_has_no_probability():
    table = replace(overlapping(), num_classes=4)
    assert not cross_validated_probe(table, seed=0).test.output[:, 3].any()
