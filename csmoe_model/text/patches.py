"""Patches with their vectors and columns: from embeddings, shards and annotated tiles.

Axes, as name suffixes:
    n  patches    D  width of a vector
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from csmoe_model.choices import BOTH, SensorChoice
from csmoe_model.inference.embeddings import (
    PATCH,
    PatchNumbers,
    Vectors,
    check_embeddings,
    read_rows,
)
from csmoe_model.retrieval.hits import check_shards, recorded_sha256
from csmoe_model.text.attributes import TIME
from minortom.errors import InputError
from minortom.io.provenance import sha256_of
from minortom.io.table_columns import read_table
from minortom.io.up_to_date import stored_licences
from minortom.shards.shard_set import ShardSet

_OWN = ("vector", "sensor", "bbox", "geometry")
_PLACE = ("lat", "lon")
_OF_PATCH = (*PATCH, "split", *_PLACE)
"""Columns that embeddings have for each patch, which a table of tiles does not replace."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Patches:
    """Vectors of one sensor, and what the columns say about their patches."""

    source: Path
    """The embeddings."""
    sensor: str
    made_by: str
    """Hash of the extractor that made the vectors."""
    licences: tuple[str, ...]
    """Licences of the vectors."""
    table: pa.Table
    """One row for each vector."""
    vector_nD: Vectors

    @classmethod
    def read(
        cls, embeddings: Path, sensor: SensorChoice | None = None,
        *, advice: str = "give another --sensor",
    ) -> "Patches":  # fmt: skip
        """Read the vectors of a sensor, with all columns.

        Args:
            embeddings: GeoParquet file from `csmoe embed`.
            sensor: `s2`, `s1` or `both`; when None, `both`, or the only one that the file has.
            advice: What to do if the file lacks the sensor, for the error message.

        Raises:
            InputError: If the embeddings have no cells, lack the sensor, do not record their
                extractor, or cannot be read.
        """
        check_embeddings(embeddings)
        names = [name for name in pq.read_schema(embeddings).names if name not in _OWN]
        texts = [name for name in ("split", "climate", "landcover") if name in names]
        read_table(embeddings, [*_PLACE, *texts], made_by="csmoe embed CHECKPOINT SHARDS")
        chosen = _sensor_in(embeddings, sensor, advice)
        table, vector_nD = read_rows(embeddings, chosen, names)
        table = table.select(names).combine_chunks()
        repeated = table.group_by(list(PATCH)).aggregate([([], "count_all")])
        twice = repeated.filter(pc.greater(repeated["count_all"], 1))
        if len(twice):
            [first] = twice.slice(0, 1).to_pylist()
            raise InputError(
                f"expected one vector of {chosen} for each patch in {embeddings}, found several "
                f"for {':'.join(str(first[name]) for name in PATCH)}; remove the repeated rows"
            )
        return cls(
            source=embeddings, sensor=chosen, table=table, vector_nD=vector_nD,
            made_by=recorded_sha256(embeddings, "weights"), licences=stored_licences(embeddings),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.table)

    @property
    def cell_n(self) -> NDArray[np.str_]:
        """Name of each patch's cell."""
        return np.array(self.table["grid_cell"].to_pylist(), np.str_)

    @property
    def sha256(self) -> str:
        """Hash of the embeddings."""
        return sha256_of(self.source)

    def with_times(self, shards: Path) -> "Patches":
        """Add the date of the Sentinel-2 image of each patch, from the shards.

        Raises:
            InputError: If the embeddings were made from other shards.
            ShardError: If the shards are missing or damaged.
        """
        data = ShardSet.open(shards)
        check_shards(self.source, data)
        times = data.metadata([TIME])[TIME]
        found = times.take(PatchNumbers(data).samples_of(self.table, self.source))
        return self._with(self.table.append_column(TIME, found))

    def with_tiles(self, annotated: Path) -> "Patches":
        """Add the columns of the cell of each patch; those of the same name are replaced.

        Raises:
            InputError: If the table cannot be read, lacks a cell or has one twice.
        """
        tiles = read_table(annotated, None, made_by="minortom annotate")
        _existing_cell(tiles, annotated)
        cells = tiles["grid_cell"].combine_chunks()
        place = pc.index_in(self.table["grid_cell"].cast(pa.string()), value_set=cells)
        missing = self.table.filter(pc.is_null(place))
        if len(missing):
            raise InputError(
                f"expected the cells of {self.source} in {annotated}, found none with the name "
                f"{missing['grid_cell'][0]}; give the table that the shards were made from"
            )
        table = self.table
        for name in tiles.column_names:
            if name in (*_OF_PATCH, *_OWN):
                continue
            column = tiles[name].take(place)
            if name in table.column_names:
                table = table.set_column(table.schema.get_field_index(name), name, column)
            else:
                table = table.append_column(name, column)
        return self._with(table)

    def _with(self, table: pa.Table) -> "Patches":
        return replace(self, table=table)


def _existing_cell(tiles: pa.Table, path: Path) -> None:
    if "grid_cell" not in tiles.column_names:
        raise InputError(
            f"{path} must have the column grid_cell, found {', '.join(tiles.column_names)}; give "
            "the output of `minortom annotate`"
        )
    counts = pc.value_counts(tiles["grid_cell"].combine_chunks())
    for entry in counts.filter(pc.greater(counts.field("counts"), 1)):
        raise InputError(
            f"expected each cell once in {path}, found {entry['counts']} rows of "
            f"{entry['values']}; remove the repeated rows"
        )


def _sensor_in(embeddings: Path, sensor: SensorChoice | None, advice: str) -> str:
    """Return the sensor to read, which the file must have."""
    column = pq.read_table(embeddings, columns=["sensor"])["sensor"].cast(pa.string())
    found = sorted(name for name in pc.unique(column).to_pylist() if name)
    only = found[0] if len(found) == 1 else BOTH
    chosen = only if sensor is None else sensor
    if chosen not in found:
        raise InputError(
            f"expected vectors of {chosen} in {embeddings}, found those of "
            f"{', '.join(found) or 'no sensor'}; {advice}"
        )
    return chosen
