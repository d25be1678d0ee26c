"""Measure how much a selection can matter on the planet with smooth fields, without training.

    python benchmarks/field_strength.py [--write]

From the cells of the planet, 1,500 are selected. A property of a cell that was not selected is
predicted by that of the nearest selected cell of its stratum. The error is relative to random cells
of the stratum, for several shares of the variance that the field explains. Share 0 is the planet
without fields: the negative control.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from _results import store
from scipy.spatial import cKDTree

import minortom
from minortom.grid.cells import cells_from_names
from minortom.grid.sphere import unit_vectors
from minortom.synthetic.maps import make_planet, write_map
from minortom.synthetic.planet import land_cells
from minortom.synthetic.smooth_field import PROPERTIES, SmoothField

TILES, FIELD_KM, DRAWS = 1500, 800.0, 3
SHARES = (0.0, 0.25, 0.5, 0.8, 1.0)
METHODS = {"default": {}, "k-means": {"method": "k-means"}}


def annotated(seed, folder):
    """Return the annotated cells of a planet."""
    planet = make_planet(seed=seed)
    for name in ("climate", "landcover"):
        write_map(getattr(planet, name), folder / f"{name}.tif")
    names = pa.table({"grid_cell": land_cells(planet).tolist()})
    return minortom.annotate(
        names, climate=folder / "climate.tif", landcover=folder / "landcover.tif", workers=1
    ).table


def pairs_of(table, chosen):
    """Return the cells that were not chosen, and the nearest chosen cell of the stratum of each."""
    points = unit_vectors(table["lon"].to_numpy(), table["lat"].to_numpy())
    strata = np.unique(table["stratum"].to_numpy(zero_copy_only=False), return_inverse=True)[1]
    rows, nearest = [], []
    for stratum in range(strata.max() + 1):
        members = np.flatnonzero((strata == stratum) & chosen)
        others = np.flatnonzero((strata == stratum) & ~chosen)
        if len(members) and len(others):
            rows.append(others)
            nearest.append(members[cKDTree(points[members]).query(points[others])[1]])
    return np.concatenate(rows), np.concatenate(nearest)


def error(properties, pairs):
    """Return the root mean square error of the prediction, over cells and properties."""
    rows, nearest = pairs
    return float(np.sqrt(np.square(properties[rows] - properties[nearest]).mean()))


def main():
    """Print the errors for each share, and store them on request."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--write", action="store_true", help="store the results")
    write = arguments.parse_args().write
    with TemporaryDirectory() as folder:
        table = annotated(0, Path(folder))
    cells = table["grid_cell"].to_numpy(zero_copy_only=False)
    field = SmoothField(seed=0, range_km=FIELD_KM).at(*cells_from_names(cells).centres())
    own = np.random.default_rng(0).standard_normal((len(cells), len(PROPERTIES)))

    def pairs_by(seed, options):
        found = minortom.sample(table, tiles=TILES, seed=seed, workers=1, **options).table
        names = found["grid_cell"].to_numpy(zero_copy_only=False)
        return pairs_of(table, np.isin(cells, names))

    draws = [pairs_by(seed, {"method": "random"}) for seed in range(DRAWS)]
    selected = {name: [pairs_by(s, more) for s in range(DRAWS)] for name, more in METHODS.items()}
    shares = {}
    for share in SHARES:
        properties = np.sqrt(share) * field + np.sqrt(1 - share) * own
        base = np.mean([error(properties, pairs) for pairs in draws])
        shares[str(share)] = {"random": float(base)} | {
            name: [error(properties, pairs) / base for pairs in found]
            for name, found in selected.items()
        }
        print(share, {name: np.round(value, 3) for name, value in shares[str(share)].items()})
    if write:
        found = {"cells": len(cells), "tiles": TILES, "field_km": FIELD_KM, "shares": shares}
        store("field_strength", found)


if __name__ == "__main__":
    main()
