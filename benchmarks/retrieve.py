"""Time the search for the ten nearest of 250,000 vectors: exact, and with an inverted file.

    python benchmarks/retrieve.py [--archive 250000] [--queries 2000] [--width 768]

The vectors are synthetic: clusters of different sizes, as in land cover, with noise as large as
the distances between the clusters. Memory is the peak of the process.
"""

import argparse
import resource
import time

import numpy as np

from csmoe_model.retrieval.nearest import nearest

CLUSTERS = 500


def made_up(count, width, rng, centres):
    """Draw vectors around the centres; a few centres are frequent."""
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
        print(f"{index:5} {seconds:6.1f} s including the index, {options.queries:,} queries")
    pairs = zip(found["exact"], found["ivf"], strict=True)
    recall = np.mean([len(set(exact) & set(quick)) / 10 for exact, quick in pairs])
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"ivf finds {recall:.1%} of the ten nearest; peak memory {peak_gb:.1f} GB")


if __name__ == "__main__":
    main()
