"""Time the look-up of the whole grid in a table of cells, compared with a plain scan by DuckDB.

    python benchmarks/table.py [--rounds 3]

The table has a row for each of 5,094,350 cells, shuffled in blocks, and 20 columns: 18 numbers, a
text of 200 classes and a whole number that becomes a class. The scan reads the same columns and
keeps nothing. Each is run in a process of its own with two threads; the table shows the CPU seconds
of the best round, and the most memory that the process used. The values are compared, too.
"""

import argparse
import multiprocessing
import re
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _results import store

from minortom.annotation.cell_table import opened_tables
from minortom.annotation.table_choice import tables_of
from minortom.annotation.table_lookup import look_up_tables
from minortom.grid.cells import whole_grid
from minortom.io.database import opened_database, path_in_sql
from minortom.progress import ignore_progress

NUMBERS = [f"v{number}" for number in range(18)]
BLOCK = 50_000
"""Rows that stay together when the table is shuffled."""


def write_table(path):
    """Write the table."""
    rng, grid = np.random.default_rng(0), whole_grid()
    blocks = np.array_split(np.arange(len(grid)), len(grid) // BLOCK)
    cells = grid.take(np.concatenate([blocks[number] for number in rng.permutation(len(blocks))]))
    columns = {"grid_cell": cells.names()}
    columns |= {name: rng.normal(size=len(cells)) for name in NUMBERS}
    columns["country"] = np.array([f"country {n}" for n in range(200)])[
        rng.integers(0, 200, len(cells))
    ]
    columns["cluster"] = rng.integers(0, 5000, len(cells)).astype(np.int32)
    pq.write_table(pa.table(columns), path, compression="zstd")


def scan(path):
    """Read all columns and keep nothing."""
    with opened_database(keep_order=True) as database:
        rows = database.sql(f"FROM read_parquet('{path_in_sql(path)}')")
        return sum(len(batch) for batch in pa.RecordBatchReader.from_stream(rows))


def look_up(path):
    """Look all cells up, and return the columns."""
    tables = tables_of([str(path)], class_columns=["cluster"], missing="unmapped")
    with opened_tables(tables, on_fetch=ignore_progress) as opened:
        return look_up_tables(opened, whole_grid(), drop=False)


def check(path):
    """Compare the columns with those of the file, which pyarrow reads."""
    from minortom.grid.cells import cells_from_names

    found, table = look_up(path), pq.read_table(path)
    order = np.argsort(cells_from_names(table["grid_cell"]).keys())  # the grid is sorted by key
    for name in NUMBERS:
        assert (found.columns[name].values.to_numpy() == table[name].to_numpy()[order]).all()
    for name in ("country", "cluster"):
        column = found.columns[name]
        names = np.array(column.names)[column.index]
        assert (names == table[name].cast(pa.string()).to_numpy()[order]).all()


def measured(function, path, queue):
    """Put CPU seconds, wall-clock seconds and the most memory (GB) of a call into a queue."""
    started, cpu = time.perf_counter(), time.process_time()
    function(path)
    # Not ru_maxrss, which begins with that of the process that started this one.
    status = Path("/proc/self/status").read_text()
    memory_gb = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1e6
    queue.put((time.process_time() - cpu, time.perf_counter() - started, memory_gb))


def best(function, path, rounds):
    """Return the measures of the round with the least CPU time."""
    context, found = multiprocessing.get_context("spawn"), []
    for _ in range(rounds):
        queue = context.Queue()
        process = context.Process(target=measured, args=(function, path, queue))
        process.start()
        found.append(queue.get())
        process.join()
    cpu_s, wall_s, memory_gb = min(found)
    return {"cpu_s": round(cpu_s, 2), "wall_s": round(wall_s, 2), "memory_gb": round(memory_gb, 2)}


def main():
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        write_table(path)
        megabytes = round(path.stat().st_size / 1e6)
        found = {"scan": best(scan, path, rounds), "look_up": best(look_up, path, rounds)}
        check(path)
    ratio = round(found["look_up"]["cpu_s"] / found["scan"]["cpu_s"], 2)
    for name, row in found.items():
        print(f"{name:<10} {row}")
    print(f"{megabytes} MB; the look-up takes {ratio} x the CPU time of the scan")
    store("table", {"megabytes": megabytes, "ratio": ratio, **found})


if __name__ == "__main__":
    main()
