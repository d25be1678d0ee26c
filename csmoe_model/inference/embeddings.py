"""Files of embeddings, as `csmoe embed` writes them: read, and checked."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.io.geoparquet import read_table

BOTH = "both"
"""Name of the vectors that are the mean of the two sensors' vectors."""


def read_vectors(path: Path, sensor: str) -> NDArray[np.float32]:
    """Read the vectors of one sensor, [sample, width], in the order of the shards.

    Memory holds these vectors and one row group.

    Args:
        path: GeoParquet file from `csmoe embed`.
        sensor: `s2`, `s1` or `both`.

    Raises:
        InputError: If the file was not written by `csmoe embed`.
    """
    check_embeddings(path)
    parts = []
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            table = file.read_row_group(number, columns=["sensor", "vector"])
            parts.append(_as_array(table.filter(pc.equal(table["sensor"], sensor))["vector"]))
    return np.concatenate(parts)


def check_embeddings(path: Path) -> None:
    """Check that a file has the columns that `csmoe embed` writes.

    Raises:
        InputError: If it does not exist, is not a Parquet file, or has no such column.
    """
    read_table(path, ["sensor", "grid_cell"], made_by="csmoe embed")
    schema = pq.read_schema(path)
    kind = schema.field("vector").type if "vector" in schema.names else pa.null()
    if not pa.types.is_fixed_size_list(kind):
        raise InputError(
            f"expected vectors of one length in the column `vector` of {path}, found {kind}; give "
            "a file that `csmoe embed` wrote"
        )


def _as_array(column: pa.ChunkedArray) -> NDArray[np.float32]:
    flat: NDArray[np.float32] = pc.list_flatten(column).to_numpy()
    return flat.reshape(len(column), -1) if len(column) else flat.reshape(0, column.type.list_size)
