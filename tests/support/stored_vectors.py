"""The vectors in a file of embeddings, in the order of the file, read by pyarrow alone."""

import numpy as np
import pyarrow.parquet as pq


def stored_vectors(path, sensor):
    table = pq.read_table(path, columns=["sensor", "vector"])
    rows = [row for row in table.to_pylist() if row["sensor"] == sensor]
    return np.array([row["vector"] for row in rows], np.float32)
