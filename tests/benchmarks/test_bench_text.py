"""The queries of `benchmarks/text.py`, against arithmetic."""

import sys

import numpy as np
import pyarrow as pa
import pytest
from repository import BENCHMARKS

sys.path.insert(0, str(BENCHMARKS))

import _text_queries
from _text_data import few_patches, shuffled, store_scores, stored_scores
from _text_queries import PAIRS, Queries, draw_unseen, entry, prior_scores, probe_scores
from text_maker import patch_table, telling_vectors

from csmoe_model.evaluation.bootstrap import Bootstrap


@pytest.fixture(scope="module")
def queries():
    table = patch_table(60)
    cells = {row["grid_cell"]: row for row in table.to_pylist()}
    tiles = pa.table({
        "grid_cell": list(cells), "climate": [row["climate"] for row in cells.values()],
        "landcover": [row["landcover"] for row in cells.values()],
        "season": ["summer", "winter"] * 30,
    })  # fmt: skip
    found = Queries.of(table, tiles)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("_text_queries.MIN_POSITIVE", 3)
        assert len(found.pairs) == 9  # three land covers and three groups; computed once
    return found


def test_a_query_is_true_of_the_test_patches_with_its_class(queries):
    rows = [row for row in patch_table(60).to_pylist() if row["split"] == "test"]
    names = queries.attributes["landcover"].values
    for name, truth in zip(names, queries.truth["landcover"], strict=True):
        assert truth.tolist() == [row["landcover"] == name for row in rows]
    cover, group = queries.pairs[0]
    wanted = names[cover], queries.attributes["climate_group"].values[group]
    found = [(row["landcover"], row["climate"][0]) == wanted for row in rows]
    assert queries.truth[PAIRS][0].tolist() == found
    assert queries.chances[PAIRS] == pytest.approx(
        np.mean([truth.mean() for truth in queries.truth[PAIRS]])
    )


def test_left_out_pairs_have_different_land_covers(queries, monkeypatch):
    monkeypatch.setattr(_text_queries, "UNSEEN", 2)
    pairs = draw_unseen(queries, 0)
    assert len({cover for cover, _ in pairs}) == len(pairs) == 2
    assert set(pairs) <= set(queries.pairs)


def test_the_prior_is_the_share_among_training_cells_of_the_climate(queries):
    rows = patch_table(60).to_pylist()
    first = rows[queries.test_n[0]]
    same = [r for r in rows if r["split"] == "train" and r["climate"] == first["climate"]]
    for name, [score] in zip(
        queries.attributes["landcover"].values, prior_scores(queries)["landcover"], strict=True
    ):
        share = np.mean([row["landcover"] == name for row in same])
        assert score[0] == pytest.approx(share)


def test_a_probe_finds_what_the_vectors_show(queries):
    found = probe_scores(queries, telling_vectors(patch_table(60), noise=0.05))
    for truth, [score] in zip(queries.truth["landcover"], found["landcover"], strict=True):
        assert score[truth].min() > score[~truth].max()
    for truth, [score] in zip(queries.truth[PAIRS], found[PAIRS], strict=True):
        assert score[truth].mean() > score[~truth].mean() + 1


def test_scores_are_stored(tmp_path):
    rows = {"text s2": {"landcover": [[np.array([1.0, 2])], [np.array([3.0, 4]), np.zeros(2)]]}}
    store_scores(tmp_path / "s.npz", rows)
    [(_, kinds)] = stored_scores(tmp_path / "s.npz").items()
    assert [len(one) for one in kinds["landcover"]] == [1, 2]
    np.testing.assert_array_equal(kinds["landcover"][1][0], [3, 4])


def test_an_interval_is_shifted_to_its_value(queries):
    bootstrap = Bootstrap.over(len(queries.test_n), queries.cells, seed=0, num_draws=50)
    perfect = [[[truth.astype(float)] for truth in queries.truth[PAIRS]]]
    value, draws = _text_queries.scored(perfect, queries, PAIRS, bootstrap)
    assert value == 1
    assert draws.shape == (50,)
    found = entry(0.2, np.linspace(0.4, 0.6, 101))
    assert found == pytest.approx({"value": 0.2, "low": 0.105, "high": 0.295})


def test_shuffled_tiles_are_those_of_other_cells_and_few_patches_are_the_first():
    tiles = pa.table({"grid_cell": list("abcdefgh"), "landcover": list("12345678")})
    mixed = shuffled(tiles, 0)
    assert mixed["grid_cell"].to_pylist() == list("abcdefgh")
    assert sorted(mixed["landcover"].to_pylist()) == list("12345678")
    assert mixed["landcover"].to_pylist() != list("12345678")

    class Shards:
        def metadata(self, _):
            return pa.table({"grid_cell": list("aababb")})

    assert few_patches(Shards(), 2).tolist() == [0, 1, 2, 4]
