"""Measure `minortom cluster`: inertia, levels, and clusters as strata of a selection.

    python benchmarks/cluster.py [inertia] [levels] [strata] [--seeds 0,1]

- inertia: one level of 200 clusters of 50,000 made-up embeddings of width 768, beside
  scikit-learn's KMeans and MiniBatchKMeans. Each has starts of its own.
- levels: clusters of clusters, with centres weighted by their vectors and with equal weights.
- strata: 2,000 cells with the shares of land cover of the synthetic planet. Each way selects 200
  cells; a linear probe is trained on them and tested far away on all classes alike.

All parts are stored in `results/cluster.json`; a part that is not run keeps its results.
"""

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import mean

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from _planet_models import pretrained, shards
from _results import RESULTS, store, stored
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import minortom
from csmoe_model.data.loader import Loader
from csmoe_model.data.sampler import OrderedBatches
from csmoe_model.extractors.checkpoint import load_encoder
from minortom.grid.cells import whole_grid
from minortom.shards.shard_set import ShardSet

COUNT, WIDTH, K = 50_000, 768, 200
CLUMPS, LATENT = 600, 48
NATURAL = {
    10: 0.2715, 20: 0.1193, 30: 0.2193, 40: 0.1678, 50: 0.0174, 60: 0.1075, 70: 0.0225, 80: 0.0208,
    90: 0.0258, 95: 0.0051, 100: 0.0230,
}  # fmt: skip
"""Share of the land cells of the synthetic planet (seed 0) with each land cover."""
RARE = [f"class_{code}" for code, share in NATURAL.items() if share < 0.02]
POOL, TESTED = 2000, 60
"""Cells of the pool, and patches of each land cover in the test."""
SELECTED, SELECTIONS, RANDOM_DRAWS = 200, 3, 3


def made_up(count=COUNT, width=WIDTH, seed=0):
    """Return embeddings: overlapping clumps, a few of them large, in a part of the space."""
    rng = np.random.default_rng(seed)
    basis = rng.normal(size=(LATENT, width)) / np.sqrt(width)
    spread = 1 / np.sqrt(np.arange(1, LATENT + 1))
    centres = rng.normal(size=(CLUMPS, LATENT)) * spread * 4
    shares = 1 / np.arange(1, CLUMPS + 1)
    clump = rng.choice(CLUMPS, count, p=shares / shares.sum())
    latent = centres[clump] + rng.normal(size=(count, LATENT)) * spread * 1.5
    return (latent @ basis + rng.normal(size=(count, width)) * 0.03).astype(np.float32)


def write(path, names, vectors):
    """Write embeddings in the layout of Major TOM."""
    width = vectors.shape[1]
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), width)
    pq.write_table(pa.table({"grid_cell": names, "embedding": column}), path)
    return path


def inertia_of(vectors, centres):
    """Return the sum of squared distances to the nearest centre, in double precision."""
    total = 0.0
    for rows in np.array_split(vectors.astype(np.float64), 20):
        squares = (rows**2).sum(1)[:, None] - 2 * rows @ centres.T + (centres**2).sum(1)
        total += float(squares.min(axis=1).sum())
    return total


def timed(function):
    """Return the result of a call, and the seconds of processor time that it took."""
    began = time.process_time()
    return function(), time.process_time() - began


def measure_inertia(folder, seeds):
    """Compare one level of ours with scikit-learn's two."""
    vectors = made_up()
    names = whole_grid().take(np.arange(COUNT) * 100).names()
    path = write(folder / "inertia.parquet", names, vectors)
    rows = []
    for seed in seeds:
        out = folder / f"{seed}.parquet"

        def ours(seed=seed, out=out):
            made = minortom.cluster(path, k=K, metric="euclidean", seed=seed, workers=1, out=out)
            return np.stack(pq.read_table(made.centroids)["vector"].to_numpy())

        def theirs(kind, seed=seed):
            return kind(K, n_init=1, random_state=seed + 100).fit(vectors).cluster_centers_

        for name, method in (
            ("minortom cluster", ours), ("KMeans", partial(theirs, KMeans)),
            ("MiniBatchKMeans", partial(theirs, MiniBatchKMeans)),
        ):  # fmt: skip
            centres, seconds = timed(method)
            found = inertia_of(vectors, centres.astype(np.float64))
            rows.append({"method": name, "seed": seed, "inertia": found, "seconds": seconds})
            print(rows[-1], flush=True)
    return rows


