"""`csmoe retrieve`: scores by hand and by scikit-learn, the result, the command."""

import json

import numpy as np
import pytest
import torch
from labelled_sets import bright_and_dark
from minortom_cli.console import run
from minortom_cli.model.app import app
from model_folders import write_model
from sklearn.metrics import precision_score, recall_score
from sklearn.preprocessing import StandardScaler
from training_shards import learnable_shards

from csmoe_model.extractors.checkpoint import load_model
from csmoe_model.extractors.map_images import encode_set
from csmoe_model.inference.embeddings import standardised
from csmoe_model.retrieval.metrics import as_sets, by_chance, retrieved
from csmoe_model.retrieval.retrieve import retrieve
from minortom.errors import InputError, OutputExistsError
from minortom.shards.shard_set import ShardSet

SIZES = {"train": 24, "val": 8, "test": 12}


@pytest.fixture(scope="module", autouse=True)
def quick():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # fastest for these sizes
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("retrieve")
    learnable_shards(folder / "shards", train=12, val=6, test=8, apart_deg=5)
    write_model(folder / "model", ShardSet.open(folder / "shards"), seed=7)
    return folder


def sets(*rows):
    return np.array(rows, bool)


def test_one_query_and_two_images_by_hand():
    query, archive = sets([1, 1, 0, 0]), sets([1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 0])
    found = retrieved(query, archive, np.array([[0, 1]]))
    # First: 1 of 1 and 1 of 2. Second: 2 of 4 and 2 of 2.
    precision, recall = (1 + 0.5) / 2, (0.5 + 1) / 2
    assert found.score() == pytest.approx(
        {"precision": precision, "recall": recall,
         "f1": 2 * precision * recall / (precision + recall)}
    )  # fmt: skip


def test_pairs_are_scored_as_scikit_learn_scores_them():
    rng = np.random.default_rng(0)
    query, archive = rng.random((20, 6)) < 0.4, rng.random((50, 6)) < 0.4
    query[:, 0], archive[:, 1] = True, True  # none is empty
    number = rng.integers(0, 50, (20, 5))
    found = retrieved(query, archive, number).score()
    truth = np.repeat(query, 5, axis=0)
    predicted = archive[number.ravel()]
    assert found["precision"] == pytest.approx(precision_score(truth, predicted, average="samples"))
    assert found["recall"] == pytest.approx(recall_score(truth, predicted, average="samples"))


def test_an_image_with_one_label_is_right_or_wrong():
    archive = as_sets(np.array([0, 1, 1, 2]), "multiclass", 3)
    query = as_sets(np.array([1, 2]), "multiclass", 3)
    found = retrieved(query, archive, np.array([[1, 0], [3, 2]]))
    assert found.score() == {"f1": 0.5, "precision": 0.5, "recall": 0.5}


def test_chance_is_the_mean_over_every_image():
    rng = np.random.default_rng(1)
    query, archive = rng.random((9, 4)) < 0.5, rng.random((30, 4)) < 0.5
    query[:, 0], archive[:, 2] = True, True
    every = np.tile(np.arange(30), (9, 1))
    assert by_chance(query, archive).score() == pytest.approx(
        retrieved(query, archive, every).score()
    )


def test_an_image_without_a_label_counts_as_0():
    found = retrieved(sets([1, 0]), sets([0, 0], [1, 0]), np.array([[0, 1]]))
    assert found.score()["precision"] == 0.5


