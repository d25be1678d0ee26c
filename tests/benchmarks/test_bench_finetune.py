"""The pooled table of `benchmarks/finetune.py`, from predictions that a reader can count."""

import sys

import numpy as np
import pytest
from repository import BENCHMARKS

from csmoe_model.evaluation.metrics import Predictions
from csmoe_model.probing.predictions import PredictionTable

sys.path.insert(0, str(BENCHMARKS))

import finetune


def table_of(wrong):
    """Return predictions for 40 samples of 20 cells, with some wrong ones for each network."""
    truth = np.arange(40) % 2
    of = {}
    for name, number in wrong.items():
        found = truth.copy()
        found[:number] = 1 - found[:number]
        of[name] = [Predictions(task="multiclass", truth=truth, output=np.eye(2)[found])]
    cells = np.repeat(np.arange(20), 2).astype(str)
    return PredictionTable(classes=("a", "b"), groups=cells, truth=truth, of=of)


def test_scores_and_paired_differences_are_pooled_over_seeds(monkeypatch, tmp_path):
    tables = {
        tmp_path / "0": {finetune.MODEL: 4, finetune.FROZEN: 4, finetune.UNTRAINED: 20},
        tmp_path / "1": {finetune.MODEL: 8, finetune.FROZEN: 8, finetune.UNTRAINED: 20},
    }
    monkeypatch.setattr(finetune, "read_predictions", lambda path: table_of(tables[path.parent]))
    found = finetune.pooled(list(tables), np.repeat(np.arange(20), 2))

    assert found["model"]["each"] == [0.9, 0.8]
    assert found["model"]["value"] == pytest.approx(0.85)
    assert found["model"]["low"] < 0.8 < 0.9 < found["model"]["high"]
    # The same predictions: no draw of cells or seeds makes a difference.
    same = found["model minus frozen model"]
    assert (same["value"], same["low"], same["high"]) == (0, 0, 0)
    better = found["model minus untrained model"]
    assert better["value"] == pytest.approx(0.35)
    # 0.4 and 0.3: Student's interval of two values has 12.7 standard errors (0.05) on each side.
    assert better["low"] == pytest.approx(0.35 - 12.7 * 0.05, abs=0.15)
    assert better["high"] == pytest.approx(0.35 + 12.7 * 0.05, abs=0.15)


@pytest.mark.parametrize(("in_a_block", "is_certain"), [(2, False), (40, True)])
def test_intervals_draw_whole_blocks(monkeypatch, tmp_path, in_a_block, is_certain):
    wrong = {finetune.MODEL: 4, finetune.FROZEN: 8, finetune.UNTRAINED: 20}
    monkeypatch.setattr(finetune, "read_predictions", lambda _: table_of(wrong))

    found = finetune.pooled([tmp_path], np.arange(40) // in_a_block)["model"]

    assert found["value"] == 0.9
    assert (found["low"] == found["high"] == 0.9) == is_certain  # one block: each draw is all
