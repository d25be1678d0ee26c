"""The picture of some patches with their nearest neighbours."""

import numpy as np
import pytest
from model_folders import write_model
from PIL import Image
from sklearn.metrics.pairwise import cosine_similarity
from training_shards import learnable_shards

from csmoe_model.inference import neighbour_sheet
from csmoe_model.inference.embed import embed
from csmoe_model.inference.neighbour_sheet import choose_queries, nearest
from minortom.shards.shard_set import ShardSet


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shards of 14 patches and an untrained model."""
    folder = tmp_path_factory.mktemp("neighbours")
    learnable_shards(folder / "shards", train=9, val=3, test=2)
    write_model(folder / "model", ShardSet.open(folder / "shards"))
    return folder


def test_nearest_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    vectors = rng.normal(3, 1, (30, 5)).astype(np.float32)
    queries = np.array([4, 0, 29])
    found, cosine = nearest(vectors, queries, 6)
    similarity = cosine_similarity(vectors - vectors.mean(0))
    np.fill_diagonal(similarity, -2)
    wanted = np.argsort(-similarity[queries], axis=1)[:, :6]
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_allclose(
        cosine, np.take_along_axis(similarity[queries], wanted, 1), atol=1e-5
    )


def test_there_are_at_most_as_many_neighbours_as_other_patches():
    found, _ = nearest(np.eye(3, dtype=np.float32), np.array([0]), 5)
    assert sorted(found[0]) == [1, 2]


def test_every_group_is_queried_before_any_twice():
    groups = ["a"] * 5 + ["b"] * 2 + ["c"]
    assert choose_queries(groups, 3).tolist() == [0, 5, 7]
    assert choose_queries(groups, 5).tolist() == [0, 1, 5, 6, 7]
    assert choose_queries(groups, 99).tolist() == list(range(8))


def test_the_sheet_shows_as_many_rows_as_queries(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(neighbour_sheet, "_NUM_QUERIES", 2)
    monkeypatch.setattr(neighbour_sheet, "_NUM_NEIGHBOURS", 2)
    embed(
        folder / "model", folder / "shards", out=tmp_path / "e.parquet",
        neighbours=tmp_path / "n.png",
    )  # fmt: skip
    with Image.open(tmp_path / "n.png") as picture:
        assert picture.format == "PNG"
        assert picture.size == (660, 320)  # 3 places of 2.2 by 2 lines of 1.6 inches
