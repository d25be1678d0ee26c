"""Annotated tiles with numbers and embeddings, which do not depend on place."""

import numpy as np
import pyarrow as pa
from points import annotated_table, random_lonlat

SIZES = {"A/x": 260, "B/y": 140, "C/z": 12}
WIDTH, RANK = 20, 3


def with_columns(table, seed=0):
    """Add a temperature, a precipitation, and embeddings of rank 3 to annotated tiles."""
    rng, n = np.random.default_rng([seed, 7]), len(table)
    vectors = (rng.normal(size=(n, RANK)) @ rng.normal(size=(RANK, WIDTH))).astype(np.float32)
    columns = {
        "temperature": pa.array(rng.normal(285, 10, n)),
        "precipitation": pa.array(rng.lognormal(6, 1, n)),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), WIDTH),
    }
    for name, values in columns.items():
        table = table.append_column(name, values)
    return table


def spread_table(sizes=SIZES, seed=0):
    """Return annotated tiles with these columns."""
    names = [name for name, size in sizes.items() for _ in range(size)]
    return with_columns(annotated_table(*random_lonlat(len(names), seed), names), seed)


def replaced(table, name, values):
    """Return the table with other values in a column."""
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def vectors_of(table):
    return np.array(table["vector"].to_pylist())
