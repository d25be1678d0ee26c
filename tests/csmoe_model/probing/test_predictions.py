"""The file of predictions: what is written is read back, and other values are refused."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from labelled_sets import set_of, split_of

from csmoe_model.evaluation.bootstrap import Bootstrap
from csmoe_model.evaluation.metrics import Predictions, confusion_matrices, score
from csmoe_model.extractors.cost import NO_COST
from csmoe_model.probing.heads import TrainedProbe
from csmoe_model.probing.predictions import read_predictions, write_predictions
from csmoe_model.probing.rows import scored_row
from minortom.errors import InputError
from minortom.io.provenance import Provenance

RNG = np.random.default_rng(0)
SEVERAL, MAPS = RNG.random((6, 3)) < 0.5, RNG.integers(0, 3, (6, 4, 4))
CASES = {
    "multiclass": (np.array([0, 1, 2, 2, 1, 0]), RNG.dirichlet(np.ones(3), 6)),
    "multilabel": (SEVERAL, RNG.random((6, 3))),
    "multilabel of integers": (SEVERAL.astype(np.uint8), RNG.random((6, 3))),
    "segmentation": (MAPS, confusion_matrices(MAPS, RNG.integers(0, 3, MAPS.shape), 3)),
}
OF_PROBE = "model / 5-NN / 0"


def written(path, name):
    """Write the predictions of two seeds that are alike; return those of one."""
    truth, output = CASES[name]
    task = name.split()[0]
    case = Predictions(task=task, truth=truth, output=output)
    probed = [TrainedProbe(test=case, settings={})] * 2
    bootstrap = Bootstrap.over(6, None, seed=0, num_draws=2)
    row = scored_row("model", "5-NN", probed, bootstrap, width=1, cost=NO_COST)
    data = set_of({"test": split_of({}, truth)}, task=task, classes=("a", "b", "c"))
    write_predictions(path, data, [row], Provenance(command="probe", options={}))
    return case


@pytest.mark.parametrize("name", CASES)
def test_predictions_are_read_back(tmp_path, name):
    case = written(tmp_path / "p", name)
    found = read_predictions(tmp_path / "p")
    assert found.groups is None
    assert found.classes == ("a", "b", "c")
    assert [score(one) for one in found.of["model", "5-NN"]] == [score(case)] * 2


def lists(values, width=3):
    return pa.FixedSizeListArray.from_arrays(pa.array(values), width)


OTHERS = {
    **{
        f"{column}: {value}": ("multiclass", column, pa.array([value, *[0 * value] * 5]))
        for column in ("truth", OF_PROBE)
        for value in (-1, 3, 10**18, math.nan, 0.5)
    },
    "a missing class": ("multiclass", OF_PROBE, pa.array([None, 1, 1, 1, 1, 1])),
    "a name": ("multiclass", "truth", pa.array(["a"] * 6)),
    "lists of classes": ("multiclass", "truth", lists([0] * 18)),
    "labels above 1": ("multilabel", "truth", lists([2] * 18)),
    "labels of two classes": ("multilabel", "truth", lists([True] * 12, 2)),
    "missing labels": ("multilabel", "truth", lists([None] * 18)),
    "scores that are NaN": ("multilabel", OF_PROBE, lists([math.nan] * 18)),
    "scores of two classes": ("multilabel", OF_PROBE, lists([0.5] * 12, 2)),
    "infinite counts": ("segmentation", OF_PROBE, lists([math.inf] * 54, 9)),
    "counts of two classes": ("segmentation", OF_PROBE, lists([1] * 24, 4)),
}


@pytest.mark.parametrize(("name", "column", "values"), OTHERS.values(), ids=OTHERS)
def test_values_that_cannot_be_predictions_are_one_line(tmp_path, name, column, values):
    written(tmp_path / "p", name)
    table = pq.read_table(tmp_path / "p")
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, values), tmp_path / "p")
    with pytest.raises(InputError, match="must be a file of predictions, found another content"):
        read_predictions(tmp_path / "p")


@pytest.mark.parametrize("column", ["group", "truth"])
def test_a_missing_column_is_one_line(tmp_path, column):
    written(tmp_path / "p", "multiclass")
    pq.write_table(pq.read_table(tmp_path / "p").drop_columns(column), tmp_path / "p")
    with pytest.raises(InputError, match="must be a file of predictions, found another content"):
        read_predictions(tmp_path / "p")
