"""Measure `minortom sample --spread-over` on place and climate, beside what it does not see.

    python benchmarks/spread_over.py [--data $MINORTOM_DATA] [--sets globe,list] [--write]

The space has the place, the mean temperature and the logarithm of the annual precipitation of
ERA5. Not in the space, and seen by no method: the annual range of temperature, the seasonality of
precipitation, and the MODIS land cover. The simplest free method is scikit-learn's k-means in the
same space, and the nearest tile to each centroid. All weights are 1 and were not tuned.
"""

import tempfile
import time
from pathlib import Path
from statistics import mean

import numpy as np
import pyarrow as pa
from _results import store
from _stand_in import (
    ERA5,
    SMALL_ARCHIVE,
    Set,
    at_places,
    compared,
    era5_summaries,
    parsed,
    parser,
    real_list,
    stand_in,
)
from sklearn.cluster import KMeans

from minortom.engine.executors import EngineOptions
from minortom.reporting.held_out import HeldOutVariables
from minortom.sampling.kmeans import nearest_free
from minortom.sampling.spread_parts import parse_spread
from minortom.sampling.spread_space import SpreadSpace

SETS = {"globe": (stand_in, {}), "list": (real_list, {"keep": SMALL_ARCHIVE})}
SPACE = "place,temperature,log:precipitation"
DRAWS = 5
BARS = {
    "climate_environment_cover": ("<=", 0.76, "x random"), "nn_km": (">=", 67, "km"),
    "cover_km": ("<=", 60, "km"), "left_out_nn_error": ("<=", 0.02, "above the default"),
}  # fmt: skip
"""Measure -> (comparison, bound, unit), for the worst seed on the set `globe`."""


def with_climate(cells, data):
    """Add the columns of the space to the tiles of a set, and what is left out as yardsticks."""
    lon, lat = (cells.table[name].to_numpy() for name in ("lon", "lat"))
    temperature, _, _, precipitation, _, _ = at_places(data / "descriptors" / ERA5, lon, lat)
    for name, values in (("temperature", temperature), ("precipitation", precipitation)):
        cells.table = cells.table.append_column(name, pa.array(values))
    cells.hold_out(data)
    summaries = era5_summaries(data / "descriptors" / ERA5, lon, lat)
    variables = {
        "climate": np.stack([temperature, np.log(precipitation)], axis=1),
        "left_out": summaries[:, [1, 3]],  # range of temperature and of precipitation
    }
    del cells.held_out["era5"]
    cells.held_out |= {
        name: HeldOutVariables.of(cells.tiles, values, cells.wanted)
        for name, values in variables.items()
    }


def scikit_learn(cells, seed):
    """Return a mask of the tiles nearest to the centroids of scikit-learn's k-means."""
    space = SpreadSpace.of_table(cells.table, cells.tiles, parse_spread(SPACE))
    chosen = np.zeros(len(cells.tiles), np.bool_)
    for s in range(len(cells.tiles.strata)):
        rows = cells.tiles.strata.rows(s)
        if len(rows) > cells.per_stratum:
            points = space.points(rows, s)
            fit = KMeans(cells.per_stratum, n_init=1, random_state=seed).fit(points)
            rows = rows[nearest_free(fit.cluster_centers_, points)]
        chosen[rows] = True
    return chosen


def selected(cells, engine, method, seed):
    """Return the mask of a method."""
    if method == "scikit-learn":
        return scikit_learn(cells, seed)
    if method == "random":
        return cells.select(engine, method="random", seed=seed)
    spread = parse_spread(SPACE) if method.startswith("spread") else None
    kind = "k-means" if method == "spread k-means" else "genetic"
    return cells.select(engine, method=kind, seed=seed, spread=spread)


def measured(cells, engine, method, seeds):
    """Yield (measures, scores on the climate and on what is left out, seconds) of each seed."""
    for seed in seeds:
        started = time.perf_counter()
        mask = selected(cells, engine, method, seed)
        seconds = time.perf_counter() - started
        yield cells.measures(mask), cells.held_out_scores(mask), seconds


def compare(name, cells, seeds):
    """Return the measures of each method on a set."""
    engine, methods = EngineOptions(), {}
    runs = {"random": list(measured(cells, engine, "random", range(DRAWS)))}
    draws = [scores for _, scores, _ in runs["random"]]
    for method in ("random", "spread", "default", "spread k-means", "scikit-learn"):
        found = runs.get(method) or list(measured(cells, engine, method, range(seeds)))
        by_seed = [compared(scores, draws) for _, scores, _ in found]
        methods[method] = {
            "seeds": len(found),
            **{key: [run[key] for run, _, _ in found] for key in found[0][0]},
            **{key: [of_seed[key] for of_seed in by_seed] for key in by_seed[0]},
            "seconds": [seconds for _, _, seconds in found],
        }
        shown = {key: mean(map(first, values)) for key, values in methods[method].items()
                 if isinstance(values, list)}  # fmt: skip
        print(name, method, {key: round(value, 3) for key, value in shown.items()}, flush=True)
    return {"tiles": len(cells.tiles), "strata": len(cells.tiles.strata), "methods": methods}


def first(value):
    """Return a value, or the first of a value and its interval."""
    return value[0] if isinstance(value, list) else value


def verdicts(methods):
    """Yield (measure, worst value of the seeds, comparison, bound, unit, whether it holds)."""
    for measure, (comparison, bound, unit) in BARS.items():
        of = {name: [first(v) for v in values[measure]] for name, values in methods.items()}
        worst = (min if comparison == ">=" else max)(of["spread"])
        worst /= mean(of["random"]) if unit == "x random" else 1
        worst -= mean(of["default"]) if unit == "above the default" else 0
        yield measure, worst, comparison, bound, unit, (
            worst >= bound if comparison == ">=" else worst <= bound
        )  # fmt: skip


def main():
    """Run the benchmark."""
    arguments = parser(__doc__)
    arguments.add_argument("--sets", default=",".join(SETS), help="names, separated by commas")
    arguments.add_argument("--seeds", type=int, default=3)
    options = parsed(arguments)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.sets.split(","):
            make, more = SETS[name]
            more = {key: options.data / value for key, value in more.items()}
            cells = Set(make(options.data, Path(folder)), **more)
            with_climate(cells, options.data)
            found[name] = compare(name, cells, options.seeds)
            if name == "globe":
                for measure, worst, comparison, bound, unit, holds in verdicts(
                    found[name]["methods"]
                ):
                    outcome = "holds" if holds else "DOES NOT HOLD"
                    print(f"{measure}: {worst:.3f}, wanted {comparison} {bound} {unit}: {outcome}")
    if options.write:
        store("spread_over", {"space": SPACE, "sets": found})


if __name__ == "__main__":
    main()
