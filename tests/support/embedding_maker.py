"""Files of embeddings: in the layout of Major TOM, and as `csmoe embed` writes them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from minortom.grid.cells import whole_grid
from minortom.io.provenance import Provenance

CLUMPS = 5


def cell_names(count, seed=0):
    """Return names of random cells, in no order."""
    grid = whole_grid()
    rows = np.random.default_rng(seed).choice(len(grid), count, replace=False)
    return grid.take(rows).names().tolist()


def clumped(count, width=8, clumps=CLUMPS, seed=0, spread=0.1):
    """Return vectors in clumps of different sizes, and the clump of each."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=(clumps, width)) * 3
    shares = np.arange(clumps, 0, -1) / (clumps * (clumps + 1) / 2)
    clump = rng.permutation(np.repeat(np.arange(clumps), np.ceil(shares * count).astype(int)))
    clump = clump[:count]
    vectors = centre[clump] + rng.normal(size=(count, width)) * spread
    return vectors.astype(np.float32), clump


def write_fragments(path, cells, vectors, *, kind=None):
    """Write rows in the layout of Major TOM: the columns of its embeddings that matter here."""
    values = pa.array([None if v is None else list(map(float, v)) for v in vectors])
    table = pa.table(
        {
            "unique_id": [f"{number:064x}" for number in range(len(cells))],
            "embedding": values.cast(kind or pa.list_(pa.float32())),
            "timestamp": ["20200101T000000"] * len(cells),
            "grid_cell": cells,
        }
    )
    pq.write_table(table, path, row_group_size=64)
    return path


def write_embeddings(path, cells, by_sensor, *, weights="a" * 64, licences=("made up",)):
    """Write rows as `csmoe embed` does: the vectors of a patch stand in successive rows."""
    names = list(by_sensor)
    stacked = np.stack([by_sensor[name] for name in names], axis=1).astype(np.float32)
    flat = pa.array(stacked.reshape(-1))
    table = pa.table(
        {
            "grid_cell": np.repeat(cells, len(names)),
            "sensor": names * len(cells),
            "vector": pa.FixedSizeListArray.from_arrays(flat, stacked.shape[-1]),
        }
    )
    provenance = Provenance(
        command="embed", options={}, inputs={"weights": weights}, licences=licences
    )
    metadata = {"minortom": provenance.to_json()}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path
