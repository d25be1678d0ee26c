"""Probes on features with known results, and against scikit-learn."""

import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from csmoe_model.evaluation.metrics import score
from csmoe_model.probing import heads
from csmoe_model.probing.heads import Table, knn_probe, logistic_probe, paper_probe
from minortom.errors import InputError

SIZES = {"train": 90, "val": 60, "test": 75}


def blobs(*, num_classes=3, width=6, spread=1.5, seed=0):
    """Classes around centres of their own, features of very different scales."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 1, (num_classes, width))
    labels = {name: np.arange(count) % num_classes for name, count in SIZES.items()}
    scale = 10.0 ** np.arange(width)
    features = {
        name: ((centres[of] + spread * rng.normal(size=(len(of), width))) * scale).astype(
            np.float32
        )
        for name, of in labels.items()
    }
    return Table(
        task="multiclass", num_classes=num_classes, features=features, labels=labels
    )  # fmt: skip


def several_labels():
    table = blobs(num_classes=3)
    labels = {name: np.stack([of == 0, of != 1], axis=1) for name, of in table.labels.items()}
    return Table(task="multilabel", num_classes=2, features=table.features, labels=labels)


def scaled(table):
    scaler = StandardScaler().fit(table.features["train"])
    return {name: scaler.transform(x) for name, x in table.features.items()}


def test_the_regularisation_strength_is_the_best_on_validation():
    table = blobs()
    x = scaled(table)
    best = {}
    for strength in heads.STRENGTHS:
        fitted = LogisticRegression(C=strength, max_iter=1000).fit(
            x["train"], table.labels["train"]
        )
        best[strength] = (
            balanced_accuracy_score(table.labels["val"], fitted.predict(x["val"])),
            balanced_accuracy_score(table.labels["test"], fitted.predict(x["test"])),
        )
    found = logistic_probe(table)
    val, test = best[found.settings["C"]]
    assert val == pytest.approx(max(value for value, _ in best.values()))
    assert score(found.test)["average_accuracy"] == pytest.approx(test)
    assert len({value for value, _ in best.values()}) > 1  # the choice mattered


def test_test_labels_do_not_influence_the_probe():
    table = blobs()
    wrong = {**table.labels, "test": np.roll(table.labels["test"], 1)}
    other = Table(task="multiclass", num_classes=3, features=table.features, labels=wrong)
    assert logistic_probe(table).settings == logistic_probe(other).settings


def test_a_multilabel_set_has_one_regression_for_each_label():
    table = several_labels()
    found = logistic_probe(table)
    x = scaled(table)
    for k in range(2):
        fitted = LogisticRegression(C=found.settings["C"], max_iter=1000).fit(
            x["train"], table.labels["train"][:, k]
        )
        wanted = fitted.predict_proba(x["test"])[:, 1]
        np.testing.assert_allclose(found.test.output[:, k], wanted, atol=1e-3)


def test_a_label_that_all_or_none_have_in_training_needs_no_regression():
    table = several_labels()
    labels = {
        name: np.column_stack([of, np.zeros(len(of), bool), np.ones(len(of), bool)])
        for name, of in table.labels.items()
    }
    more = Table(task="multilabel", num_classes=4, features=table.features, labels=labels)
    found = logistic_probe(more).test.output
    assert set(found[:, 2]) == {0.0}
    assert set(found[:, 3]) == {1.0}


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(
        InputError,
        match=r"needs scikit-learn, which is not installed; run pip install 'minortom\[evaluate\]'",
    ):
        logistic_probe(blobs())


def test_neighbours_vote_as_in_scikit_learn():
    table = blobs(spread=0.8)
    x = scaled(table)
    oracle = KNeighborsClassifier(5, metric="cosine", algorithm="brute")
    votes = oracle.fit(x["train"], table.labels["train"]).predict_proba(x["test"])
    found = knn_probe(table, k=5).test.output
    np.testing.assert_allclose(found, votes, atol=2e-3)  # what breaks ties
    clear = np.sort(votes, axis=1)[:, -1] > np.sort(votes, axis=1)[:, -2]
    np.testing.assert_array_equal(found.argmax(1)[clear], votes.argmax(1)[clear])


def test_equal_votes_go_to_the_nearer_class():
    features = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]], np.float32)
    table = Table(
        task="multiclass", num_classes=2,
        features={"train": features, "test": np.array([[1, 0.5], [0.5, 1]], np.float32)},
        labels={"train": np.array([1, 0, 1, 0]), "test": np.array([1, 0])},
    )  # fmt: skip
    assert knn_probe(table, k=2).test.output.argmax(1).tolist() == [1, 0]


def test_neighbours_of_several_labels_give_shares():
    found = knn_probe(several_labels(), k=20).test
    assert set(np.unique(np.round(found.output * 20, 6))) <= set(range(21))
    wanted = average_precision_score(found.truth, found.output, average="micro")
    assert score(found)["micro_map"] == pytest.approx(wanted)


def unit_scale(table):
    return table.standardised()


def test_the_papers_layer_learns_classes():
    found = paper_probe(unit_scale(blobs(spread=0.3)), rate=1e-2, seed=0)
    assert score(found.test)["average_accuracy"] > 0.95


def test_the_papers_layer_learns_several_labels():
    found = paper_probe(unit_scale(several_labels()), rate=5e-2, seed=0)
    assert score(found.test)["micro_map"] > 0.75


def test_the_papers_layer_takes_unscaled_features():
    small = blobs(spread=0.3).standardised()
    large = Table(
        task="multiclass", num_classes=3, labels=small.labels,
        features={name: 100 * x for name, x in small.features.items()},
    )  # fmt: skip
    outputs = [paper_probe(table, rate=1e-3, seed=0).test.output for table in (small, large)]
    assert not np.allclose(*outputs, atol=0.1)


def test_the_seed_determines_the_layer_and_the_order():
    table = unit_scale(blobs())
    first, again, other = (
        paper_probe(table, rate=1e-2, seed=seed).test.output for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_layer_that_diverges_is_a_one_line_error():
    with pytest.raises(InputError, match="diverged at --lr 1e"):
        paper_probe(unit_scale(blobs()), rate=1e30, seed=0)
