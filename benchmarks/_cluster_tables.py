"""Tables of docs/clusters.md from the stored results of `cluster.py`."""

import statistics

from _results import source, stored, table


def cluster_inertia():
    """One level of clusters, beside scikit-learn's k-means."""
    rows = stored("cluster")["inertia"]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    of = {name: [row for row in rows if row["method"] == name] for name in methods}
    best = statistics.mean(row["inertia"] for row in of["KMeans"])
    lines = [
        [f"`{name}`" if name == "minortom cluster" else f"scikit-learn's `{name}`",
         ", ".join(f"{row['inertia'] / best:.3f}" for row in found),
         f"{statistics.mean(row['seconds'] for row in found):.0f}"]
        for name, found in of.items()
    ]  # fmt: skip
    head = ["method", "inertia of each seed, as a multiple of the mean of `KMeans`",
            "seconds of processor time"]  # fmt: skip
    return f"{table(head, lines)}\n\n{source('cluster')}"


def cluster_levels():
    """Clusters of clusters, weighted and plain."""
    rows = stored("cluster")["levels"]
    weighted, plain = (
        statistics.mean(row[name] / row["direct"] for row in rows) for name in ("weighted", "plain")
    )
    return (
        f"Measured on 20,000 made-up vectors in 1,000 and 50 clusters (mean of {len(rows)} seeds): "
        f"the inertia of the vectors around the 50 centres is {weighted:.3f} × that of k-means of "
        f"the vectors themselves, and {plain:.3f} × with centres of equal weight."
    )


def cluster_strata():
    """Clusters as strata, beside other strata and random cells."""
    found = stored("cluster")["strata"]
    rows = [
        [f"{way} ({len(runs)} draws)", *(f"{100 * statistics.mean(run[key] for run in runs):.1f} %"
                for key in ("rare_share", "accuracy", "rare_accuracy"))]
        for way, runs in found.items()
    ]  # fmt: skip
    head = ["strata", "cells of rare classes", "average accuracy", "accuracy on rare classes"]
    return table(head, rows)


def cluster_range():
    """Return a sentence on the accuracies of clusters and of random draws."""
    found = stored("cluster")["strata"]
    draws = [run["accuracy"] for run in found["random cells"]]
    low, high = min(draws), max(draws)
    inside = all(
        low <= run["accuracy"] <= high
        for way, runs in found.items() if way.endswith("clusters") for run in runs
    )  # fmt: skip
    return (
        f"Clusters do not find these rare classes: their share is that of random cells, and "
        f"{'all' if inside else 'not all'} accuracies of clusters lie within the range of the "
        f"{len(draws)} random draws ({100 * low:.0f} to {100 * high:.0f} %)."
    )


CLUSTER_TABLES = {
    "cluster-inertia": cluster_inertia, "cluster-levels": cluster_levels,
    "cluster-strata": cluster_strata, "cluster-range": cluster_range,
}  # fmt: skip
