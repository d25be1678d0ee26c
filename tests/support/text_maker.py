"""Embeddings whose vectors show the land cover and the climate of their patches."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from minortom.io.provenance import Provenance

LANDCOVERS = ("tree_cover", "cropland", "permanent_water")
CLIMATES = ("BWh", "Cfb", "Dfc", "BSk")
SPLITS = ("train", "train", "train", "val", "test")
WEIGHTS = "a" * 64
SHORT = {"epochs": 30, "batch_size": 32, "lr": 1e-2}
"""Options of a quick training."""


def patch_table(cells=40, each=3):
    """Return the columns of patches: all pairs of land cover and climate, on both hemispheres.

    The hemisphere does not depend on land cover and climate.
    """
    cell = np.repeat(np.arange(cells), each)
    rng = np.random.default_rng(3)
    lat = rng.permutation(np.linspace(-60, 60, cells))[cell]
    return pa.table(
        {
            "grid_cell": [f"{number}U_{number}R" for number in cell],
            "patch_row": pa.array(np.tile(np.arange(each), cells), pa.int16()),
            "patch_col": pa.array(np.zeros(len(cell)), pa.int16()),
            "split": [SPLITS[number // 12 % len(SPLITS)] for number in cell],
            "climate": [CLIMATES[number % 4] for number in cell],
            "landcover": [LANDCOVERS[number % 3] for number in cell],
            "lat": lat,
            "lon": np.linspace(-170, 170, len(cell)),
        }
    )


def telling_vectors(table, *, width=12, noise=0.2, seed=0):
    """Return vectors in which land cover and climate are one-hot, with noise."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(0, noise, (len(table), width))
    for number, (cover, climate) in enumerate(
        zip(table["landcover"].to_pylist(), table["climate"].to_pylist(), strict=True)
    ):
        vectors[number, LANDCOVERS.index(cover)] += 1
        vectors[number, 3 + CLIMATES.index(climate)] += 1
    return vectors.astype(np.float32)


def write_patches(path, table=None, *, sensors=("s2", "s1", "both"), weights=WEIGHTS,
                  shards="", vectors=None):  # fmt: skip
    """Write rows as `csmoe embed` does, with the same vector for each sensor."""
    table = patch_table(60) if table is None else table
    vectors = telling_vectors(table) if vectors is None else vectors
    rows = table.take(np.repeat(np.arange(len(table)), len(sensors)))
    flat = pa.array(np.repeat(vectors, len(sensors), axis=0).reshape(-1))
    column = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    rows = rows.append_column("sensor", pa.array(list(sensors) * len(table)))
    rows = rows.append_column("vector", column)
    inputs = {"weights": weights, "shards": shards}
    provenance = Provenance(command="embed", options={}, inputs=inputs, licences=("made up",))
    pq.write_table(rows.replace_schema_metadata({"minortom": provenance.to_json()}), path)
    return path
