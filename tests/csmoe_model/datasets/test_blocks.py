"""Blocks of at least 100 km of ground, which intervals of shards draw as a whole."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from training_shards import grid_of_shards

import csmoe_model
from csmoe_model.datasets.base import LabelledSplit
from csmoe_model.datasets.shards import INTERVAL_KM, MIN_BLOCKS, ShardLabels, open_shards
from csmoe_model.evaluation.bootstrap import Bootstrap, interval
from csmoe_model.evaluation.metrics import Predictions, score

SIDE_DEG = 0.9
"""Side of a block at the equator: 200 rows and, beside the equator, 400 columns of 100 km."""
STEP_DEG = 0.49


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A row of test cells, half a block apart along the equator; train and val beside it."""
    own = ["test"] * 40 + [""] * 120 + ["val"] * 20 + [""] * 180 + ["train"] * 40 + [""] * 1200
    return grid_of_shards(tmp_path_factory.mktemp("blocks") / "shards", step_deg=STEP_DEG, own=own)


def test_cells_of_a_block_of_100_km_are_drawn_together(folder):
    data = open_shards(folder, ShardLabels())
    test = data.split("test")
    lon_deg = np.array([STEP_DEG * int(cell.removeprefix("cell-")) for cell in test.groups])
    column = np.floor((lon_deg + 180) / SIDE_DEG)
    same = column[:, None] == column[None]
    np.testing.assert_array_equal(test.blocks[:, None] == test.blocks[None], same)
    assert test.independent is test.blocks
    assert data.settings["interval_km"] == INTERVAL_KM == 100


def test_a_split_with_few_blocks_draws_its_cells(tmp_path):
    near = grid_of_shards(tmp_path / "near", step_deg=2, own=["train", "val", "test"] * 3)
    data = open_shards(near, ShardLabels())
    test = data.split("test")
    assert test.blocks is None
    assert test.independent is test.groups
    assert "interval_km" not in data.settings


@pytest.mark.parametrize("cells_a_block", [4, 16])
def test_an_interval_widens_by_the_root_of_the_cells_that_err_together(cells_a_block):
    count = 64 * cells_a_block
    block = np.repeat(np.arange(64), cells_a_block)
    truth = np.arange(count) % 2
    wrong = np.random.default_rng(0).permutation(64)[block] < 16  # whole blocks
    votes = np.eye(2)[np.where(wrong, 1 - truth, truth)]
    run = Predictions(task="multiclass", truth=truth, output=votes)
    split = LabelledSplit(
        images=lambda _: {}, labels=truth, groups=np.arange(count).astype(str),
        blocks=block.astype(str),
    )  # fmt: skip
    widths = []
    for names in (split.groups, split.independent):
        drawn = Bootstrap.over(count, names, seed=0).draws([run])["overall_accuracy"]
        found = interval(score(run)["overall_accuracy"], drawn)
        widths.append(found.high - found.low)
    assert widths[1] / widths[0] == pytest.approx(cells_a_block**0.5, rel=0.12)


def test_a_probe_draws_blocks_and_says_so(folder, tmp_path):
    found = csmoe_model.probe(
        "band-statistics", data="shards", root=folder, out=tmp_path / "probe", seeds=1
    )
    blocks = len(set(open_shards(folder, ShardLabels()).split("test").blocks))
    assert found.groups == blocks >= MIN_BLOCKS
    assert (
        f"the test split's {blocks} blocks of 100 km" in (tmp_path / "probe/table.md").read_text()
    )
    names = pq.read_table(tmp_path / "probe" / "predictions.parquet")["group"].to_pylist()
    assert len(set(names)) == blocks
    record = json.loads((tmp_path / "probe" / "result.json").read_text())
    assert record["settings"]["set"]["interval_km"] == 100
    compared = csmoe_model.compare([tmp_path / "probe"], out=tmp_path / "compared")
    assert compared.groups == blocks
    assert f"{blocks} blocks of 100 km" in (tmp_path / "compared" / "table.md").read_text()
