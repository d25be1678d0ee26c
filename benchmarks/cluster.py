"""Measure `minortom cluster`: inertia, levels, and clusters as strata of a selection.

    python benchmarks/cluster.py [inertia] [levels] [strata] [--seeds 0,1]

- inertia: one level of 200 clusters of 50,000 made-up embeddings of width 768, beside
  scikit-learn's KMeans and MiniBatchKMeans. Each has starts of its own.
- levels: clusters of clusters, with centres weighted by their vectors and with equal weights.
- strata: a pool of cells with the shares of land cover of the synthetic planet. Each way selects
  400 cells; a linear probe is trained on them and tested far away on all classes alike.

All parts are stored in `results/cluster.json`; a part that is not run keeps its results.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import mean

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _planet_models import csmoe, pretrained, shards
from _results import RESULTS, store, stored
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import minortom
from minortom.grid.cells import whole_grid

COUNT, WIDTH, K = 50_000, 768, 200
CLUMPS, LATENT = 600, 48
NATURAL = {
    10: 0.2715, 20: 0.1193, 30: 0.2193, 40: 0.1678, 50: 0.0174, 60: 0.1075, 70: 0.0225, 80: 0.0208,
    90: 0.0258, 95: 0.0051, 100: 0.0230,
}  # fmt: skip
"""Share of the land cells of the synthetic planet (seed 0) with each land cover."""
RARE = [f"class_{code}" for code, share in NATURAL.items() if share < 0.02]
SELECTED, POOLS, RANDOM_DRAWS = 400, 3, 3


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
        ours, seconds = timed(
            lambda seed=seed: minortom.cluster(
                path, k=K, metric="euclidean", seed=seed, workers=1, out=folder / f"{seed}.parquet"
            )
        )
        centres = np.stack(pq.read_table(ours.centroids)["vector"].to_numpy()).astype(np.float64)
        rows.append({"method": "minortom cluster", "seed": seed, "seconds": seconds,
                     "inertia": inertia_of(vectors, centres), "iterations": ours.iterations})  # fmt: skip
        for kind in (KMeans, MiniBatchKMeans):
            model = kind(K, n_init=1, random_state=seed + 100)
            _, seconds = timed(lambda model=model: model.fit(vectors))
            found = inertia_of(vectors, model.cluster_centers_.astype(np.float64))
            rows.append({"method": kind.__name__, "seed": seed, "seconds": seconds,
                         "inertia": found, "iterations": int(model.n_iter_)})  # fmt: skip
        print(*rows[-3:], sep="\n", flush=True)
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


def embedded(name, seed, folder):
    """Return the vectors of both sensors of a model of the planet, with their metadata."""
    out = folder / f"{name}-seed-{seed}.parquet"
    if not out.exists():
        csmoe("embed", pretrained(f"seed-{seed}"), shards(name), "--out", out)
    columns = ["grid_cell", "split", "climate", "landcover", "lat", "lon", "sensor", "vector"]
    table = pq.read_table(out, columns=columns)
    return table.filter(pa.compute.equal(table["sensor"], "both")).drop_columns("sensor")


def natural_pool(table, rng):
    """Return cells of the pretraining shards with the planet's shares of land cover."""
    classes = table["landcover"].to_numpy()
    largest = max(NATURAL, key=NATURAL.get)
    total = (classes == f"class_{largest}").sum() / NATURAL[largest]
    rows = [
        rng.choice(there, min(round(share * total), len(there)), replace=False)
        for code, share in NATURAL.items()
        for there in [np.flatnonzero(classes == f"class_{code}")]
    ]
    pool = table.take(np.sort(np.concatenate(rows)))
    strata = pa.compute.binary_join_element_wise(pool["climate"], pool["landcover"], "/")
    return pool.append_column("stratum", strata)


def selections(pool, folder, seed):
    """Yield the name of each way to select, and the cells that it selects."""
    rng = np.random.default_rng(seed)
    names = pool["grid_cell"].to_pylist()
    for _ in range(RANDOM_DRAWS):
        yield "random cells", set(rng.choice(names, SELECTED, replace=False).tolist())
    vectors = np.stack(pool["vector"].to_numpy())
    path = write(folder / f"pool-{seed}.parquet", names, vectors)
    tiles = pool.drop_columns("vector")
    for k in ((100, 20), (400,)):
        out = folder / f"strata-{seed}-{k[0]}.parquet"
        made = minortom.cluster(path, k=k, out=out, seed=seed).table
        joined = tiles.join(made.drop_columns(["lat", "lon", "bbox", "geometry"]), "grid_cell")
        for level, count in enumerate(k, start=1):
            column = pa.compute.cast(joined[f"cluster_{level}"], pa.string())
            stratified = joined.set_column(
                joined.column_names.index("stratum"), "stratum", column
            ).sort_by("grid_cell")
            yield f"{count} clusters", selected(stratified, seed)
    yield "climate × land cover", selected(tiles, seed)
    yield "climate", selected(tiles.set_column(
        tiles.column_names.index("stratum"), "stratum", tiles["climate"]), seed)  # fmt: skip


def selected(tiles, seed):
    """Return cells that `minortom sample` draws at random from the strata, as many of each."""
    made = minortom.sample(tiles, tiles=SELECTED, method="random", seed=seed, workers=1)
    return set(made.table["grid_cell"].to_pylist())


def measure_strata(folder, seeds):
    """Measure the share of rare classes in selections, and probes that are trained on them."""
    found = {}
    for model in seeds:
        train, test = embedded("pretraining", model, folder), embedded("probing", model, folder)
        test = test.filter(pa.compute.equal(test["split"], "test"))
        truth, test_x = test["landcover"].to_numpy(), np.stack(test["vector"].to_numpy())
        for number in range(POOLS):
            pool = natural_pool(train, np.random.default_rng([model, number]))
            cells, classes = pool["grid_cell"].to_numpy(), pool["landcover"].to_numpy()
            x = np.stack(pool["vector"].to_numpy())
            for way, chosen in selections(pool, folder, 10 * model + number):
                rows = np.isin(cells, sorted(chosen))
                probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
                right = probe.fit(x[rows], classes[rows]).predict(test_x) == truth
                by_class = {name: right[truth == name].mean() for name in np.unique(truth)}
                found.setdefault(way, []).append({
                    "cells": int(rows.sum()), "rare_share": np.isin(classes[rows], RARE).mean(),
                    "accuracy": mean(by_class.values()),
                    "rare_accuracy": mean(by_class[name] for name in RARE),
                })  # fmt: skip
            print({way: {key: round(mean(map(float, (run[key] for run in runs))), 3)
                         for key in runs[0]} for way, runs in found.items()}, flush=True)  # fmt: skip
    return {way: [{key: round(float(v), 4) for key, v in run.items()} for run in runs]
            for way, runs in found.items()}  # fmt: skip


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
