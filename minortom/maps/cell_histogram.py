"""Class counts of a map in cells: one pass over the pixels, each labelled with its cell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from minortom.engine.numba_jit import compiled
from minortom.grid.cells import cells_at
from minortom.maps.cell_windows import windows_with_cells
from minortom.maps.class_table import ClassTable, NotCategoriesError
from minortom.maps.gdal_http import read_with_retries, title_of
from minortom.maps.overview_check import MAX_SQUARES, require_categories
from minortom.maps.overviews import Level, opened_level, size_deg
from minortom.maps.tiled_map import Tile

_PIXELS_AT_ONCE = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class CountJob:
    """Raster, or one window of it, and the cells to count in it."""

    place: str
    """Path or URL of the raster."""
    classes: ClassTable
    resolution_m: float
    keys: NDArray[np.int64]
    """[m] keys of the cells as in ``Cells.keys``, ascending."""
    tile: Tile | None = None
    """Tile that the raster should be; None without a check."""
    window: tuple[int, int, int, int] | None = None
    """Column, row, width and height in pixels of the level that is read; None for all of it."""

    @property
    def title(self) -> str:
        """Name of the raster in messages."""
        return title_of(self.place)


@dataclass(frozen=True)
class LevelRead:
    """Size of the pixels that were counted."""

    factor: int
    """Width of a counted pixel, in pixels of the map."""
    full_deg: tuple[float, float]
    """Width and height of a pixel of the map, in degrees."""

    def __str__(self) -> str:
        return f"{self.full_deg[0]:.8g} degrees a pixel"

    def matches(self, other: "LevelRead") -> bool:
        """Return whether the maps have the same pixel size, so that counts may be added."""
        return bool(np.allclose(self.full_deg, other.full_deg, rtol=1e-6, atol=0))


@dataclass(frozen=True, kw_only=True, eq=False)
class JobCounts:
    """Counts of a job."""

    counts: NDArray[np.int64]
    """[m, K + 1] pixels by class, ordered by code; pixels without a class come last."""
    level: LevelRead
    is_blended: bool = False
    """Whether the overview has values that are not those of the map; then nothing is counted."""


def count(job: CountJob) -> JobCounts:
    """Count the pixels of each class in the cells of a job.

    A pixel belongs to the cell that contains its centre, as defined by
    :func:`minortom.grid.cells.cells_at`.

    Raises:
        InputError: If the raster cannot be read or counted, has other edges than its name says,
            or has values in these cells at full resolution that the legend does not have.
        RemoteError: If the raster is behind a URL and cannot be read.
    """
    return read_with_retries(job.place, lambda: _count(job))


def _count(job: CountJob) -> JobCounts:
    with opened_level(job.place, resolution_m=job.resolution_m) as level:
        read = LevelRead(level.factor, size_deg(level.full.source))
        if job.tile is not None:
            job.tile.check(level.full.source)
        try:
            counts = _counted(level, job)
        except NotCategoriesError:
            if level.factor == 1:
                raise
            nothing = np.zeros((len(job.keys), len(job.classes.codes) + 1), dtype=np.int64)
            return JobCounts(counts=nothing, level=read, is_blended=True)
    return JobCounts(counts=counts, level=read)


def _counted(level: Level, job: CountJob) -> NDArray[np.int64]:
    """Return the counts [m, K + 1] at a level, after a check of its values in some squares."""
    counts = np.zeros((len(job.keys), len(job.classes.codes) + 2), dtype=np.int64)
    windows = level.windows() if job.window is None else [Window(*job.window)]
    squares = MAX_SQUARES
    for window in windows:
        for part in windows_with_cells(level.positions, level.block, window, job.keys):
            block = level.read(part)
            squares -= require_categories(level, part, block, max_squares=squares)
            _count_window(level, part, block, job, counts)
    return counts[:, :-1]


def _count_window(
    level: Level,
    window: Window,
    block: NDArray[np.integer],
    job: CountJob,
    counts: NDArray[np.int64],
) -> None:
    """Add the pixels [h, w] of a window to counts [m, K + 2]; unknown values come last."""
    numbers, class_of = job.classes.numbered(block, level.nodata)
    if level.positions.is_regular:
        _add_rows(level, window, numbers, class_of, job.keys, counts)
    else:
        _add_pixels(level, window, numbers, class_of, job.keys, counts)
    if counts[:, -1].any():
        job.classes.require_known(job.classes.unknown_in(block, level.nodata), job.title)


def _add_rows(
    level: Level,
    window: Window,
    numbers: NDArray[np.integer],
    class_of: NDArray[np.int64],
    keys: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Add pixels whose columns have one longitude and whose rows have one latitude."""
    lon_deg, lat_deg = level.positions.centres_deg(window)
    on_globe = np.flatnonzero(np.abs(lat_deg) <= 90)  # some maps extend beyond a pole
    if not len(on_globe):
        return
    row_of = cells_at(np.zeros(len(on_globe)), lat_deg[on_globe]).row
    starts = np.flatnonzero(np.diff(row_of, prepend=row_of[0] - 1))
    for start, stop in zip(starts, [*starts[1:], len(row_of)], strict=True):
        rows = on_globe[start:stop]
        edges, slots = _runs(lon_deg, lat_deg[rows[0]], keys)
        if (slots >= 0).any():
            count_runs(numbers[rows[0] : rows[-1] + 1], edges, slots, class_of, counts)


