"""Speed of the loader, relative to copying: `python benchmarks/loader.py [SHARDS]`.

Prints the pairs per second of shuffled batches for each number of threads, and the ratio to two
plain ways to fill the same arrays with as many bytes and threads: `memcpy` copies them from memory,
`preadv` reads them from the shards in long stretches. All of them run in turns in one process, and
medians are shown. Pages are cached; with `--cold` the kernel is asked to drop the pages of the
shards before each turn. Without SHARDS, the pairs are noise of 120 px in a temporary folder, or
compressible patches with `--codec blosc2`.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from csmoe_model.data.loader import Loader
from csmoe_model.data.sampler import ShuffledBatches
from minortom.io.provenance import Provenance
from minortom.sensors import GROUPS
from minortom.shards.formats import Codec
from minortom.shards.layout import SampleSpec
from minortom.shards.shard_set import ShardSet
from minortom.shards.writer import write_shards

WARM_UP = 8
"""Number of batches after which all buffers of the loader have been filled once."""


def load(shards, turn, *, steps, workers, batch_size):
    """Read shuffled batches; the first ones, which also create the buffers, do not count."""
    batches = ShuffledBatches(
        samples=np.arange(len(shards)), batch_size=batch_size, num_steps=steps + WARM_UP, seed=turn
    )
    started = 0.0
    for step, _ in enumerate(Loader(shards, batches, workers=workers)):
        if step == WARM_UP - 1:
            started = time.perf_counter()
    return time.perf_counter() - started


def in_parts(buffers, workers):
    """Split the batch array of each column into one range of bytes per thread."""
    cuts = [np.array_split(array.reshape(-1).view(np.uint8), workers) for array in buffers.values()]
    return list(zip(*cuts, strict=True))


def copy(source, buffers, steps, *, workers):
    """Fill the batch arrays from memory with as many bytes as the loader reads."""
    targets, sources = in_parts(buffers, workers), [in_parts(one, workers) for one in source]

    def fill(part):
        for step in range(steps):
            for target, found in zip(
                targets[part], sources[step % len(sources)][part], strict=True
            ):
                np.copyto(target, found)

    return timed(fill, workers)


def read(paths, buffers, steps, *, workers):
    """Fill the batch arrays from the shards in long stretches."""
    targets = in_parts(buffers, workers)
    part_bytes = sum(len(target) for target in targets[0])
    files = [(os.open(path, os.O_RDONLY), path.stat().st_size) for path in paths]

    def fill(part):
        for step in range(steps):
            handle, size = files[(step * workers + part) % len(files)]
            offset = (step * workers + part) * part_bytes % max(1, size - part_bytes)
            os.preadv(handle, targets[part], offset)

    seconds = timed(fill, workers)
    for handle, _ in files:
        os.close(handle)
    return seconds


def timed(fill, workers):
    """Return the seconds that threads take for their parts."""
    with ThreadPoolExecutor(workers) as pool:
        started = time.perf_counter()
        list(pool.map(fill, range(workers)))
        return time.perf_counter() - started


def drop_pages(paths):
    """Ask the kernel to drop the cached pages of some files."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)


def measure(shards, *, workers, batch_size, rounds, cold):
    """Return the median pairs per second of each way."""
    paths, steps = sorted(shards.folder.glob("*.parquet")), len(shards) // batch_size
    buffers, source = shards.buffers(batch_size), [shards.buffers(batch_size) for _ in range(8)]
    for one in source:
        for array in one.values():
            array[...] = 1  # pages that were never written share one physical page
    ways = {
        "loader": lambda turn: load(
            shards, turn, steps=steps, workers=workers, batch_size=batch_size
        ),
        "preadv": lambda _: read(paths, buffers, steps, workers=workers),
        "memcpy": lambda _: copy(source, buffers, steps, workers=workers),
    }
    speeds = {name: [] for name in ways}
    for turn in range(rounds + 1):  # the first round is not measured
        for name, run in ways.items():
            if cold:
                drop_pages(paths)
            speeds[name].append(steps * batch_size / run(turn))
    return {name: statistics.median(values[1:]) for name, values in speeds.items()}


def make_shards(folder, *, num_pairs, codec):
    """Write shards with the helpers of the tests; smooth patches if they are compressed."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
    from shard_maker import made_up_metadata, made_up_tensors

    tensors = made_up_tensors(num_pairs, 120)
    if codec != Codec.NONE:
        tensors = {g.column: (tensors[g.column] // 16 + 900).astype(g.dtype) for g in GROUPS}
    write_shards(
        folder, tensors=tensors, metadata=made_up_metadata(num_pairs),
        provenance=Provenance(command="benchmark", options={}),
        spec=SampleSpec(patch_px=120, codec=codec),
    )  # fmt: skip


def main():
    """Read the options and print one line per number of threads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", type=Path, nargs="?")
    parser.add_argument("--pairs", type=int, default=4000)
    parser.add_argument("--codec", type=Codec, default=Codec.NONE)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--cold", action="store_true")
    parser.add_argument(
        "--folder", type=Path, help="folder for the shards; a temporary folder by default"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = options.shards or Path(temporary) / "shards"
        if options.shards is None:
            make_shards(folder, num_pairs=options.pairs, codec=options.codec)
        shards = ShardSet.open(folder)
        stored = sum(path.stat().st_size for path in folder.glob("*.parquet")) / len(shards)
        print(f"{len(shards):,} pairs of {shards.spec.sample_bytes / 1e3:.1f} kB, stored in "
              f"{stored / 1e3:.1f} kB, batches of {options.batch_size}, "
              f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")  # fmt: skip
        for workers in options.threads:
            found = measure(
                shards, workers=workers, batch_size=options.batch_size, rounds=options.rounds,
                cold=options.cold,
            )  # fmt: skip
            print(f"{workers} threads: {found['loader']:8,.0f} pairs/s, "
                  f"{found['loader'] / found['preadv']:.2f} x preadv, "
                  f"{found['loader'] / found['memcpy']:.2f} x memcpy")  # fmt: skip


if __name__ == "__main__":
    main()
