"""The picture of some patches with their nearest neighbours."""

import json

import numpy as np
import pytest
from model_folders import write_model
from PIL import Image
from searching import stay_by_hand
from sklearn.metrics.pairwise import cosine_similarity
from training_shards import learnable_shards

from csmoe_model.inference import neighbour_sheet
from csmoe_model.inference.embed import embed
from csmoe_model.inference.exclusion import Exclusion
from csmoe_model.inference.neighbour_sheet import Queries, choose_queries, nearest
from minortom.errors import InputError, OutputExistsError, UsageError
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
    stays = rng.random((3, 30)) < 0.7
    queries = Queries(number_q=np.array([4, 0, 29]), stays_qn=stays)
    similarity = np.where(stays, cosine_similarity(vectors - vectors.mean(0))[[4, 0, 29]], -2)
    for found, cosine in zip(nearest(vectors, queries, 6), similarity, strict=True):
        wanted = np.argsort(-cosine)[:6]
        np.testing.assert_array_equal([number for number, _ in found], wanted)
        np.testing.assert_allclose([value for _, value in found], cosine[wanted], atol=1e-5)


@pytest.mark.parametrize(
    "left_out", [{}, {"include_own_cell": True}, {"exclude_km": 0.0}, {"exclude_km": 3.2}]
)
def test_the_patches_that_stay_are_those_of_a_loop(folder, left_out):
    data = ShardSet.open(folder / "shards")
    queries = Queries.of(data, Exclusion(**left_out))
    for query, stays in zip(queries.number_q.tolist(), queries.stays_qn, strict=True):
        wanted = stay_by_hand(folder / "shards", query, **left_out)
        assert np.flatnonzero(stays).tolist() == wanted


def test_there_are_at_most_as_many_neighbours_as_patches_that_stay():
    queries = Queries(number_q=np.array([0, 1]), stays_qn=np.array([[0, 1, 1], [0, 0, 0]], bool))
    found = nearest(np.eye(3, dtype=np.float32), queries, 5)
    assert [sorted(number for number, _ in of_query) for of_query in found] == [[1, 2], []]


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
        record = json.loads(picture.info["minortom"])
    assert record["command"] == "embed --neighbours"
    assert record["options"]["exclude_km"] is None
    assert record["options"]["include_own_cell"] is False


def test_the_picture_is_drawn_again_only_for_other_patches_and_with_overwrite(folder, tmp_path):
    def draw(**more):
        words = {"out": tmp_path / "e.parquet", "neighbours": tmp_path / "n.png"}
        return embed(folder / "model", folder / "shards", **words, **more).status

    draw()
    first = (tmp_path / "n.png").read_bytes()
    assert draw() == "up to date"
    assert (tmp_path / "n.png").read_bytes() == first
    with pytest.raises(OutputExistsError, match="n.png exists and was made with other inputs or"):
        draw(include_own_cell=True)
    assert draw(include_own_cell=True, overwrite=True) == "up to date"
    assert (tmp_path / "n.png").read_bytes() != first


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"exclude_km": 5}, UsageError, "work with --neighbours, found none"),
        ({"include_own_cell": True}, UsageError, "work with --neighbours, found none"),
        ({"neighbours": "n.jpg"}, InputError, "must end in .png, found n.jpg"),
        ({"neighbours": "f.png", "overwrite": True}, InputError, "^--neighbours must be a file, f"),
        ({"neighbours": "n.png", "exclude_km": 9e9}, InputError, "found none for any patch"),
        ({"neighbours": "n.png", "exclude_km": "5"}, InputError, "exclude_km must be a number"),
        ({"neighbours": "n.png", "include_own_cell": "no"}, InputError, "must be True or False"),
    ],
)
def test_patches_that_cannot_be_left_out_are_an_error_before_anything_is_written(
    folder, tmp_path, monkeypatch, options, error, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.png").mkdir()
    with pytest.raises(error, match=message):
        embed(folder / "model", folder / "shards", out="e.parquet", **options)
    assert [path.name for path in tmp_path.rglob("*")] == ["f.png"]
