"""Write patches of the synthetic planet as shards, to pretrain and to probe on.

    python benchmarks/_planet_shards.py planet-shards --cells 100,20,60 --patches 4

The same number of cells is drawn for each land cover. Cells of different splits are more than 100
km apart.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.spatial import cKDTree

from minortom.extraction.radiometry import decibels
from minortom.grid.cells import cells_from_names
from minortom.grid.sphere import chord_of_km, unit_vectors
from minortom.io.provenance import Provenance
from minortom.sensors import GROUPS
from minortom.shards.layout import METADATA_SCHEMA
from minortom.shards.pixel_credit import MADE_UP
from minortom.shards.writer import write_shards
from minortom.synthetic.maps import LANDCOVER_CODES, make_planet
from minortom.synthetic.noise import Window
from minortom.synthetic.planet import land_cells
from minortom.synthetic.scene import Scene, render

PATCH_PX, MARGIN_PX, APART_KM, BLOCK_DEG = 120, 54, 100, 6
SPLITS = ("train", "val", "test")


def draw_cells(seed, wanted):
    """Draw the requested number of cells for each split and land cover, or all if there are fewer.

    Each block of 6 degrees belongs to one split. If cells of two splits are within 100 km, the
    cell of the split that comes earlier in `SPLITS` is left out.
    """
    planet = make_planet(seed=seed)
    names = land_cells(planet)
    lon_deg, lat_deg = cells_from_names(names).centres()
    climate, landcover = planet.codes_at(lon_deg, lat_deg)
    rng = np.random.default_rng([seed, 1])
    block = np.floor(lat_deg / BLOCK_DEG) * 1000 + np.floor(lon_deg / BLOCK_DEG)
    blocks, of_cell = np.unique(block, return_inverse=True)
    split = rng.choice(3, len(blocks), p=(0.5, 0.15, 0.35))[of_cell]
    points = unit_vectors(lon_deg, lat_deg)
    for earlier, later in ((0, 1), (0, 2), (1, 2)):
        distance, _ = cKDTree(points[split == later]).query(points)
        split[(split == earlier) & (distance < chord_of_km(APART_KM))] = -1
    for number, name in enumerate(SPLITS):
        for code in LANDCOVER_CODES:
            there = np.flatnonzero((split == number) & (landcover == code))
            for index in rng.choice(there, min(wanted[number], len(there)), replace=False):
                scene = Scene(
                    seed=seed, cell=str(names[index]), climate_code=int(climate[index]),
                    landcover_code=code,
                )  # fmt: skip
                yield scene, name, float(lon_deg[index]), float(lat_deg[index])


def cut(drawn, patches):
    """Render some patches of a cell; return the tensors and the metadata of each."""
    scene, split, lon_deg, lat_deg = drawn
    found = []
    for place in scene.rng(9).choice(64, patches, replace=False).tolist():
        row, col = divmod(place, 8)
        window = Window(
            row=MARGIN_PX + PATCH_PX * row, col=MARGIN_PX + PATCH_PX * col,
            height=PATCH_PX, width=PATCH_PX,
        )  # fmt: skip
        pixels = render(scene, window)
        tensors = {}
        for group in GROUPS:
            if group.sensor == "s2":
                bands = [np.rint(pixels.reflectance[b] * 1e4).clip(1, 65535) for b in group.bands]
            else:
                bands = [decibels(pixels.backscatter[b], None) for b in group.bands]
            tensors[group.column] = np.stack(bands).astype(group.dtype)
        metadata = {
            "grid_cell": scene.cell, "patch_row": row, "patch_col": col, "split": split,
            "climate": f"climate_{scene.climate_code}",
            "landcover": f"class_{scene.landcover_code}", "lat": lat_deg, "lon": lon_deg,
        }  # fmt: skip
        found.append((tensors, metadata))
    return found


def write(out, drawn, *, patches, provenance, workers=None):
    """Render some patches of each cell and write them as shards; return their number.

    Args:
        out: Folder to write.
        drawn: Scene, split, longitude and latitude of each cell.
        patches: Patches of each cell.
        provenance: All that the patches depend on.
        workers: Processes that render; one for each core when None, this process alone when 1.
    """
    work = partial(cut, patches=patches)
    if workers == 1:
        rows = [row for cell in map(work, drawn) for row in cell]
    else:
        with ProcessPoolExecutor(workers) as pool:
            rows = [row for cell in pool.map(work, drawn, chunksize=16) for row in cell]
    tensors = {g.column: np.stack([row[0][g.column] for row in rows]) for g in GROUPS}
    metadata = _table([row[1] for row in rows])
    write_shards(out, tensors=tensors, metadata=metadata, provenance=provenance)
    return len(rows)


def main():
    """Write the shards."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--cells", default="100,20,60", help="cells of each land cover in train, val and test"
    )
    parser.add_argument("--patches", type=int, default=4, help="patches of each cell")
    options = parser.parse_args()
    wanted = tuple(map(int, options.cells.split(",")))
    drawn = list(draw_cells(options.seed, wanted))
    count = write(
        options.out, drawn, patches=options.patches,
        provenance=Provenance(
            command="planet-shards", options={"cells": options.cells, "patches": options.patches},
            seed=options.seed, licences=(MADE_UP.line,),
        ),
    )  # fmt: skip
    print(f"{count} patches of {len(drawn)} cells in {options.out}")


def _table(rows):
    defaults = {
        pa.string(): "", pa.int16(): 0, pa.int32(): 32631, pa.float64(): 0.0, pa.float32(): 0.0,
    }  # fmt: skip
    for row in rows:
        row["stratum"] = f"{row['climate']}/{row['landcover']}"
    columns = [
        pa.array([row.get(f.name, defaults.get(f.type)) for row in rows], f.type)
        for f in METADATA_SCHEMA
    ]
    return pa.Table.from_arrays(columns, schema=METADATA_SCHEMA)


if __name__ == "__main__":
    main()
