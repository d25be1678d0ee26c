"""Annotated tiles and a selection of them, for reports."""

import numpy as np
import pyarrow as pa
from points_files import write_points

import minortom
from minortom.grid.cells import cells_at
from minortom.io.provenance import Provenance
from minortom.sampling.options import SampleOptions
from minortom.sampling.selection_file import make_selection

CLIMATES = {4: "BWh", 14: "Cfa", 27: "Dfc"}
LANDCOVERS = {10: "tree_cover", 60: "bare_sparse_vegetation"}


def annotated_table(count=600, seed=0, *, places=0, names=LANDCOVERS):
    """Return tiles on land and sea between 60° S and 75° N, few of them in Dfc/bare.

    Their classes depend on ``seed``, their cells on ``places``.
    """
    rng = np.random.default_rng(seed)
    climate = rng.choice(list(CLIMATES), count, p=[0.5, 0.4, 0.1])
    landcover = rng.choice(list(names), count, p=[0.8, 0.2])
    strata = [f"{CLIMATES[c]}/{names[v]}" for c, v in zip(climate, landcover, strict=True)]
    rng = np.random.default_rng([places, 1])
    lat_deg = rng.permutation(np.linspace(-60, 75, count))  # each in a row of the grid of its own
    lon_deg = rng.uniform(-180, 180, count)
    return pa.table({
        "grid_cell": cells_at(lon_deg, lat_deg).names(), "lat": lat_deg, "lon": lon_deg,
        "climate": pa.array([CLIMATES[c] for c in climate]).dictionary_encode(),
        "landcover": pa.array([names[v] for v in landcover]).dictionary_encode(),
        "climate_code": climate.astype(np.uint8), "landcover_code": landcover.astype(np.uint8),
        "stratum": pa.array(strata).dictionary_encode(),
    })  # fmt: skip


def written(folder, table, *, per_stratum=30, licences=("Map of © Someone (CC-BY-4.0)",)):
    """Write a table and a random selection of it, as the commands would."""
    folder.mkdir(exist_ok=True)
    annotated, selection = folder / "annotated.parquet", folder / "selection.parquet"
    provenance = Provenance(command="annotate", options={}, licences=licences)
    write_points(table, annotated, provenance)
    options = SampleOptions(per_stratum=per_stratum, method="random", seed=7)
    make_selection(annotated, selection, options=options)
    return selection, annotated


def report_of(selection, annotated, out, **options):
    """Write a report, as the command does."""
    return minortom.report(selection, annotated=annotated, out=out, **options)
