"""Measure the methods of `minortom sample` on six sets of real cells, and on withheld data.

    python benchmarks/sample.py [--data $MINORTOM_DATA] [--sets globe,list,…] [--quick] [--write]

The search was tuned on the places of the set `globe`. The other sets confirm the choice, and so do
two yardsticks that no method sees: the climate of ERA5 and the land cover of MODIS. It takes
an hour on two cores; `--quick` uses one seed. `--write` writes benchmarks/results/sample.json,
from which `python benchmarks/_tables.py` makes the tables of README and docs/sample.md.
"""

import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from _bars import printed_verdicts
from _results import store, stored
from _stand_in import (
    SHOWN,
    SMALL_ARCHIVE,
    Set,
    compared,
    continent,
    parsed,
    parser,
    real_list,
    stand_in,
)

from minortom.engine.executors import EngineOptions
from minortom.sampling.presets import paper

SETS = {
    "globe": (stand_in, {}, 5),
    "list": (real_list, {"keep": SMALL_ARCHIVE}, 5),
    "climate": (stand_in, {"stratify_by": ("climate",)}, 3),
    "n20": (stand_in, {"per_stratum": 20}, 3),
    "n500": (stand_in, {"per_stratum": 500}, 1),
    "africa": (continent, {}, 3),
}
"""Name -> how it is made, options, and number of seeds."""
METHODS = ("genetic", "random", "k-means", "farthest-point", "grts")
DRAWS = 20
ONE_SEED = ("farthest-point", "grts", "paper")


def measured(cells, engine, method, seeds):
    """Yield (measures, scores on withheld data, seconds) of each seed."""
    options = {"method": method}
    if method == "paper":
        genetic, coupling = paper()
        options = {"method": "genetic", "genetic": genetic, "coupling": coupling}
    for seed in seeds:
        started = time.perf_counter()
        mask = cells.select(engine, seed=seed, **options)
        seconds = time.perf_counter() - started
        yield cells.measures(mask), cells.held_out_scores(mask), seconds


def compare(name, cells, *, seeds, with_paper):
    """Return the measures of each method on a set."""
    engine = EngineOptions()
    random = list(measured(cells, engine, "random", range(DRAWS)))
    draws = [scores for _, scores, _ in random]
    methods = {}
    for method in (*METHODS, "paper") if with_paper else METHODS:
        count = 1 if method in ONE_SEED else DRAWS if method == "random" else seeds
        runs = random if method == "random" else list(measured(cells, engine, method, range(count)))
        by_seed = [compared(scores, draws) for _, scores, _ in runs]
        methods[method] = {
            "seeds": count,
            **{key: [run[key] for run, _, _ in runs] for key in SHOWN},
            **{key: [of_seed[key] for of_seed in by_seed] for key in by_seed[0]},
            "seconds": [seconds for _, _, seconds in runs],
        }
        means = {key: sum(methods[method][key]) / count for key in (*SHOWN, "seconds")}
        print(name, method, {key: round(value, 2) for key, value in means.items()}, flush=True)
    return {
        "tiles": len(cells.tiles), "strata": len(cells.tiles.strata),
        "per_stratum": cells.per_stratum, "methods": methods,
    }  # fmt: skip


def main():
    """Run the benchmark."""
    arguments = parser(__doc__)
    arguments.add_argument("--sets", default=",".join(SETS), help="names, separated by commas")
    arguments.add_argument("--quick", action="store_true", help="one seed, no --preset paper")
    options = parsed(arguments)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.sets.split(","):
            make, more, seeds = SETS[name]
            if "keep" in more:
                more = more | {"keep": options.data / more["keep"]}
            cells = Set(make(options.data, Path(folder)), **more)
            cells.hold_out(options.data)
            run = partial(compare, name, cells, seeds=1 if options.quick else seeds)
            found[name] = run(with_paper=name == "globe" and not options.quick)
            printed_verdicts(name, found[name]["methods"])
    if options.write:
        with suppress(FileNotFoundError):  # other sets of an earlier run stay
            found = stored("sample")["sets"] | found
        store("sample", {"sets": {name: found[name] for name in SETS if name in found}})


if __name__ == "__main__":
    main()