def measure_levels(folder, seeds):
    """Compare the inertia of the vectors around coarse centres, weighted and plain."""
    vectors = made_up(20_000, 64, seed=1)
    names = whole_grid().take(np.arange(len(vectors)) * 200).names()
    path = write(folder / "levels.parquet", names, vectors)
    rows = []
    for seed in seeds:
        made = minortom.cluster(
            path, k=(1000, 50), metric="euclidean", seed=seed, out=folder / f"levels-{seed}.parquet"
        )
        table = pq.read_table(made.centroids)
        levels = table["level"].to_numpy()
        centres = np.stack(table["vector"].to_numpy()).astype(np.float64)
        fine = centres[levels == 1]
        plain = KMeans(50, n_init=3, random_state=seed).fit(fine).cluster_centers_
        direct = KMeans(50, n_init=1, random_state=seed).fit(vectors).cluster_centers_
        rows.append({
            "seed": seed, "weighted": inertia_of(vectors, centres[levels == 2]),
            "plain": inertia_of(vectors, plain),
            "direct": inertia_of(vectors, direct.astype(np.float64)),
        })  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def embedded(name, model, choose, work):
    """Return chosen patches of the planet's shards, with the vectors of both sensors.

    Args:
        name: Name of the shards.
        model: Seed of the model.
        choose: Function from the metadata to the numbers of the patches.
        work: Folder where the vectors are kept.
    """
    data, kept = ShardSet.open(shards(name)), work / f"{name}-{model}.npz"
    metadata = data.metadata(("grid_cell", "split", "climate", "landcover", "lat", "lon"))
    rows = choose(metadata)
    if not kept.exists():
        extractor = load_encoder(pretrained(f"seed-{model}"))
        batches = OrderedBatches(samples=rows, batch_size=64)
        found = []
        for batch in Loader(data, batches, workers=1, device=extractor.device):
            with torch.inference_mode():
                vectors = extractor.stored_vectors(batch.tensors)
            found.append(((vectors["s2"] + vectors["s1"]) / 2).float().numpy())
        np.savez(kept, vectors=np.concatenate(found))
    with np.load(kept) as stored_vectors:
        return metadata.take(rows), stored_vectors["vectors"]


def natural_pool(metadata):
    """Return patches, one a cell, with the planet's shares of land cover."""
    rng, classes = np.random.default_rng(0), metadata["landcover"].to_numpy()
    rows = [
        rng.choice(np.flatnonzero(classes == f"class_{code}"), round(share * POOL), replace=False)
        for code, share in NATURAL.items()
    ]
    return np.sort(np.concatenate(rows))


def balanced_test(metadata):
    """Return patches of the test split, as many of each land cover."""
    rng, classes = np.random.default_rng(0), metadata["landcover"].to_numpy()
    is_test = metadata["split"].to_numpy() == "test"
    rows = [
        rng.choice(np.flatnonzero((classes == f"class_{code}") & is_test), TESTED, replace=False)
        for code in NATURAL
    ]
    return np.sort(np.concatenate(rows))


def selections(pool, vectors, folder, seed):
    """Yield the name of each way to select, and the cells that it selects."""
    rng, names = np.random.default_rng(seed), pool["grid_cell"].to_pylist()
    for _ in range(RANDOM_DRAWS):
        yield "random cells", rng.choice(names, SELECTED, replace=False).tolist()
    path = write(folder / f"pool-{seed}.parquet", names, vectors)
    for k in ((100, 20), (SELECTED,)):
        out = folder / f"strata-{seed}-{k[0]}.parquet"
        made = minortom.cluster(path, k=k, out=out, seed=seed).table
        for level, count in enumerate(k, start=1):
            column = made[f"cluster_{level}"].to_numpy()
            by_cell = dict(zip(made["grid_cell"].to_pylist(), column.tolist(), strict=True))
            strata = [str(by_cell[name]) for name in names]
            yield f"{count} clusters", selected(pool, strata, seed)
    yield "climate", selected(pool, pool["climate"].to_pylist(), seed)
    both = zip(pool["climate"].to_pylist(), pool["landcover"].to_pylist(), strict=True)
    yield "climate × land cover", selected(pool, ["/".join(pair) for pair in both], seed)


def selected(pool, strata, seed):
    """Return cells that `minortom sample` draws at random from strata, as many of each."""
    tiles = pool.append_column("stratum", pa.array(strata))
    made = minortom.sample(tiles, tiles=SELECTED, method="random", seed=seed, workers=1)
    return made.table["grid_cell"].to_pylist()


def measure_strata(folder, seeds):
    """Measure the share of rare classes in selections, and probes that are trained on them."""
    found = {}
    for model in seeds:
        pool, x = embedded("pretraining", model, natural_pool, folder)
        test, test_x = embedded("probing", model, balanced_test, folder)
        truth, classes = (table["landcover"].to_numpy() for table in (test, pool))
        for seed in range(10 * model, 10 * model + SELECTIONS):
            for way, chosen in selections(pool, x, folder, seed):
                rows = np.isin(pool["grid_cell"].to_numpy(), chosen)
                run = probed(x[rows], classes[rows], test_x, truth)
                found.setdefault(way, []).append(run)
        for way, runs in found.items():
            print(way, {key: round(mean(run[key] for run in runs), 3) for key in runs[0]})
    return found


def probed(x, classes, test_x, truth):
    """Return the share of rare classes in a selection, and the accuracies of a linear probe."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    right = probe.fit(x, classes).predict(test_x) == truth
    by_class = {name: float(right[truth == name].mean()) for name in np.unique(truth)}
    return {
        "cells": len(x), "rare_share": float(np.isin(classes, RARE).mean()),
        "accuracy": mean(by_class.values()), "rare_accuracy": mean(by_class[name] for name in RARE),
    }  # fmt: skip


PARTS = {"inertia": measure_inertia, "levels": measure_levels, "strata": measure_strata}


def main():
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--seeds", default="0,1", help="seeds, and models of the planet")
    parser.add_argument("--work", type=Path, help="folder to keep embeddings in")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    found = stored("cluster") if (RESULTS / "cluster.json").exists() else {}
    found = {name: found[name] for name in PARTS if name in found}
    with tempfile.TemporaryDirectory() as temporary:
        for name in options.parts or PARTS:
            place = Path(temporary) / name
            place.mkdir()
            if name == "strata" and options.work is not None:
                place = options.work
            found[name] = PARTS[name](place, seeds)
            store("cluster", found)


if __name__ == "__main__":
    main()
