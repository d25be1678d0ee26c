"""Embeddings and tables of tiles for `benchmarks/text.py`."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from csmoe_model.inference.embed_shards import encode_shards
from minortom.io.atomic_write import atomic_file
from minortom.io.provenance import Provenance
from minortom.maps.manifests import named_manifest

COLUMNS = ("grid_cell", "patch_row", "patch_col", "split", "climate", "landcover", "lat", "lon")
SEASONS = ("winter", "spring", "summer", "autumn")


def few_patches(data, each):
    """Return the numbers of the first patches of each cell, ascending."""
    seen, found = Counter(), []
    for number, cell in enumerate(data.metadata(["grid_cell"])["grid_cell"].to_pylist()):
        seen[cell] += 1
        if seen[cell] <= each:
            found.append(number)
    return np.array(found)


def encoded(extractor, data, samples, cache):
    """Return the vectors of some patches by sensor; store them in a file, or read them from it."""
    if not cache.exists():
        parts = [vectors for _, vectors in encode_shards(extractor, data, samples=samples)]
        store_arrays(cache, {n: np.concatenate([part[n] for part in parts]) for n in parts[0]})
    with np.load(cache) as stored:
        return dict(stored)


def store_arrays(path, arrays):
    """Write arrays by name."""
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def store_scores(path, rows):
    """Write the scores of patches by row, kind of query, query and sentence."""
    arrays = {
        f"{row}|{kind}|{query}|{number}": np.asarray(score)
        for row, kinds in rows.items() for kind, queries in kinds.items()
        for query, sentences in enumerate(queries) for number, score in enumerate(sentences)
    }  # fmt: skip
    store_arrays(path, arrays)


def stored_scores(path):
    """Return what `store_scores` wrote."""
    found = {}
    with np.load(path) as stored:
        for name in stored.files:
            row, kind, query, _ = name.split("|")
            queries = found.setdefault(row, {}).setdefault(kind, [])
            if int(query) == len(queries):
                queries.append([])
            queries[int(query)].append(stored[name])
    return found


def write_embeddings(path, table, vectors, weights):
    """Write vectors in the layout of `csmoe embed`, with the hash of their extractor."""
    names = list(vectors)
    rows = table.take(np.repeat(np.arange(len(table)), len(names)))
    stacked = np.stack([vectors[name] for name in names], axis=1).astype(np.float32)
    flat = pa.array(stacked.reshape(-1))
    rows = rows.append_column("sensor", pa.array(names * len(table)))
    rows = rows.append_column("vector", pa.FixedSizeListArray.from_arrays(flat, stacked.shape[-1]))
    made = Provenance(command="embed", options={}, inputs={"weights": weights, "shards": "-"})
    pq.write_table(rows.replace_schema_metadata({"minortom": made.to_json()}), path)


def named_tiles(table):
    """Return a table of the cells with the names of their classes, and a random season."""
    cells = table.take(np.unique(np.array(table["grid_cell"].to_pylist()), return_index=True)[1])
    rng, columns = np.random.default_rng(0), {"grid_cell": cells["grid_cell"]}
    for column, manifest in (("climate", "koppen-geiger-2023"), ("landcover", "worldcover-2021")):
        names = named_manifest(manifest)[1].legend.classes
        columns[column] = [names[int(v.split("_")[1])] for v in cells[column].to_pylist()]
    columns["season"] = rng.choice(SEASONS, len(cells)).tolist()
    return pa.table(columns)


def shuffled(tiles, seed):
    """Return the cells with the classes of other cells."""
    order = np.random.default_rng([seed, 5]).permutation(len(tiles))
    return tiles.take(order).set_column(0, "grid_cell", tiles["grid_cell"])
