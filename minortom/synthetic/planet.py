"""A made-up planet on disk: two maps, a list of cells and a small archive.

For trying things without a download. Nothing in it is a real place; layout, names, formats
and faults are those of the real files.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minortom.grid.cells import cells_from_names, whole_grid
from minortom.io.atomic_write import whole_folder, write_json
from minortom.io.provenance import KEY, Provenance
from minortom.io.up_to_date import is_up_to_date, now, status, write_run_record
from minortom.progress import OnProgress, ignore_progress
from minortom.synthetic.archive import write_archive
from minortom.synthetic.maps import LANDCOVER_CODES, Planet, make_planet, write_map
from minortom.synthetic.scene import Scene

RECORD = "planet.json"
"""The file in the folder that says what it was made from."""
NUM_CELLS = 60_000
"""Land cells in the list: what annotate takes a blink for and sample some seconds."""


def make_demo(
    out: Path,
    *,
    seed: int = 0,
    tiles: int = 14,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> dict[str, object]:
    """Write climate.tif, landcover.tif, cells.txt, Core-S2L2A/ and Core-S1RTC/ into a folder.

    About a second and 18 MB a tile, after some five seconds for the maps.

    Args:
        out: The folder; it appears whole or not at all.
        seed: The same seed gives the same bytes.
        tiles: Tiles in the archive; their land cover goes round all classes.
        overwrite: Whether to replace a folder made from something else.
        on_progress: Called as tiles get done.

    Returns:
        A summary: what there is, and whether it was there already.

    Raises:
        OutputExistsError: If ``out`` exists and was made from something else.
        InputError: If the folder that ``out`` goes into does not exist.
    """
    started = now()
    provenance = Provenance(command="demo", options={"tiles": tiles}, seed=seed)
    there = is_up_to_date(out, provenance, inputs=(), overwrite=overwrite, record=RECORD)
    if not there:
        with whole_folder(out) as folder:
            planet = make_planet(seed=seed)
            write_map(planet.climate, folder / "climate.tif")
            write_map(planet.landcover, folder / "landcover.tif")
            names = land_cells(planet)
            (folder / "cells.txt").write_text("\n".join(names.tolist()) + "\n", encoding="utf-8")
            write_archive(folder, scenes(planet, names, tiles), on_progress)
            write_json(folder / RECORD, {KEY: json.loads(provenance.to_json())})
        write_run_record(out, started)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    return {
        "out": str(out),
        "status": status(there),
        "seed": seed,
        "cells": _count_lines(out / "cells.txt"),
        "tiles": tiles,
        "megabytes": round(size / 1e6),
    }


def land_cells(planet: Planet, *, count: int = NUM_CELLS) -> NDArray[np.str_]:
    """Draw cells whose centre has a class in both maps; names, in the grid's order."""
    grid = whole_grid()
    climate, landcover = planet.codes_at(*grid.centres())
    land = np.flatnonzero((climate > 0) & (landcover > 0))
    rng = np.random.default_rng([planet.seed, 2])
    drawn = rng.choice(land, min(count, len(land)), replace=False)
    return grid.take(np.sort(drawn)).names()


def scenes(planet: Planet, names: NDArray[np.str_], count: int) -> list[Scene]:
    """Draw distinct cells, their land cover going round the classes that there are."""
    climate, landcover = planet.codes_at(*cells_from_names(names).centres())
    order = np.random.default_rng([planet.seed, 3]).permutation(len(names))
    waiting = {code: [i for i in order if landcover[i] == code] for code in LANDCOVER_CODES}
    drawn: list[Scene] = []
    while len(drawn) < min(count, len(names)):
        for indices in waiting.values():
            if indices and len(drawn) < count:
                index = int(indices.pop())
                drawn.append(
                    Scene(
                        seed=planet.seed, cell=str(names[index]),
                        climate_code=int(climate[index]), landcover_code=int(landcover[index]),
                    )
                )  # fmt: skip
    return drawn


def _count_lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())
