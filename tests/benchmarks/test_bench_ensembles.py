"""Parts of the benchmark of ensembles: its sets, its learned gate and its probe."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from labelled_sets import set_of, split_of
from repository import BENCHMARKS
from sklearn.linear_model import Ridge

sys.path.insert(0, str(BENCHMARKS))

from _ensemble_probe import probe
from _ensemble_sets import thinned
from _learned_gate import top_members

from csmoe_model.ensembles.ridge import class_targets


@pytest.fixture(scope="module")
def vectors():
    """Return labels of each split, and a member that shows them beside one that does not."""
    rng = np.random.default_rng(0)
    labels = {name: rng.integers(0, 3, count) for name, count in (("train", 90), ("val", 30))}
    labels["test"] = rng.integers(0, 3, 60)
    shown = {s: np.eye(3)[k] + 0.3 * rng.normal(size=(len(k), 3)) for s, k in labels.items()}
    noise = {s: rng.normal(size=(len(k), 4)) for s, k in labels.items()}
    members = {"noise": noise, "shown": shown}
    return labels, {
        name: ({s: x.astype(np.float32) for s, x in parts.items()}, None)
        for name, parts in members.items()
    }


def test_the_gate_keeps_the_member_that_shows_the_labels(vectors):
    labels, members = vectors
    train = [members[name][0]["train"] for name in ("noise", "shown")]
    assert top_members(train, labels["train"], 3, 1, seed=0) == [1]
    assert sorted(top_members(train, labels["train"], 3, 2, seed=0)) == [0, 1]


def test_the_probe_is_a_ridge_regression_of_the_classes(vectors):
    labels, members = vectors
    data = set_of({s: split_of({}, k) for s, k in labels.items()}, classes=("a", "b", "c"))
    found = probe(members, ["shown"], data).output
    x = {s: members["shown"][0][s].astype(float) for s in labels}
    target = class_targets(labels["train"], "multiclass", 3)
    twins = [
        Ridge(alpha=90 * strength, fit_intercept=False).fit(x["train"], target).predict(x["test"])
        for strength in (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    ]
    assert any(np.allclose(found, twin, atol=1e-6) for twin in twins)
    assert (found.argmax(1) == labels["test"]).mean() > 0.8


def test_a_thinned_split_has_one_patch_of_each_chosen_cell():
    cells = np.array(["a", "a", "b", "c", "c", "d"])
    split = split_of({"s1": np.arange(6)}, [0, 0, 1, 0, 0, 1], cells)
    split = replace(split, blocks=np.array(["w", "w", "e", "w", "w", "e"]))
    found = thinned(split, 1)
    assert found.independent.tolist() == ["w", "e"]
    assert found.groups.tolist() == ["a", "b"]
    assert found.labels.tolist() == [0, 1]
    assert found.images(np.array([1]))["s1"].tolist() == [2]
    assert thinned(split, 9).groups.tolist() == ["a", "b", "c", "d"]
