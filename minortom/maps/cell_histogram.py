"""Count the classes of a map in cells: one pass over the pixels, labelled by the grid."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from minortom.engine.numba_jit import compiled
from minortom.grid.cells import N_ROWS, Cells, cells_at, columns_of_rows
from minortom.maps.class_table import ClassTable
from minortom.maps.gdal_http import patiently, title_of
from minortom.maps.overviews import CELL_DEG, Level, opened_level
from minortom.maps.tiled_map import Tile

_HAIR = 1e-9
"""Of a cell: an edge this near to a cell's own is the cell's, whatever rounding did to it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CountJob:
    """One raster, or one window of it, and the cells that are wanted of it."""

    place: str
    """A file or a URL."""
    classes: ClassTable
    resolution_m: float
    keys: NDArray[np.int64]
    """[m] cells, ascending, as ``Cells.keys`` numbers them."""
    tile: Tile | None = None
    """What the raster claims to be, to be checked."""
    window: tuple[int, int, int, int] | None = None
    """Column, row, width and height at the level that is read; None for all of it."""

    @property
    def title(self) -> str:
        """What messages call the raster."""
        return title_of(self.place)


@dataclass(frozen=True)
class LevelRead:
    """The pixels that were counted."""

    factor: int
    """Pixels of the map that one of them is wide."""
    pixel_deg: tuple[float, float]
    """Width and height of one of them."""

    def __str__(self) -> str:
        return f"{self.pixel_deg[0]:.8g} degrees a pixel"

    def is_like(self, other: "LevelRead") -> bool:
        """Say whether pixels of both may be added up."""
        return bool(np.allclose(self.pixel_deg, other.pixel_deg, rtol=1e-6, atol=0))


@dataclass(frozen=True, kw_only=True, eq=False)
class JobCounts:
    """What came of a job."""

    counts: NDArray[np.int64]
    """[m, K + 1] pixels a class, ordered by code; those without a class last."""
    level: LevelRead


def count(job: CountJob) -> JobCounts:
    """Count the pixels of each class in the wanted cells.

    A pixel belongs to the cell that holds its centre, as
    :func:`minortom.grid.cells.cells_at` defines it.

    Raises:
        InputError: If the raster cannot be read or counted, lies elsewhere than its name says,
            or has values in wanted cells that the legend does not know.
        RemoteError: If it lies behind a URL and cannot be read.
    """
    return patiently(job.place, lambda: _count(job))


def _count(job: CountJob) -> JobCounts:
    counts = np.zeros((len(job.keys), len(job.classes.codes) + 2), dtype=np.int64)
    with opened_level(job.place, resolution_m=job.resolution_m) as level:
        if job.tile is not None:
            job.tile.check(level.source)
        windows = level.windows() if job.window is None else [Window(*job.window)]
        for window in windows:
            for part in windows_with_cells(level, window, job.keys):
                _count_window(level, part, job, counts)
        return JobCounts(counts=counts[:, :-1], level=LevelRead(level.factor, level.pixel_deg))