def _add_pixels(
    level: Level,
    window: Window,
    numbers: NDArray[np.integer],
    class_of: NDArray[np.int64],
    keys: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Add pixels that have a longitude and a latitude each."""
    step = max(1, _PIXELS_AT_ONCE // window.width)
    for top in range(0, window.height, step):
        high = min(step, window.height - top)
        part = Window(window.col_off, window.row_off + top, window.width, high)
        lon_deg, lat_deg = level.positions.each_centre_deg(part)
        there = np.isfinite(lon_deg) & (np.abs(lat_deg) <= 90)
        lon_deg = (lon_deg[there] + 180) % 360 - 180
        here = cells_at(lon_deg, lat_deg[there]).keys()
        slots = _slots_of(here, keys)
        listed = slots >= 0
        found = class_of[numbers[top : top + high][there][listed]]
        pairs = slots[listed] * counts.shape[1] + found
        counts += np.bincount(pairs, minlength=counts.size).reshape(counts.shape)


def _runs(
    lon_deg: NDArray[np.float64], lat_deg: float, keys: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split a row of pixels into runs of one cell each.

    Returns:
        [r + 1] first columns of the runs, and the length of the row; [r] indices of their cells
        in ``keys``, -1 for other cells.
    """
    found = cells_at(lon_deg, np.full(len(lon_deg), lat_deg))
    starts = np.flatnonzero(np.diff(found.col, prepend=found.col[0] - 1))
    return np.append(starts, len(lon_deg)), _slots_of(found.take(starts).keys(), keys)


def _slots_of(wanted: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the index of each wanted key in ``keys`` (ascending), -1 where it is not there."""
    slots = np.searchsorted(keys, wanted)
    return np.where(keys[np.minimum(slots, len(keys) - 1)] == wanted, slots, -1)


@compiled
def count_runs(
    pixels: NDArray[np.integer],
    edges: NDArray[np.intp],
    slots: NDArray[np.intp],
    class_of: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Count pixels [h, w] whose columns are split into [r] runs of one cell each.

    Args:
        pixels: Values from 0 to one less than the length of ``class_of``.
        edges: [r + 1] first columns of the runs, and w.
        slots: [r] rows of ``counts``; runs with -1 are skipped.
        class_of: Column of ``counts`` for each value.
        counts: [m, K + 2] counts, to which is added.
    """
    # Four tallies in parallel: neighbouring pixels often have the same class, and each addition
    # to the same number would have to wait for the one before.
    tally = np.zeros((4, len(class_of)), np.int64)
    for run in range(len(slots)):
        slot = slots[run]
        if slot < 0:
            continue
        tally[:] = 0
        start, stop = edges[run], edges[run + 1]
        last = stop - (stop - start) % 4
        for i in range(pixels.shape[0]):
            row = pixels[i]
            for j in range(start, last, 4):
                tally[0, row[j]] += 1
                tally[1, row[j + 1]] += 1
                tally[2, row[j + 2]] += 1
                tally[3, row[j + 3]] += 1
            for j in range(last, stop):
                tally[0, row[j]] += 1
        for value in range(len(class_of)):
            total = tally[0, value] + tally[1, value] + tally[2, value] + tally[3, value]
            counts[slot, class_of[value]] += total
