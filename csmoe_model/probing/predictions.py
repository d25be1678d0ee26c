"""What every probe said of every test sample, as a table: to compare results later, paired."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from csmoe_model.datasets.base import LabelledSet, Labels, Task
from csmoe_model.evaluation.metrics import Predictions
from csmoe_model.probing.rows import Row
from minortom.errors import InputError
from minortom.io.atomic_write import whole_file
from minortom.io.provenance import KEY, Provenance

PREDICTIONS = "predictions.parquet"
_SET = "set"
"""Key of the metadata that says of which task and classes the predictions are."""
_BETWEEN = " / "
"""Stands between features, probe and number of the seed in a column's name."""

RowName = tuple[str, str]
"""Features and probe."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictionTable:
    """The test split of a set, and what each row of a result says of it."""

    classes: tuple[str, ...]
    groups: NDArray[np.str_] | None
    truth: Labels
    of: dict[RowName, list[Predictions]]
    """By features and probe, one a seed."""


def write_predictions(
    out: Path, data: LabelledSet, rows: Sequence[Row], provenance: Provenance
) -> None:
    """Write a row for each test sample, in the set's order, and a column for each probe's word.

    Columns are `group` (null where the set knows none), `truth`, and one named
    `features / probe / number of the seed` for each. A class is its number in `classes`, which
    the file's metadata hold; several labels are a list, true or how likely; of segmentation
    `truth` is null and the others are the sample's confusion matrix, row by row.
    """
    test = data.split("test")
    groups = test.groups if test.groups is not None else [None] * len(test)
    columns = {"group": pa.array(groups, pa.string()), "truth": _truth(data.task, test.labels)}
    for row in rows:
        for number, run in enumerate(row.runs):
            columns[_BETWEEN.join((row.features, row.probe, str(number)))] = _said(run)
    told = json.dumps({"task": data.task, "classes": data.classes}, ensure_ascii=False)
    table = pa.table(columns).replace_schema_metadata({KEY: provenance.to_json(), _SET: told})
    with whole_file(out) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_predictions(path: Path) -> PredictionTable:
    """Read what `write_predictions` wrote.

    Raises:
        InputError: If the file is missing, or none of that kind.
    """
    try:
        table = pq.read_table(path)
        told = json.loads(table.schema.metadata[_SET.encode()])
        task, classes = told["task"], tuple(told["classes"])
        groups, truth = table["group"], _values(table["truth"])
    except FileNotFoundError:
        raise InputError(f"there is no {path}; make it with `csmoe probe`") from None
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException):
        raise InputError(f"{path} holds no predictions; make it with `csmoe probe`") from None
    of: dict[RowName, list[Predictions]] = {}
    for name in table.column_names[2:]:
        features, probe, _ = name.split(_BETWEEN)
        output = _output(task, _values(table[name]), len(classes))
        of.setdefault((features, probe), []).append(
            Predictions(task=task, truth=truth, output=output)
        )
    return PredictionTable(
        classes=classes, truth=truth, of=of,
        groups=None if groups.null_count else groups.to_numpy().astype(str),
    )  # fmt: skip


def _truth(task: Task, labels: Labels) -> pa.Array:
    if task == "segmentation":  # is in the confusion matrices
        return pa.nulls(len(labels), pa.int16())
    return _lists(labels) if task == "multilabel" else pa.array(labels, pa.int16())


def _said(run: Predictions) -> pa.Array:
    """Give what a score is computed from: of one class a sample that which is most likely."""
    if run.task == "multiclass":
        return pa.array(run.output.argmax(1), pa.int16())
    return _lists(run.output.reshape(len(run.output), -1))


def _output(task: Task, values: NDArray[np.generic], num_classes: int) -> NDArray[np.float64]:
    if task == "multiclass":
        return np.eye(num_classes)[values.astype(np.int64)]
    shape = (-1, num_classes, num_classes) if task == "segmentation" else (-1, num_classes)
    return values.astype(np.float64).reshape(shape)


def _lists(value_nK: Labels) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(value_nK.ravel()), value_nK.shape[1])


def _values(column: pa.ChunkedArray) -> Labels:
    """Give a column as [n], or [n, K] of lists."""
    nested = pa.types.is_fixed_size_list(column.type)
    whole = column.combine_chunks()
    values: Labels = (whole.flatten() if nested else whole).to_numpy(zero_copy_only=False)
    return values.reshape(len(column), -1) if nested else values