def windows_with_cells(level: Level, window: Window, keys: NDArray[np.int64]) -> Iterator[Window]:
    """Cut a window down to what holds wanted cells, where these are few.

    Yields:
        Windows of whole blocks that do not overlap; together they hold all pixels of the cells
        that lie in ``window``.
    """
    here = slots_in(keys, *level.box_deg(window))
    if not len(here):
        return
    width_deg, height_deg = level.pixel_deg
    wanted_px = len(here) * CELL_DEG**2 / (width_deg * height_deg)
    down = window.height / level.block[0] >= window.width / level.block[1]
    side, block = (window.height, level.block[0]) if down else (window.width, level.block[1])
    if side <= block or 2 * wanted_px > window.width * window.height:
        yield window
        return
    first = block * -(-side // (2 * block))
    col, row, width, height = (int(v) for v in window.flatten())
    if down:
        halves = (col, row, width, first), (col, row + first, width, height - first)
    else:
        halves = (col, row, first, height), (col + first, row, width - first, height)
    for half in halves:
        yield from windows_with_cells(level, Window(*half), keys[here])


def slots_in(
    keys: NDArray[np.int64], west: float, south: float, east: float, north: float
) -> NDArray[np.intp]:
    """Find the cells, among [m] ascending keys, whose boxes overlap a box of degrees.

    Args:
        keys: As ``Cells.keys`` numbers them.
        west: Of the box; any turn of the globe.
        south: Of the box.
        east: Of the box; more than ``west``.
        north: Of the box.

    Returns:
        Positions in ``keys``, ascending.
    """
    half = N_ROWS // 2
    lowest = int(np.floor(south * N_ROWS / 180 + _HAIR))
    highest = int(np.ceil(north * N_ROWS / 180 - _HAIR)) - 1
    row = np.arange(max(lowest, -half), min(highest, half - 1) + 1)
    columns = columns_of_rows(row)
    first_column, last_column = -(columns // 2), (columns + 1) // 2 - 1
    left = np.floor(west * columns / 360 + _HAIR).astype(np.int64)
    right = np.ceil(east * columns / 360 - _HAIR).astype(np.int64) - 1
    around = right - left + 1 >= columns
    left = np.where(around, first_column, (left - first_column) % columns + first_column)
    right = np.where(around, last_column, (right - first_column) % columns + first_column)
    split = left > right  # over the antimeridian: two runs of columns
    starts = np.concatenate([left, first_column[split]])
    stops = np.concatenate([np.where(split, last_column, right), right[split]])
    rows = np.concatenate([row, row[split]])
    begin = np.searchsorted(keys, Cells(row=rows, col=starts).keys())
    end = np.searchsorted(keys, Cells(row=rows, col=stops).keys(), side="right")
    runs = [np.arange(a, b) for a, b in zip(begin, end, strict=True) if b > a]
    return np.sort(np.concatenate(runs)) if runs else np.empty(0, dtype=np.intp)


def _count_window(level: Level, window: Window, job: CountJob, counts: NDArray[np.int64]) -> None:
    """Add the pixels of a window to [m, K + 2] counts, those of unknown values last."""
    lon_deg, lat_deg = level.centres_deg(window)
    on_globe = np.flatnonzero(np.abs(lat_deg) <= 90)  # some maps begin beyond a pole
    if not len(on_globe):
        return
    block = level.read(window)
    numbers, class_of = job.classes.numbered(block, level.nodata)
    row_of = cells_at(np.zeros(len(on_globe)), lat_deg[on_globe]).row
    starts = np.flatnonzero(np.diff(row_of, prepend=row_of[0] - 1))
    for start, stop in zip(starts, [*starts[1:], len(row_of)], strict=True):
        rows = on_globe[start:stop]
        edges, slots = _runs(lon_deg, lat_deg[rows[0]], job.keys)
        if (slots >= 0).any():
            count_runs(numbers[rows[0] : rows[-1] + 1], edges, slots, class_of, counts)
    if counts[:, -1].any():
        job.classes.require_known(job.classes.unknown_in(block, level.nodata), job.title)


def _runs(
    lon_deg: NDArray[np.float64], lat_deg: float, keys: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Cut a row of pixels into runs that lie in one cell each.

    Returns:
        [r + 1] where the runs begin, and the length of the row; [r] positions of their cells in
        ``keys``, -1 of a cell that is not wanted.
    """
    found = cells_at(lon_deg, np.full(len(lon_deg), lat_deg))
    starts = np.flatnonzero(np.diff(found.col, prepend=found.col[0] - 1))
    here = found.take(starts).keys()
    slots = np.searchsorted(keys, here)
    wanted = keys[np.minimum(slots, len(keys) - 1)] == here
    return np.append(starts, len(lon_deg)), np.where(wanted, slots, -1)


@compiled
def count_runs(
    pixels: NDArray[np.integer],
    edges: NDArray[np.intp],
    slots: NDArray[np.intp],
    class_of: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Count [h, w] pixels whose columns are cut into [r] runs, one cell each.

    Args:
        pixels: Values from 0 to one less than the length of ``class_of``.
        edges: [r + 1] columns where the runs begin, and w.
        slots: [r] rows of ``counts``; a run with -1 is left out.
        class_of: Value -> column of ``counts``.
        counts: [m, K + 2], added to.
    """
    # Four tallies side by side: neighbours mostly are of one class, and adding to one number
    # again and again would wait for the addition before.
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
