"""Draw the trade-off of --spread: spacing of the whole set against cover of each stratum.

    python benchmarks/frontier.py [--data $MINORTOM_DATA] [--picture FILE.png] [--write]

There is one search for each spread and density, with seed 0, on the 1.4 million real cells of
benchmarks/sample.py. For comparison it shows the plain search for entropy and the methods without
a search. It takes some 5 minutes on two idle cores.
"""

import tempfile
from pathlib import Path

from _stand_in import (
    APART,
    PLAIN,
    SHOWN,
    Set,
    head,
    machine,
    parsed,
    parser,
    printed,
    row,
    stand_in,
    write,
)

from minortom.engine.executors import EngineOptions, opened_executor
from minortom.genetic.options import GeneticOptions
from minortom.reporting.comparison import measure_draws
from minortom.sampling.baselines import farthest_point_selection, grts_selection
from minortom.sampling.coupled_search import CouplingOptions

SPREADS = (0, 0.1, 0.25, 0.5, 1, 2, 3)
DENSITIES = (0.1, 0)
COLOURS = {0.1: "#00798c", 0: "#d17a22"}


def searched(cells):
    """Yield (spread, density, measures) of each search."""
    with opened_executor(EngineOptions()) as executor:
        for density in DENSITIES:
            for spread in SPREADS:
                coupling = CouplingOptions(spread=spread, density=density)
                yield spread, density, cells.searched(executor, GeneticOptions(), coupling)


def others(cells):
    """Yield (name, measures) of the selections that the searches are compared with."""
    with opened_executor(EngineOptions()) as executor:
        yield "plain entropy, 500 generations", cells.searched(executor, PLAIN, APART)
    for name, method in (("farthest point", farthest_point_selection), ("grts", grts_selection)):
        yield name, cells.measures(method(cells.tiles, cells.sizes, seed=0))
    draws = measure_draws(cells.tiles, cells.sizes, cells.wanted, number=20, seed=0)
    yield "random, mean of 20 draws", [getattr(draws.mean, name) for name in SHOWN]


def tabled(found, other):
    """Yield the lines of the table."""
    yield head("selection")
    default = CouplingOptions()
    for spread, density, values in found:
        is_default = (spread, density) == (default.spread, default.density)
        name = f"spread {spread:g}, density {density:g}"
        yield row(f"**{name}**, the default" if is_default else name, values)
    for name, values in other:
        yield row(name, values)


def drawn(found, other, path):
    """Draw spacing against cover, and spacing against the distance within strata."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), dpi=130, layout="constrained")
    default = CouplingOptions()
    for ax, measure, label in zip(
        figure.subplots(1, 2), ("cover_km", "within_km"),
        ("cover, km: from a tile to a chosen one\nof its stratum (less is better)",
         "within, km: between two tiles\nof a stratum (more is better)"), strict=True,
    ):  # fmt: skip
        place = SHOWN.index(measure)
        for density in DENSITIES:
            line = [(v[0], v[place], s) for s, d, v in found if d == density]
            ax.plot(*zip(*[(x, y) for x, y, _ in line], strict=True), "o-", ms=4,
                    color=COLOURS[density], label=f"--density {density:g}")  # fmt: skip
            for x, y, spread in line:
                ax.annotate(f"{spread:g}", (x, y), textcoords="offset points",
                            xytext=(3, -10) if density else (3, 5), fontsize=7,
                            color=COLOURS[density])  # fmt: skip
            for x, y, spread in line:
                if (spread, density) == (default.spread, default.density):
                    ax.plot(x, y, "*", ms=15, color=COLOURS[density], mec="white",
                            label="the default")  # fmt: skip
        for (name, values), marker in zip(other, "s^Dv", strict=True):
            ax.plot(values[0], values[place], marker, color="#6b6b6b", ms=5, ls="", label=name)
        ax.set_xlabel("nn, km: to the nearest other tile (more is better)", fontsize=8)
        ax.set_ylabel(label, fontsize=8)
        ax.tick_params(labelsize=7)
        ax.grid(color="#e6e6e6", lw=0.7)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    figure.axes[0].legend(frameon=False, fontsize=7)
    figure.suptitle("Numbers at the points: --spread", fontsize=9, x=0.01, ha="left")
    figure.savefig(path, metadata={"Software": None})


def main():
    """Run the benchmark."""
    arguments = parser(__doc__)
    arguments.add_argument("--picture", type=Path, help="PNG file of the figure", default=None)
    options = parsed(arguments)
    with tempfile.TemporaryDirectory() as name:
        cells = Set(stand_in(options.data, Path(name)))
    found, other = list(searched(cells)), list(others(cells))
    lines = printed([machine(), *tabled(found, other)])
    if options.picture:
        drawn(found, other, options.picture)
    if options.write:
        write("frontier", lines)


if __name__ == "__main__":
    main()
