"""File with the centres of clusters, to which other embeddings can be assigned later.

Axes, as name suffixes:
    k  clusters    D  width
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from minortom.api.arguments import one_of
from minortom.api.choices import CellRows, Metric
from minortom.clustering.embedding_files import Embeddings
from minortom.clustering.levels import Level
from minortom.errors import InputError
from minortom.io.provenance import KEY, Provenance
from minortom.io.up_to_date import stored_provenance

_COLUMNS = {
    "level": pa.int32(), "cluster": pa.int32(), "parent": pa.int32(), "size": pa.int64(),
    "vector": None,
}  # fmt: skip
"""Columns with their types; the vectors are lists of one length."""
_EXPECTED = "expected --centroids with a file NAME.centroids.parquet that `minortom cluster` wrote"


@dataclass(frozen=True, kw_only=True, eq=False)
class Centroids:
    """Clusters of all levels, and the embeddings that they were made from."""

    path: Path
    metric: Metric
    rows: CellRows
    sensor: str | None
    model: str | None
    """SHA-256 of the weights of the model; None if unknown."""
    levels: tuple[Level, ...]
    """The finest level first."""

    @property
    def width(self) -> int:
        """Return the length of a centre, D."""
        return int(self.levels[0].centre_kD.shape[1])

    def check(self, embeddings: Embeddings) -> None:
        """Check that embeddings are of the model that the clusters were made with.

        Raises:
            InputError: If they have another width, or are known to be of another model.
        """
        first = embeddings.parts[0].path
        if embeddings.width != self.width:
            raise InputError(
                f"expected embeddings of width {self.width}, as the centroids in {self.path}, "
                f"found {embeddings.width} in {first}; give those of the same model"
            )
        if None not in (self.model, embeddings.model) and self.model != embeddings.model:
            raise InputError(
                f"expected embeddings of the model {str(self.model)[:12]}… (SHA-256 of its "
                f"weights), as the centroids in {self.path}, found {str(embeddings.model)[:12]}… "
                f"in {first}; embed with the same model"
            )


def write_centroids(levels: Sequence[Level], path: Path, provenance: Provenance) -> None:
    """Write one row for each cluster, level by level."""
    pq.write_table(_table(levels).replace_schema_metadata({KEY: provenance.to_json()}), path)


def _table(levels: Sequence[Level]) -> pa.Table:
    width = levels[0].centre_kD.shape[1]
    parents: list[int | None] = []
    for level in levels:
        known = level.parent_k
        parents += [None] * len(level) if known is None else known.tolist()
    values = np.concatenate([level.centre_kD.reshape(-1) for level in levels])
    numbers = [np.full(len(level), n, np.int32) for n, level in enumerate(levels, start=1)]
    return pa.table(
        {
            "level": np.concatenate(numbers),
            "cluster": np.concatenate([np.arange(len(level), dtype=np.int32) for level in levels]),
            "parent": pa.array(parents, pa.int32()),
            "size": np.concatenate([level.size_k for level in levels]),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(values), width),
        }
    )


def given_centroids(path: Path, *, rows: CellRows | None) -> Centroids:
    """Read clusters, and replace their rule for several rows of a cell unless it is None.

    Raises:
        InputError: As `read_centroids` does, or if the rule is unknown.
    """
    found = read_centroids(path)
    if rows is None:
        return found
    one_of("rows", rows, get_args(CellRows))
    return replace(found, rows=rows)


def read_centroids(path: Path) -> Centroids:
    """Read the clusters that `write_centroids` wrote.

    Raises:
        InputError: If the file is missing, damaged, or was not written by this command.
    """
    if not path.exists():
        raise InputError(f"{_EXPECTED}, found no file {path}; check the path")
    record = stored_provenance(path) or {}
    options = record.get("options")
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        found = str(error).splitlines()[0]
        raise InputError(f"{_EXPECTED}, cannot read {path} ({found})") from None
    is_ours = record.get("command") == "cluster" and isinstance(options, dict)
    if not (is_ours and _has_layout(table.schema)):
        raise InputError(f"{_EXPECTED}, found another file, {path}")
    assert isinstance(options, dict)
    try:
        return _parsed(path, table, options)
    except (ValueError, KeyError, IndexError, AttributeError, pa.ArrowException) as error:
        raise InputError(
            f"{_EXPECTED}, found other values in {path} ({error}); make it again"
        ) from None


def _has_layout(schema: pa.Schema) -> bool:
    """Return whether a file has the columns and types of `write_centroids`."""
    if schema.names != list(_COLUMNS):
        return False
    plain = all(kind in (None, schema.field(name).type) for name, kind in _COLUMNS.items())
    vector = schema.field("vector").type
    return plain and pa.types.is_fixed_size_list(vector) and pa.types.is_float32(vector.value_type)


def _parsed(path: Path, table: pa.Table, options: dict[str, object]) -> Centroids:
    """Return the clusters of a table; raise an error that `read_centroids` explains."""
    count = int(table["level"].to_numpy().max(initial=0))
    if not count or any(table[name].null_count for name in _COLUMNS if name != "parent"):
        raise ValueError("a missing value")
    levels = tuple(_level(table, number, count) for number in range(1, count + 1))
    for level, above in pairwise(levels):
        assert level.parent_k is not None
        if level.parent_k.min() < 0 or level.parent_k.max() >= len(above):
            raise ValueError("a parent that does not exist")
    return Centroids(
        path=path, levels=levels, metric=_choice(options["metric"], get_args(Metric)),
        rows=_choice(options["rows"], get_args(CellRows)),
        sensor=_text(options["sensor"]), model=_text(options["model"]),
    )  # fmt: skip


def _choice(value: object, choices: Sequence[str]) -> Any:  # noqa: ANN401 - a Literal
    if value not in choices:
        raise ValueError(f"{value!r} instead of {' or '.join(choices)}")
    return value


def _level(table: pa.Table, number: int, count: int) -> Level:
    some = table.filter(pa.compute.equal(table["level"], number)).combine_chunks()
    column = some["vector"].combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False)
    clusters = some["cluster"].to_numpy()
    if not len(some) or not np.array_equal(clusters, np.arange(len(some))):
        raise ValueError(f"the clusters of level {number} are not numbered from 0")
    if not np.isfinite(flat).all():
        raise ValueError("NaN or infinity")
    is_last = number == count
    if some["parent"].null_count != (len(some) if is_last else 0):
        raise ValueError("a missing parent")
    return Level(
        centre_kD=flat.reshape(len(some), column.type.list_size),
        size_k=some["size"].to_numpy().astype(np.int64),
        parent_k=None if is_last else some["parent"].to_numpy().astype(np.int64),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
