"""Predictions of every probe for every test sample, stored for paired comparisons later."""

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
from minortom.io.atomic_write import atomic_file
from minortom.io.parse import parse_json
from minortom.io.provenance import KEY, Provenance

PREDICTIONS = "predictions.parquet"
_SET = "set"
"""Key of the file metadata with the task and the classes."""
_SEPARATOR = " / "
"""Separates features, probe and number of the seed in a column name."""

RowName = tuple[str, str]
"""Names of the features and of the probe."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictionTable:
    """Predictions of each row of a result for the test split of a set."""

    classes: tuple[str, ...]
    groups: NDArray[np.str_] | None
    truth: Labels
    of: dict[RowName, list[Predictions]]
    """Predictions for each seed, by features and probe."""


def write_predictions(
    out: Path, data: LabelledSet, rows: Sequence[Row], provenance: Provenance
) -> None:
    """Write a Parquet file with a row for each test sample, in the order of the set.

    Columns are `group` (what intervals draw; null where that is single samples), `truth`, and one
    for the predictions of each probe, named `features / probe / number of the seed`. A class is an
    index into `classes` in the file metadata. Labels of a multilabel set are lists: booleans in
    `truth`, probabilities in the predictions. For segmentation `truth` is null and predictions are
    the confusion matrix of the sample, row by row.
    """
    test = data.split("test")
    groups = test.independent if test.independent is not None else [None] * len(test)
    columns = {"group": pa.array(groups, pa.string()), "truth": _truth(data.task, test.labels)}
    for row in rows:
        for number, run in enumerate(row.runs):
            columns[_SEPARATOR.join((row.features, row.probe, str(number)))] = _column(run)
    metadata = json.dumps({"task": data.task, "classes": data.classes}, ensure_ascii=False)
    table = pa.table(columns).replace_schema_metadata({KEY: provenance.to_json(), _SET: metadata})
    with atomic_file(out) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_predictions(path: Path) -> PredictionTable:
    """Read a file of `write_predictions`.

    Raises:
        InputError: If the file is missing or has another content.
    """
    try:
        table = pq.read_table(path)
        metadata = parse_json(table.schema.metadata[_SET.encode()])
        task, classes = metadata["task"], tuple(metadata["classes"])
        groups = table["group"]
        truth = _checked_truth(task, _values(table["truth"]), len(classes))
        predictions = _predictions(table, task, truth, len(classes))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; make it with `csmoe probe`") from None
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException):
        raise InputError(
            f"{path} must be a file of predictions, found another content; make it with `csmoe "
            "probe`"
        ) from None
    return PredictionTable(
        classes=classes, truth=truth, of=predictions,
        groups=None if groups.null_count else groups.to_numpy().astype(str),
    )  # fmt: skip


def _predictions(
    table: pa.Table, task: Task, truth: Labels, num_classes: int
) -> dict[RowName, list[Predictions]]:
    """Return the predictions for each seed, by features and probe; ValueError for other values."""
    found: dict[RowName, list[Predictions]] = {}
    for name in table.column_names[2:]:
        features, probe, _ = name.split(_SEPARATOR)
        output = _output(task, _values(table[name]), num_classes)
        found.setdefault((features, probe), []).append(
            Predictions(task=task, truth=truth, output=output)
        )
    return found


def _checked_truth(task: Task, truth: Labels, num_classes: int) -> Labels:
    """Return labels; ValueError unless they are numbers of classes, or yes or no for each class."""
    if task == "multiclass":
        return _class_numbers(truth, num_classes)
    if task == "multilabel" and not (
        truth.shape[1:] == (num_classes,) and np.isin(truth, (0, 1)).all()
    ):
        raise ValueError("no truth of several labels")
    return truth


def _class_numbers(values: NDArray[np.generic], num_classes: int) -> NDArray[np.int64]:
    """Return whole numbers from 0 to K − 1; ValueError for others."""
    with np.errstate(invalid="ignore"):
        found = values.astype(np.int64)
    fits = (found == values) & (found >= 0) & (found < num_classes)
    if found.ndim != 1 or not fits.all():
        raise ValueError("no numbers of classes")
    return found


def _truth(task: Task, labels: Labels) -> pa.Array:
    if task == "segmentation":  # the confusion matrices contain it
        return pa.nulls(len(labels), pa.int16())
    return _lists(labels) if task == "multilabel" else pa.array(labels, pa.int16())


def _column(run: Predictions) -> pa.Array:
    """Return predictions as a column; for multiclass only the most probable class."""
    if run.task == "multiclass":
        return pa.array(run.output.argmax(1), pa.int16())
    return _lists(run.output.reshape(len(run.output), -1))


def _output(task: Task, values: NDArray[np.generic], num_classes: int) -> NDArray[np.float64]:
    if task == "multiclass":
        return np.eye(num_classes)[_class_numbers(values, num_classes)]
    shape = (num_classes, num_classes) if task == "segmentation" else (num_classes,)
    output = values.astype(np.float64).reshape(len(values), *shape)
    if not np.isfinite(output).all():
        raise ValueError("no finite predictions")
    return output


def _lists(value_nK: Labels) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(value_nK.ravel()), value_nK.shape[1])


def _values(column: pa.ChunkedArray) -> Labels:
    """Return a column as [n], or a column of lists as [n, K]."""
    nested = pa.types.is_fixed_size_list(column.type)
    whole = column.combine_chunks()
    values: Labels = (whole.flatten() if nested else whole).to_numpy(zero_copy_only=False)
    return values.reshape(len(column), -1) if nested else values
