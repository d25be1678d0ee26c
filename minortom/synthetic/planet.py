"""A synthetic planet on disk: two maps, a list of cells and a small archive.

It serves to try the commands without a download. No place in it is real; layout, names, formats
and defects are those of the real files.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minortom.api.arguments import number, path_of, whole_number
from minortom.api.results import Result
from minortom.errors import InputError
from minortom.grid.area_cells import cells_of_area
from minortom.grid.cells import Cells, cells_from_names, whole_grid
from minortom.grid.regions import Region, region_of
from minortom.io.artefact import artefact
from minortom.io.atomic_write import write_json
from minortom.io.provenance import KEY, Provenance
from minortom.progress import OnProgress, ignore_progress
from minortom.shards.pixel_credit import MADE_UP
from minortom.synthetic.archive import write_archive
from minortom.synthetic.area import turned_to
from minortom.synthetic.maps import LANDCOVER_CODES, Planet, make_planet, write_map
from minortom.synthetic.scene import Scene
from minortom.synthetic.smooth_field import PROPERTIES, SmoothField, field_values

RECORD = "planet.json"
"""Name of the file in the folder with its provenance."""
FIELD_TABLE = "field.csv"
"""Name of the file in the folder with the values of smooth fields in the listed cells."""
NUM_CELLS = 60_000
"""Land cells in the list: ``annotate`` takes under a second for them, ``sample`` some seconds."""


@dataclass(frozen=True, kw_only=True)
class DemoResult(Result):
    """The synthetic planet that ``demo`` has written, or found to be up to date."""

    out: Path
    """The folder."""
    status: str
    """``written`` or ``up to date``."""
    seed: int
    cells: int
    """Cells listed in ``cells.txt``."""
    tiles: int
    """Tiles in the archive."""
    field_km: float | None
    """Range of the smooth fields; None without them."""
    megabytes: int
    """Size of all files (10^6 bytes)."""


def demo(
    out: str | Path,
    *,
    seed: int = 0,
    tiles: int = 14,
    field_km: float | None = None,
    region: str | Path | None = None,
    region_layer: str | None = None,
    overwrite: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> DemoResult:
    """Write a synthetic planet: climate and land-cover maps, cells and a small archive.

    The folder gets ``climate.tif``, ``landcover.tif``, ``cells.txt``, ``Core-S2L2A/`` and
    ``Core-S1RTC/``. This takes some five seconds for the maps, then about a second and 18 MB
    for each tile.

    Args:
        out: The folder. On an error or an interrupt it stays as it was.
        seed: Seed of all random numbers. The same seed gives the same bytes.
        tiles: Number of tiles in the archive. Their land cover cycles through all classes.
        field_km: Range of smooth random fields, in km, which greenness, soil moisture, texture
            scale and level of Sentinel-1 follow within every stratum; ``field.csv`` has their
            values. None gives each cell properties of its own.
        region: Vector file of polygons, such as GeoJSON. ``cells.txt`` then has the land cells
            that overlap them, at most 60,000, and the tiles lie there. The planet is turned about
            its axis so that the area has as much land as possible.
        region_layer: Layer of the region, for a file with several layers of polygons.
        overwrite: Whether to replace a folder that was made with other options.
        on_progress: Called with (tiles written, tiles in all).

    Returns:
        The sizes, and whether the folder was written or up to date.

    Raises:
        OutputExistsError: If ``out`` was made with other options and ``overwrite`` is false, or
            if it holds other files.
        InputError: If ``out`` is not a possible place for a folder, an argument is wrong, or the
            region has fewer land cells than tiles.
    """
    out = path_of("out", out)
    seed, tiles = whole_number("seed", seed, minimum=0), whole_number("tiles", tiles, minimum=1)
    field = None if field_km is None else _field(seed, field_km)
    area = region_of(region, region_layer)
    provenance = Provenance(
        command="demo",
        options={
            "tiles": tiles, **({} if field is None else {"field_km": field.range_km}),
            **({} if area is None else area.as_options()),
        },
        inputs={} if area is None else {"region": area.sha256},
        seed=seed,
        licences=(MADE_UP.line,),
    )  # fmt: skip
    inputs = [] if area is None else [Path(area.name)]
    with artefact(out, provenance, inputs=inputs, overwrite=overwrite, record=RECORD) as made:
        if not made.up_to_date:
            _write_planet(made.path, provenance, seed, area, tiles, field, on_progress)
    size_bytes = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    return DemoResult(
        out=out, status=made.status, seed=seed, cells=_count_lines(out / "cells.txt"), tiles=tiles,
        field_km=None if field is None else field.range_km, megabytes=round(size_bytes / 1e6),
    )  # fmt: skip


def _field(seed: int, field_km: float) -> SmoothField:
    return SmoothField(seed=seed, range_km=number("field_km", field_km))


def _write_planet(
    folder: Path, provenance: Provenance, seed: int, area: Region | None, tiles: int,
    field: SmoothField | None, on_progress: OnProgress,
) -> None:  # fmt: skip
    planet, cells = make_planet(seed=seed), None
    if area is not None:
        cells = cells_of_area(region=area)
        planet = turned_to(planet, cells)
    names = land_cells(planet, cells)
    if area is not None and len(names) < tiles:
        raise InputError(
            f"{area.name} must have a land cell of 10 km for each of {tiles:,} tiles, found "
            f"{len(names):,} on the planet; give fewer --tiles or a larger --region"
        )
    write_map(planet.climate, folder / "climate.tif")
    write_map(planet.landcover, folder / "landcover.tif")
    (folder / "cells.txt").write_text("\n".join(names.tolist()) + "\n", encoding="utf-8")
    if field is not None:
        (folder / FIELD_TABLE).write_text(field_table(field, names), encoding="utf-8")
    write_archive(folder, scenes(planet, names, tiles, field=field), provenance, on_progress)
    write_json(folder / RECORD, {KEY: provenance.as_dict()})


def land_cells(
    planet: Planet, cells: Cells | None = None, *, count: int = NUM_CELLS
) -> NDArray[np.str_]:
    """Return the names of random cells whose centre has a class in both maps, in grid order.

    They are chosen among ``cells``; among all cells of the grid when None.
    """
    grid = whole_grid() if cells is None else cells
    climate, landcover = planet.codes_at(*grid.centres())
    land = np.flatnonzero((climate > 0) & (landcover > 0))
    rng = np.random.default_rng([planet.seed, 2])
    chosen = rng.choice(land, min(count, len(land)), replace=False)
    return grid.take(np.sort(chosen)).names()


def field_table(field: SmoothField, names: NDArray[np.str_]) -> str:
    """Return the values of fields at the centres of cells as CSV, to 4 decimals."""
    values = field.at(*cells_from_names(names).centres())
    lines = (
        ",".join([name, *(f"{value:.4f}" for value in row)])
        for name, row in zip(names.tolist(), values.tolist(), strict=True)
    )
    return "\n".join([",".join(("grid_cell", *PROPERTIES)), *lines, ""])


def scenes(
    planet: Planet, names: NDArray[np.str_], count: int, *, field: SmoothField | None = None
) -> list[Scene]:
    """Return scenes in distinct random cells; their land cover cycles through all classes."""
    lon_deg, lat_deg = cells_from_names(names).centres()
    climate, landcover = planet.codes_at(lon_deg, lat_deg)
    order = np.random.default_rng([planet.seed, 3]).permutation(len(names))
    waiting = {code: [i for i in order if landcover[i] == code] for code in LANDCOVER_CODES}
    chosen: list[Scene] = []
    while len(chosen) < min(count, len(names)):
        for indices in waiting.values():
            if indices and len(chosen) < count:
                index = int(indices.pop())
                here = slice(index, index + 1)
                values = None if field is None else field.at(lon_deg[here], lat_deg[here])[0]
                chosen.append(
                    Scene(
                        seed=planet.seed, cell=str(names[index]),
                        climate_code=int(climate[index]), landcover_code=int(landcover[index]),
                        field=None if values is None else field_values(values),
                    )
                )  # fmt: skip
    return chosen


def _count_lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())
