"""Time finding the ten nearest of a quarter of a million vectors: all compared, and by cells.

    python benchmarks/retrieve.py [--archive 250000] [--queries 2000] [--width 768]

Vectors are made up: clusters of unequal size, as of land cover, with noise as wide as the clusters
are apart. Memory is the most that the process ever held.
"""

import argparse
import resource
import time

import numpy as np

from csmoe_model.retrieval.nearest import nearest

CLUSTERS = 500


def made_up(count, width, rng, centres):
    """Draw vectors around the centres, few of which are common."""
    share = 1 / np.arange(1, CLUSTERS + 1)
    which = rng.choice(CLUSTERS, count, p=share / share.sum())
    vectors = rng.standard_normal((count, width), np.float32)
    vectors += centres[which]
    return vectors


def main():
    """Print seconds, recall and memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=int, default=250_000)
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--width", type=int, default=768)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, options.width), np.float32)
    archive = made_up(options.archive, options.width, rng, centres)
    query = made_up(options.queries, options.width, rng, centres)
    found = {}
    for index in ("exact", "ivf"):
        started = time.perf_counter()
        found[index], _ = nearest(query, archive, 10, index=index)
        seconds = time.perf_counter() - started
        print(f"{index:5} {seconds:6.1f} s with making the index, {options.queries:,} queries")
    pairs = zip(found["exact"], found["ivf"], strict=True)
    recall = np.mean([len(set(exact) & set(quick)) / 10 for exact, quick in pairs])
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"of the ten nearest ivf finds {recall:.1%}; {peak_gb:.1f} GB at most")


if __name__ == "__main__":
    main()
