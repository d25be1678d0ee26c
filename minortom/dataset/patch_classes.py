"""Classes of a map inside patches: the class under each 10 m pixel, counted.

The pixels of a patch have equal areas, so the counts are shares of area for maps of any resolution
and coordinate system.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minortom.engine.executors import as_done
from minortom.errors import InputError
from minortom.grid.cells import Cells, cells_at
from minortom.maps.class_table import NO_CLASS, OUTSIDE
from minortom.maps.descriptor import Descriptor
from minortom.maps.tiled_map import TileMap
from minortom.progress import OnProgress
from minortom.sensors import BASE_RESOLUTION_M

_POINTS_AT_ONCE = 1_000_000
"""Pixels of a job; a job is at least one patch."""
_LONLAT = 4326

LonLat = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True, eq=False)
class PatchSquares:
    """Squares of pixels on the ground, [n] each."""

    patch_px: int
    """Side of a square, in pixels of 10 m."""
    epsg: NDArray[np.int32]
    """Projection, in metres."""
    ulx_m: NDArray[np.float64]
    """Easting of the north-west corner."""
    uly_m: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.epsg)

    def take(self, which: NDArray[np.intp]) -> "PatchSquares":
        """Return some of the squares."""
        return PatchSquares(
            patch_px=self.patch_px, epsg=self.epsg[which], ulx_m=self.ulx_m[which],
            uly_m=self.uly_m[which],
        )  # fmt: skip

    def points_deg(self, side_px: Sequence[int] | NDArray[np.int64]) -> LonLat:
        """Return the centres of pixels as longitudes and latitudes [n, p * p], degrees (WGS 84).

        Args:
            side_px: [p] rows, counted from the north, and columns, counted from the west.
        """
        step_m = (np.asarray(side_px) + 0.5) * BASE_RESOLUTION_M
        count = len(step_m)
        x_m = self.ulx_m[:, None] + np.tile(step_m, count)
        y_m = self.uly_m[:, None] - np.repeat(step_m, count)
        lon_deg, lat_deg = np.empty_like(x_m), np.empty_like(y_m)
        for code in np.unique(self.epsg):
            here = self.epsg == code
            lon_deg[here], lat_deg[here] = _to_lonlat(int(code)).transform(x_m[here], y_m[here])
        return lon_deg, lat_deg

    def cells(self) -> Cells:
        """Return the cells [4 n] that contain the corner pixels."""
        lon_deg, lat_deg = self.points_deg([0, self.patch_px - 1])
        return cells_at(lon_deg.ravel(), lat_deg.ravel())


@dataclass(frozen=True, kw_only=True, eq=False)
class PatchCounts:
    """Counts of [n] patches and [K] classes of a map."""

    counts: NDArray[np.int64]
    """[n, K] pixels of each class, ordered by code."""
    outside: NDArray[np.int64]
    """[n] pixels outside the map."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Job:
    descriptor: Descriptor
    squares: PatchSquares


def count_in_patches(
    descriptor: Descriptor, squares: PatchSquares, *, executor: Executor, on_progress: OnProgress
) -> PatchCounts:
    """Count the classes of a map under the pixels of patches.

    Args:
        descriptor: The map. A tile that does not exist has no class.
        squares: The patches, in any order; near ones are read together.
        executor: Where the map is read.
        on_progress: Called with (patches counted, patches in all).

    Raises:
        InputError: As ``Descriptor.codes_at`` does.
        RemoteError: If a tile behind a URL cannot be read.
    """
    counts = np.zeros((len(squares), len(descriptor.classes.codes)), np.int64)
    outside = np.zeros(len(squares), np.int64)
    order = _with_tiles(descriptor, squares)
    batches = list(_batches(order, max(1, _POINTS_AT_ONCE // squares.patch_px**2)))
    jobs = [_Job(descriptor=descriptor, squares=squares.take(batch)) for batch in batches]
    done = len(squares) - len(order)
    for number, found in as_done(executor, _count, jobs):
        counts[batches[number]], outside[batches[number]] = found.counts, found.outside
        done += len(batches[number])
        on_progress(done, len(squares))
    return PatchCounts(counts=counts, outside=outside)


def _with_tiles(descriptor: Descriptor, squares: PatchSquares) -> NDArray[np.intp]:
    """Return the patches that may have a class, near ones one after the other."""
    near: NDArray[np.intp] = np.argsort(squares.cells().keys()[::4], kind="stable")
    if not isinstance(descriptor.source, TileMap):
        return near
    tiles = descriptor.source
    lon_deg, lat_deg = squares.points_deg([0, squares.patch_px - 1])
    names, tile_of = tiles.lattice.tiles_at(lon_deg.ravel(), lat_deg.ravel())
    present = {tile.name for tile in tiles.existing(names)}
    exists = np.array([name in present for name in names])[tile_of].reshape(len(squares), -1)
    return near[np.flatnonzero(exists[near].any(axis=1))]


def _batches(order: NDArray[np.intp], size: int) -> Iterator[NDArray[np.intp]]:
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _count(job: _Job) -> PatchCounts:
    lon_deg, lat_deg = job.squares.points_deg(np.arange(job.squares.patch_px))
    codes = job.descriptor.codes_at(lon_deg.ravel(), lat_deg.ravel()).reshape(lon_deg.shape)
    known = job.descriptor.classes.codes
    # Columns: the classes, then pixels without a class, then pixels outside.
    column = np.searchsorted(known, codes)
    column[codes == NO_CLASS] = len(known)
    column[codes == OUTSIDE] = len(known) + 1
    column += np.arange(len(column))[:, None] * (len(known) + 2)
    size = len(column) * (len(known) + 2)
    table = np.bincount(column.ravel(), minlength=size).reshape(len(column), -1)
    return PatchCounts(counts=table[:, :-2], outside=table[:, -1])


@lru_cache(maxsize=64)
def _to_lonlat(epsg: int) -> Any:  # noqa: ANN401 - pyproj has no types
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    try:
        return Transformer.from_crs(epsg, _LONLAT, always_xy=True)
    except ProjError:
        raise InputError(
            f"expected EPSG codes of projections in the shards, found {epsg}; export them again"
        ) from None