@pytest.fixture(scope="module")
def result(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("result") / "out"
    retrieve(folder / "model", data=bright_and_dark(SIZES), root=None, out=out, k=3, seeds=2)
    return json.loads((out / "result.json").read_text())


def row(result, name):
    return next(row for row in result["rows"] if row["features"] == name)["directions"]


def test_the_result_has_every_direction_in_which_features_can_be_compared(result):
    every = {"s2_to_s2", "s2_to_s1", "s1_to_s2", "s1_to_s1"}
    for found in result["rows"]:
        assert set(found["directions"]) == every
    assert row(result, "band statistics")["s2_to_s1"] is None
    assert row(result, "model")["s2_to_s1"]["f1"]["value"] > 0
    assert [found["features"] for found in result["rows"]] == [
        "model", "band statistics", "random convolutions", "untrained model", "chance"
    ]  # fmt: skip


def test_the_scores_of_the_model_follow_from_its_vectors(folder, result):
    data, model = bright_and_dark(SIZES), load_model(folder / "model", device=torch.device("cpu"))
    queries, archive = (
        encode_set(model, data.split(name), sensors=[sensor], bands=data.bands)
        for name, sensor in (("val", "s1"), ("test", "s2"))
    )
    cosine = (queries / np.linalg.norm(queries, axis=1)[:, None]) @ (
        archive / np.linalg.norm(archive, axis=1)[:, None]
    ).T
    first = np.argsort(-cosine, axis=1)[:, :3]
    hits = data.split("test").labels[first] == data.split("val").labels[:, None]
    assert row(result, "model")["s1_to_s2"]["precision"]["value"] == pytest.approx(hits.mean())


def test_band_statistics_separate_bright_from_dark_images(result):
    assert row(result, "band statistics")["s2_to_s2"]["f1"]["value"] == 1
    assert row(result, "chance")["s2_to_s2"]["f1"]["value"] == pytest.approx(0.5)


def test_features_without_weights_are_standardised_over_the_archive():
    rng = np.random.default_rng(0)
    query, archive = (
        (rng.normal(size=(n, 3)) * [1e-2, 1, 1e4] + 7).astype(np.float32) for n in (5, 40)
    )
    archive[:, 0], query[:, 0] = 3, 3  # a band without contrast
    found = standardised(query, archive)
    scaler = StandardScaler().fit(archive)
    np.testing.assert_allclose(found[0], scaler.transform(query), atol=1e-3)
    np.testing.assert_allclose(found[1], scaler.transform(archive), atol=1e-3)


def test_it_is_up_to_date_until_options_change(folder, tmp_path):
    words = {"data": bright_and_dark(SIZES), "root": None, "out": tmp_path / "out", "seeds": 1}
    first = retrieve(folder / "model", **words, k=3)
    again = retrieve(folder / "model", **words, k=3)
    assert (first.status, again.status) == ("written", "up to date")
    stored = json.loads((tmp_path / "out" / "result.json").read_text())
    head = {"status": "up to date", "out": str(tmp_path / "out")}
    assert list(again.as_dict().items()) == list((head | stored).items())
    with pytest.raises(OutputExistsError):
        retrieve(folder / "model", **words, k=2)


def test_numpy_numbers_count_as_python_s(folder, tmp_path):
    words = {"data": "shards", "root": folder / "shards", "split_by": "blocks", "k": 1}
    words |= {"out": tmp_path / "out", "seeds": 1}
    assert retrieve(folder / "model", **words, seed=np.int64(1)).status == "written"
    assert retrieve(folder / "model", **words, seed=1).status == "up to date"


def test_a_k_above_the_archive_or_an_empty_split_is_one_line(folder, tmp_path):
    words = {"root": None, "out": tmp_path / "out"}
    message = "--k must be at most 12, the images in the test split of own, found 13"
    with pytest.raises(InputError, match=message):
        retrieve(folder / "model", data=bright_and_dark(SIZES), **words, k=13)
    empty = bright_and_dark({**SIZES, "train": 0})
    with pytest.raises(InputError, match=r"needs samples in its train split, found train \(0\)"):
        retrieve(folder / "model", data=empty, **words)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"k": 0}, "k must be a whole number of at least 1, found 0"),
        ({"seed": 2**63}, "seed must be below 2"),
        ({"seeds": 0}, "seeds must be a whole number of at least 1, found 0"),
        ({"index": "tree"}, "index must be one of exact, ivf, found 'tree'"),
        ({"pooling": None}, "pooling must be one of cls, mean, both, found None"),
    ],
)
def test_wrong_values_are_refused(folder, tmp_path, wrong, message):
    words = {"data": bright_and_dark(SIZES), "root": None, "out": tmp_path / "out"}
    with pytest.raises(InputError, match=message):
        retrieve(folder / "model", **words, **wrong)


def test_a_cache_inside_the_result_is_refused(folder, tmp_path):
    words = {"data": bright_and_dark(SIZES), "root": None, "out": tmp_path / "out"}
    with pytest.raises(InputError, match=r"--cache must lie outside --out .*, found"):
        retrieve(folder / "model", **words, cache=tmp_path / "out" / "cache")
    assert list(tmp_path.iterdir()) == []


def test_the_command_retrieves_on_the_shards_own_labels(folder, tmp_path, capsys):
    words = ["retrieve", folder / "model", "--data", "shards", "--root", folder / "shards"]
    words += ["--out", tmp_path / "out", "--k", 2, "--seeds", 1, "--index", "ivf"]
    words += ["--pooling", "mean", "--label", "landcover", "--split-by", "shards"]
    assert run(app, [str(word) for word in [*words, "--cache", tmp_path / "kept"]]) == 0
    assert "F1@2 s1 → s2, model" in " ".join(capsys.readouterr().out.split())
    table = (tmp_path / "out" / "table.md").read_text()
    assert (
        "| s2 → s2 | s2 → s1 | s1 → s2 | s1 → s1 | parameters | multiply-adds per image |" in table
    )
    assert (tmp_path / "kept").is_dir()
