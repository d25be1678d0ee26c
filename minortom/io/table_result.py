"""Results that carry a table: made in memory, or written to a GeoParquet file."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from minortom.api.results import NOT_IN_JSON, Result
from minortom.io.memory_tables import to_geopandas

IN_MEMORY = "in memory"
"""Status of a result without a file."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TableResult(Result):
    """Result of a command that makes a table with geometries."""

    out: Path | None
    """The GeoParquet file; None where nothing was written."""
    status: str
    """``written``, ``up to date`` or ``in memory``."""
    made: pa.Table | None = field(default=None, repr=False, metadata=NOT_IN_JSON)
    """The table in memory; None where ``table`` reads it from ``out``."""

    @cached_property
    def table(self) -> pa.Table:
        """The whole table with its schema metadata; read from ``out`` when first used."""
        if self.made is not None:
            return self.made
        assert self.out is not None
        with pq.ParquetFile(self.out) as file:
            return file.read()

    def to_geopandas(self) -> Any:  # noqa: ANN401 - geopandas has no types
        """Return the table as a ``GeoDataFrame``, as ``geopandas.read_parquet`` reads the file."""
        return to_geopandas(self.table)
