"""How many pairs a second the loader brings, over threads: `python benchmarks/loader.py SHARDS`.

Prints, for each number of threads, the median over epochs of pairs a second with the page
cache warm. Without SHARDS it makes 2,000 pairs of 120 px of noise in a temporary folder.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from csmoe_model.data import Loader
from csmoe_model.order import ShuffledBatches
from minortom.shards import ShardSet


def pairs_per_second(shards, *, workers, batch_size, epochs):
    """Time whole epochs of shuffled batches; the first only warms the cache and the buffers."""
    samples = np.arange(len(shards))
    steps = len(samples) // batch_size
    batches = ShuffledBatches(
        samples=samples, batch_size=batch_size, num_steps=steps * (epochs + 1), seed=0
    )
    started, speeds = time.perf_counter(), []
    for step, _ in enumerate(Loader(shards, batches, workers=workers), start=1):
        if step % steps == 0:
            now = time.perf_counter()
            speeds.append(steps * batch_size / (now - started))
            started = now
    return statistics.median(speeds[1:])


def make_noise(folder, *, num_pairs=2000, patch_px=120):
    """Write shards of noise, with the makers of the tests."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from shard_maker import write_made_up_shards

    write_made_up_shards(folder, num_patches=num_pairs, patch_px=patch_px, rows_per_shard=num_pairs)


def main():
    """Read the options and print a line for each number of threads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", type=Path, nargs="?")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.shards or Path(temporary) / "shards"
        if options.shards is None:
            make_noise(folder)
        shards = ShardSet.open(folder)
        size = shards.spec.sample_bytes
        print(f"{len(shards):,} pairs of {size / 1e3:.1f} kB, batches of {options.batch_size}")
        for workers in (1, 2, 4, 8):
            speed = pairs_per_second(
                shards, workers=workers, batch_size=options.batch_size, epochs=options.epochs
            )
            print(f"{workers} threads: {speed:8,.0f} pairs/s, {speed * size / 1e9:5.2f} GB/s")


if __name__ == "__main__":
    main()
