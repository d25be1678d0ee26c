"""Measure and time `minortom sample` on 1.4 million real cells, compared with the baselines.

    python benchmarks/sample.py [--data $MINORTOM_DATA] [--quick] [--write]

The set is made by `minortom annotate grid --bbox -180,-60,180,85` with the real maps. The times
are seconds of the whole command, from start to exit, first with an empty numba cache and then with
the filled cache. It takes some 15 minutes on two idle cores. `--quick` omits the paper's preset
and the other objectives, and takes 3 minutes. `--write` writes the tables to a dated file in
benchmarks/results/.
"""

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from _stand_in import (
    APART,
    PER_STRATUM,
    PLAIN,
    SHOWN,
    Set,
    head,
    machine,
    minortom,
    parsed,
    parser,
    printed,
    row,
    stand_in,
    write,
)

from minortom.engine.executors import EngineOptions, opened_executor
from minortom.genetic.objectives import CODES
from minortom.io.geoparquet import read_table
from minortom.reporting.comparison import measure_draws
from minortom.sampling.strata import mask_of

SEEDS, DRAWS = 5, 20
WORST = {"nn_km": min, "within_km": min, "cover_km": max, "balance": max}
"""Function that returns the worst of several values, by measure."""
WANTED = {"nn_km": (62, 1.55), "within_km": (None, 1.10), "cover_km": (76, 0.63)}
"""Requirements for the default: kilometres, and multiples of the mean of the random draws."""


def sampled(annotated, out, arguments, cache):
    """Run the command; return its seconds from start to exit, and the load before it."""
    load, started = os.getloadavg()[0], time.perf_counter()
    minortom("sample", annotated, "--out", out, *arguments, NUMBA_CACHE_DIR=str(cache))
    return f"{time.perf_counter() - started:.1f}", f"{load:.1f}"


def table_of_methods(cells, annotated, folder, options):
    """Yield the lines of the table, and the comparison of the default with its requirements."""
    cache = folder / "numba"
    yield f"{len(cells.tiles):,} tiles, N_s = {PER_STRATUM}; load: before each run\n"
    yield head("selection", "seconds", "load")

    def run(name, arguments):
        out = folder / f"{name}.parquet"
        spent = sampled(annotated, out, arguments, cache)
        picked = read_table(out, ["grid_cell"], made_by="it")["grid_cell"]
        return out, cells.measures(mask_of(cells.table, picked)), spent

    cold, values, spent = run("cold", [])
    yield row("default, seed 0, cold cache", values, *spent)
    seeds = []
    for seed in range(SEEDS):
        warm, values, spent = run(f"warm-{seed}", ["--seed", seed])
        if seed == 0 and warm.read_bytes() != cold.read_bytes():
            raise SystemExit("error: the same seed gave other bytes")
        seeds.append(values)
        yield row(f"default, seed {seed}", values, *spent)
    worst = np.array([WORST[name](of) for name, of in zip(SHOWN, np.transpose(seeds), strict=True)])
    yield row(f"default, worst of {SEEDS} seeds", worst, "", "")
    draws = measure_draws(cells.tiles, cells.sizes, cells.wanted, number=DRAWS, seed=0)
    mean = np.array([getattr(draws.mean, name) for name in SHOWN])
    yield row(f"random, mean of {DRAWS} draws", mean, "", "")
    spread = np.array([draws.sd[name] for name in SHOWN])
    yield row(f"random, standard deviation of {DRAWS} draws", spread, "", "")
    others = [["--method", "farthest-point"], ["--method", "grts"]]
    for arguments in others + ([] if options.quick else [["--preset", "paper"]]):
        _, values, spent = run(arguments[-1], arguments)
        yield row(f"`{' '.join(arguments)}`", values, *spent)
    yield from verdicts(worst, mean)


def verdicts(worst, random):
    """Yield each requirement for the default, and the measured value."""
    yield ""
    for name, (km, times) in WANTED.items():
        place = SHOWN.index(name)
        ratio, sign = worst[place] / random[place], ">=" if WORST[name] is min else "<="
        wanted = f"{sign} {times} x random" + (f" and {sign} {km} km" if km else "")
        side = 1 if WORST[name] is min else -1
        holds = side * ratio >= side * times and (km is None or side * worst[place] >= side * km)
        yield f"{name}: {worst[place]:.1f}, {ratio:.3f} x random; wanted {wanted}: " + (
            "holds" if holds else "DOES NOT HOLD"
        )


def table_of_objectives(cells):
    """Yield the lines of the table of objectives, each with the plain algorithm."""
    yield f"\nThe plain algorithm: {PLAIN.generations} generations of {PLAIN.population}, seed 0\n"
    yield head("objective", "seconds")
    with opened_executor(EngineOptions()) as executor:
        for objective in CODES:
            started = time.perf_counter()
            values = cells.searched(executor, replace(PLAIN, objective=objective), APART)
            yield row(f"`{objective}`", values, f"{time.perf_counter() - started:.0f}")


def main():
    """Run the benchmark."""
    arguments = parser(__doc__)
    arguments.add_argument("--quick", action="store_true", help="omit the parts that take minutes")
    options = parsed(arguments)
    with tempfile.TemporaryDirectory() as name:
        annotated = stand_in(options.data, Path(name))
        cells = Set(annotated)
        lines = printed([machine()])
        lines += printed(table_of_methods(cells, annotated, Path(name), options))
        if not options.quick:
            lines += printed(table_of_objectives(cells))
    if options.write:
        write("sample", lines)


if __name__ == "__main__":
    main()
