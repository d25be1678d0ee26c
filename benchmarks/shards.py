"""Time reading single pairs from shards in random order, compared with memcpy and pyarrow.

    python benchmarks/shards.py [--pairs 4000] [--batch 256] [--rounds 5] [--folder DIR]

Shards of synthetic patches of 120 px are written first, and stay in the page cache. Each reader
fills the same batch arrays repeatedly. The readers run in turns; the median is shown. "memcpy"
copies the same bytes, pair by pair in the same order, from one array in memory. "pyarrow row
groups" decodes whole row groups in random order, the fastest way with pyarrow.
"""

import argparse
import platform
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from minortom.io.provenance import Provenance
from minortom.sensors import GROUPS
from minortom.shards.layout import METADATA_SCHEMA, SampleSpec
from minortom.shards.shard_set import ShardSet
from minortom.shards.writer import write_shards

PATCH_PX = 120


def made_up_metadata(pairs):
    """Return one row of metadata per patch, with arbitrary values."""
    fillers = {pa.string(): "train", pa.float64(): 0.0}
    arrays = [
        pa.nulls(pairs, field.type)
        if field.nullable
        else pa.array([fillers.get(field.type, 0)] * pairs, field.type)
        for field in METADATA_SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=METADATA_SCHEMA)


def write(folder, pairs):
    """Write the shards; return the seconds."""
    rng, spec = np.random.default_rng(0), SampleSpec(patch_px=PATCH_PX)
    tensors = {
        group.column: rng.integers(1, 9000, (pairs, *spec.shape(group.column))).astype(group.dtype)
        for group in GROUPS
    }
    started = time.perf_counter()
    write_shards(
        folder, tensors=tensors, metadata=made_up_metadata(pairs),
        provenance=Provenance(command="benchmark", options={}),
    )  # fmt: skip
    return time.perf_counter() - started


def read_by_offset(shards, order, buffers, threads):
    """Fill batches with single pairs, in order."""
    batch = len(buffers["s1"])

    def fill(part):
        first_row, indices = part
        shards.read_rows(indices, buffers, first_row)

    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, len(order), batch):
            rows = order[first : first + batch].tolist()
            cuts = [len(rows) * part // threads for part in range(threads + 1)]
            list(pool.map(fill, [(cut, rows[cut:end]) for cut, end in pairwise(cuts)]))


def read_by_pyarrow(shards, order, buffers):
    """Fill batches from whole row groups in random order."""
    batch, row = len(buffers["s1"]), 0
    paths = sorted(shards.folder.glob("*.parquet"))
    files = [pq.ParquetFile(path) for path in paths]
    groups = [(file, number) for file in files for number in range(file.num_row_groups)]
    for place in np.random.default_rng(int(order[0])).permutation(len(groups)):
        file, number = groups[place]
        table = file.read_row_group(number, columns=list(buffers))
        for index in range(len(table)):
            for column, array in buffers.items():
                value = table[column][index].as_buffer()
                array[row] = np.frombuffer(value, array.dtype).reshape(array.shape[1:])
            row = (row + 1) % batch
    for file in files:
        file.close()


def copy_memory(source, order, buffers):
    """Copy single pairs from memory, in order."""
    batch = len(buffers["s1"])
    for row, index in enumerate(order.tolist()):
        for column, array in buffers.items():
            array[row % batch] = source[column][index]


def bench(shards, batch, rounds):
    """Return the median pairs per second of each reader."""
    buffers, source = shards.buffers(batch), shards.buffers(len(shards))
    read_by_offset(shards, np.arange(len(shards)), source, 1)
    ways = {
        "memcpy, 1 thread": lambda order: copy_memory(source, order, buffers),
        "by offset, 1 thread": lambda order: read_by_offset(shards, order, buffers, 1),
        "by offset, 2 threads": lambda order: read_by_offset(shards, order, buffers, 2),
        "pyarrow row groups": lambda order: read_by_pyarrow(shards, order, buffers),
    }
    rates = {name: [] for name in ways}
    for turn in range(rounds):
        order = np.random.default_rng(turn).permutation(len(shards))
        for name, read in ways.items():
            started = time.perf_counter()
            read(order)
            rates[name].append(len(shards) / (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in rates.items()}


def main():
    """Write shards, read them, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, help="folder for the shards; a temporary folder by default"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "shards"
        seconds = write(path, options.pairs)
        shards = ShardSet.open(path)
        size = shards.spec.sample_bytes
        print(f"{platform.machine()}, pyarrow {pa.__version__}, {options.pairs:,} pairs "
              f"of {size / 1e3:.0f} kB, batches of {options.batch}")  # fmt: skip
        print(f"{'written, hashed and synced':28} {options.pairs / seconds:8,.0f} pairs/s")
        rates = bench(shards, options.batch, options.rounds)
    memcpy, pyarrow = rates["memcpy, 1 thread"], rates["pyarrow row groups"]
    for name, rate in rates.items():
        print(f"{name:28} {rate:8,.0f} pairs/s {rate * size / 1e9:6.2f} GB/s "
              f"{rate / memcpy:6.2f} x memcpy {rate / pyarrow:6.2f} x pyarrow")  # fmt: skip


if __name__ == "__main__":
    main()
