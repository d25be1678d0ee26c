"""Measure the trade-off of --coverage-weight: spacing of the whole set against cover.

    python benchmarks/frontier.py [--data $MINORTOM_DATA] [--picture FILE.png] [--write]

There is one search for each coverage weight, with and without coupling and with other within
weights, with seed 0, on the 1.4 million real cells of benchmarks/sample.py. For comparison it
measures the other objectives with the plain algorithm, and the methods without a search. It takes
some 20 minutes on two idle cores. `--write` writes benchmarks/results/frontier.json.
"""

import tempfile
from dataclasses import replace
from pathlib import Path

from _results import store
from _stand_in import APART, PLAIN, Set, parsed, parser, stand_in

from minortom.engine.executors import EngineOptions
from minortom.genetic.objectives import CODES
from minortom.genetic.options import GeneticOptions
from minortom.sampling.coupled_search import CouplingOptions

DEFAULT = GeneticOptions()
WEIGHTS = (0, 0.25, 0.5, 1, DEFAULT.coverage_weight, 2.5, 4, 8)
WITHIN = (0, 0.5, 1)
ALONE = replace(CouplingOptions(), coupling=False)


def searches():
    """Yield (coverage weight, within weight, coupling, options of the selection)."""
    for coupling in (CouplingOptions(), ALONE):
        for weight in WEIGHTS:
            genetic = replace(DEFAULT, coverage_weight=weight)
            yield weight, DEFAULT.within_weight, coupling, genetic
    for within in WITHIN:
        weight = DEFAULT.coverage_weight
        yield weight, within, CouplingOptions(), replace(DEFAULT, within_weight=within)


def searched(cells):
    """Yield the measures of each search."""
    for coverage, within, coupling, genetic in searches():
        mask = cells.select(EngineOptions(), genetic=genetic, coupling=coupling)
        yield {
            "coverage_weight": coverage, "within_weight": within, "coupling": coupling.coupling,
            **cells.measures(mask),
        }  # fmt: skip


def others(cells):
    """Yield the measures of the selections that the searches are compared with."""
    for objective in CODES:
        genetic = replace(PLAIN, objective=objective)
        mask = cells.select(EngineOptions(), genetic=genetic, coupling=APART)
        yield {"objective": objective, **cells.measures(mask)}
    for method in ("k-means", "farthest-point", "grts", "random"):
        yield {"method": method, **cells.measures(cells.select(EngineOptions(), method=method))}


def drawn(found, other, path):
    """Draw spacing against cover, and spacing against the distance within strata."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), dpi=130, layout="constrained")
    methods = [row for row in other if "method" in row]
    for ax, measure, label in zip(
        figure.subplots(1, 2), ("cover_km", "within_km"),
        ("cover, km: from a tile to a chosen one\nof its stratum (less is better)",
         "within, km: between two tiles\nof a stratum (more is better)"), strict=True,
    ):  # fmt: skip
        for coupling, colour in ((True, "#00798c"), (False, "#d17a22")):
            line = [row for row in found if row["coupling"] == coupling
                    and row["within_weight"] == DEFAULT.within_weight]  # fmt: skip
            ax.plot([row["nn_km"] for row in line], [row[measure] for row in line], "o-", ms=4,
                    color=colour, label=f"--coupling {'on' if coupling else 'off'}")  # fmt: skip
            for row in line:
                place = row["nn_km"], row[measure]
                ax.annotate(f"{row['coverage_weight']:g}", place, textcoords="offset points",
                            xytext=(4, 4), fontsize=7, color=colour)  # fmt: skip
                if coupling and row["coverage_weight"] == DEFAULT.coverage_weight:
                    ax.plot(*place, "*", ms=15, color=colour, mec="white", label="the default")
        for row, marker in zip(methods, "s^Dv", strict=True):
            ax.plot(row["nn_km"], row[measure], marker, color="#6b6b6b", ms=5, ls="",
                    label=row["method"])  # fmt: skip
        ax.set_xlabel("nn, km: to the nearest other tile (more is better)", fontsize=8)
        ax.set_ylabel(label, fontsize=8)
        ax.tick_params(labelsize=7)
        ax.grid(color="#e6e6e6", lw=0.7)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    figure.axes[0].legend(frameon=False, fontsize=7)
    figure.suptitle("Numbers at the points: --coverage-weight", fontsize=9, x=0.01, ha="left")
    figure.savefig(path, metadata={"Software": None})


def main():
    """Run the benchmark."""
    arguments = parser(__doc__)
    arguments.add_argument("--picture", type=Path, help="PNG file of the figure", default=None)
    options = parsed(arguments)
    with tempfile.TemporaryDirectory() as name:
        cells = Set(stand_in(options.data, Path(name)))
    found, other = [], []
    for kept, rows in ((found, searched(cells)), (other, others(cells))):
        for row in rows:
            print(
                {k: round(v, 2) if isinstance(v, float) else v for k, v in row.items()}, flush=True
            )
            kept.append(row)
    if options.picture:
        drawn(found, other, options.picture)
    if options.write:
        store("frontier", {"searches": found, "others": other})


if __name__ == "__main__":
    main()
