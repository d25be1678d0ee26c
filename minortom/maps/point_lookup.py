"""Look-up of classes at points, in one raster or in the tiles of a map."""

from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minortom.engine.executors import as_done
from minortom.maps.class_band import ClassBand
from minortom.maps.class_table import NO_CLASS, OUTSIDE, ClassTable
from minortom.maps.gdal_http import read_with_retries, title_of
from minortom.maps.rasters import Raster, opened_map, pixels_at, windows_with
from minortom.maps.tiled_map import Tile, TileMap
from minortom.progress import OnProgress, ignore_progress

Degrees = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class PointJob:
    """Tile and the points on it."""

    tile: Tile
    classes: ClassTable
    lon_deg: Degrees
    lat_deg: Degrees


def codes_in_map(
    path: Path,
    classes: ClassTable,
    lon_deg: Degrees,
    lat_deg: Degrees,
    *,
    on_progress: OnProgress = ignore_progress,
) -> NDArray[np.int16]:
    """Return the codes at [n] points of one raster; see ``Descriptor.codes_at``."""
    with opened_map(path) as source:
        return _codes(path, source, classes, lon_deg, lat_deg, on_progress)


def codes_in_tiles(
    tiles: TileMap,
    classes: ClassTable,
    lon_deg: Degrees,
    lat_deg: Degrees,
    *,
    executor: Executor,
    on_progress: OnProgress = ignore_progress,
) -> NDArray[np.int16]:
    """Return the codes at [n] points of tiles, one job per tile; see ``Descriptor.codes_at``."""
    lon_deg = np.where(np.abs(lon_deg) <= 180, lon_deg, (lon_deg + 180) % 360 - 180)
    names, tile_of = tiles.lattice.tiles_at(lon_deg, lat_deg)
    order = np.argsort(tile_of, kind="stable")
    ends = np.cumsum(np.bincount(tile_of, minlength=len(names)))
    points_of = dict(zip(names, np.split(order, ends)[: len(names)], strict=True))
    existing = tiles.existing(names)
    jobs = [
        PointJob(tile=tile, classes=classes, lon_deg=lon_deg[here], lat_deg=lat_deg[here])
        for tile, here in ((tile, points_of[tile.name]) for tile in existing)
    ]
    codes = np.full(len(lon_deg), NO_CLASS, dtype=np.int16)
    done = len(codes) - sum(len(job.lon_deg) for job in jobs)
    for position, found in as_done(executor, codes_in_tile, jobs):
        codes[points_of[existing[position].name]] = found
        done += len(found)
        on_progress(done, len(codes))
    return codes


def codes_in_tile(job: PointJob) -> NDArray[np.int16]:
    """Return the codes at the points of one tile.

    Raises:
        InputError: If the tile cannot be read, has other edges than its name says, or has values
            that are not in the legend.
        RemoteError: If the tile is behind a URL and cannot be read.
    """
    return read_with_retries(job.tile.place, lambda: _codes_in_tile(job))


def _codes_in_tile(job: PointJob) -> NDArray[np.int16]:
    tile = job.tile
    with opened_map(tile.place) as source:
        tile.check(source)
        west, south, east, north = source.bounds
        # Half a pixel inside: a point on the tile's edge must not be rounded into the next tile.
        half_x, half_y = abs(source.transform.a) / 2, abs(source.transform.e) / 2
        lon_deg = np.clip(job.lon_deg, west + half_x, east - half_x)
        lat_deg = np.clip(job.lat_deg, south + half_y, north - half_y)
        return _codes(title_of(tile.place), source, job.classes, lon_deg, lat_deg, ignore_progress)


def _codes(
    place: Path | str,
    source: Raster,
    classes: ClassTable,
    lon_deg: Degrees,
    lat_deg: Degrees,
    on_progress: OnProgress,
) -> NDArray[np.int16]:
    codes = np.full(len(lon_deg), OUTSIDE, dtype=np.int16)
    unknown: set[int] = set()
    band = ClassBand.of(source, str(place))
    points, row, col = pixels_at(source, lon_deg, lat_deg)
    done = len(codes) - len(points)
    for window, here in windows_with(source, row, col):
        block = band.read(window)
        unknown |= classes.unknown_in(block, band.nodata)
        values = block[row[here] - window.row_off, col[here] - window.col_off]
        codes[points[here]] = classes.codes_of(values, band.nodata)
        done += len(here)
        on_progress(done, len(codes))
    classes.require_known(unknown, place)
    return codes
