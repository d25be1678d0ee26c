"""Measure how time and memory of the search grow with the number of strata and with N_s.

    python benchmarks/many_strata.py [--data $MINORTOM_DATA] [--write]

Strata of 300 neighbouring tiles each, as of ecoregions or clusters of embeddings, are cut from
uniformly distributed places. N_s is raised on the 1.4 million real cells of benchmarks/sample.py.
Each row is one process with two workers. It takes some 15
minutes. `--write` writes benchmarks/results/many_strata.json.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _results import store
from _stand_in import parsed, parser, stand_in

from minortom.genetic.ball_tree import curve_order
from minortom.grid.sphere import unit_vectors

STRATA, TILES = (1_250, 2_500, 5_000), 300
SIZES = (1_000, 2_000)
_RUN = """
import json, resource, sys, time
import pyarrow.parquet as pq
from minortom.engine.executors import EngineOptions
from minortom.sampling.options import SampleOptions
from minortom.sampling.selection import select
if __name__ == "__main__":
    table, options = pq.read_table(sys.argv[1]), SampleOptions(per_stratum=int(sys.argv[2]))
    started = time.perf_counter()
    rows = select(table, options, engine=EngineOptions(workers=2)).rows
    seconds = time.perf_counter() - started
    main, worker = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(json.dumps(
        {"selected": len(rows), "seconds": seconds, "main_mib": main, "worker_mib": worker}
    ))
"""


def run(table, per_stratum, folder):
    """Search a table in a process of its own; return what it measured."""
    path, script = folder / "cells.parquet", folder / "run.py"
    pq.write_table(table, path)
    script.write_text(_RUN)
    done = subprocess.run(
        [sys.executable, str(script), str(path), str(per_stratum)], check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def places(count):
    """Return places in so many strata of neighbours."""
    rng, size = np.random.default_rng(0), count * TILES
    lon, lat = rng.uniform(-180, 180, size), np.degrees(np.arcsin(rng.uniform(-1, 1, size)))
    along = curve_order(unit_vectors(lon, lat))
    names = np.char.mod("s%05d", np.arange(size) // TILES)
    return pa.table(
        {
            "grid_cell": np.char.mod("%d", np.arange(size)), "lat": lat[along], "lon": lon[along],
            "stratum": pa.array(names).dictionary_encode(),
        }
    )  # fmt: skip


def main():
    """Run the benchmark."""
    options = parsed(parser(__doc__))
    found = {"strata": [], "sizes": []}
    with tempfile.TemporaryDirectory() as name:
        run(places(10), 10, Path(name))  # compile
        for count in STRATA:
            row = {"strata": count, "tiles": count * TILES} | run(places(count), 100, Path(name))
            print(row, flush=True)
            found["strata"].append(row)
        table = pq.read_table(
            stand_in(options.data, Path(name)), columns=["grid_cell", "lat", "lon", "stratum"]
        )
        for size in SIZES:
            row = {"per_stratum": size} | run(table, size, Path(name))
            print(row, flush=True)
            found["sizes"].append(row)
    if options.write:
        store("many_strata", found)


if __name__ == "__main__":
    main()
