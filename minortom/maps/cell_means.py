"""Means of a continuous raster over cells: one pass over its windows, each pixel by its area."""

from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from minortom.engine.executors import map_items
from minortom.grid.cells import Cells, merged
from minortom.maps.cell_boxes import box_sums
from minortom.maps.cell_outlines import outline_sums
from minortom.maps.cell_windows import slots_in, windows_with_cells
from minortom.maps.pixel_positions import PixelPositions
from minortom.maps.rasters import opened_map, windows_of
from minortom.maps.value_band import ValueBand
from minortom.progress import OnProgress, part_of

FloatArray = NDArray[np.float64]

_CELLS_IN_PART = 500_000
"""Cells whose sums are in memory together; some blocks are read again for the next part."""
_CELLS_AT_ONCE = 100_000
"""Cells that are added to sums together."""
_DIGITS = 12
"""Significant digits of a mean: the mean of equal values is that value."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MeanJob:
    """Band of a raster, or one window of it, and the cells in it."""

    path: Path
    band: int | None
    """Number of the band, from 1; None for the only band."""
    cells: Cells
    """[m] cells; of a job for a window ordered by row, then by column, each once."""
    window: tuple[int, int, int, int] | None = None
    """Column, row, width and height in pixels; None for all of the raster."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sums:
    """Weighted sums over the pixels of [m] cells."""

    totals: FloatArray
    """[m] sum of value times weight."""
    weights: FloatArray
    """[m] sum of the weights of pixels with a value."""

    @classmethod
    def zeros(cls, size: int) -> "Sums":
        """Return the sums over no pixels."""
        return cls(totals=np.zeros(size), weights=np.zeros(size))


def means_of_windows(job: MeanJob, *, executor: Executor, on_progress: OnProgress) -> FloatArray:
    """Return the means of all cells [n]; see ``ContinuousRaster.means_in``.

    The cells are taken in parts from south to north, so that memory does not grow with them.
    """
    keys = job.cells.keys()
    order = np.argsort(keys, kind="stable")
    means = np.full(len(keys), np.nan)
    parts = np.array_split(order, max(1, -(-len(order) // _CELLS_IN_PART)))
    for number, here in enumerate(parts):
        cells = merged([job.cells.take(here)])
        progress = part_of(on_progress, number, parts=len(parts), size=len(here))
        found = _means(replace(job, cells=cells), executor=executor, on_progress=progress)
        means[here] = found[np.searchsorted(cells.keys(), keys[here])]
    return means


def _means(job: MeanJob, *, executor: Executor, on_progress: OnProgress) -> FloatArray:
    """Return the means of ordered cells [n], with one job per window.

    The sums of windows are added in the order of the windows, so that the result does not depend
    on the executor.
    """
    keys, jobs = job.cells.keys(), []
    with opened_map(job.path) as source:
        band = ValueBand.of(source, str(job.path), job.band)
        positions = PixelPositions.of(source, shrink=1)
        float_bytes = np.dtype(np.float64).itemsize
        for window in windows_of((source.height, source.width), band.block, float_bytes):
            here = slots_in(keys, *positions.box_deg(window))
            if len(here):
                part = (window.col_off, window.row_off, window.width, window.height)
                jobs.append(replace(job, cells=job.cells.take(here), window=part))
    sums = Sums.zeros(len(keys))
    for part_job, found in zip(
        jobs, map_items(executor, sums_in_window, jobs, on_progress=on_progress), strict=True
    ):
        slots = np.searchsorted(keys, part_job.cells.keys())
        sums.totals[slots] += found.totals
        sums.weights[slots] += found.weights
    means = np.full(len(keys), np.nan)
    np.divide(sums.totals, sums.weights, out=means, where=sums.weights > 0)
    return _rounded(means)


def _rounded(values: FloatArray) -> FloatArray:
    """Return values to 12 significant digits, without the rounding errors of sums."""
    size = np.abs(values)
    with np.errstate(divide="ignore"):
        digits = _DIGITS - 1 - np.floor(np.log10(size))
    scale = 10.0 ** np.clip(digits, -300, 300, where=np.isfinite(digits), out=np.zeros_like(size))
    found: FloatArray = np.rint(values * scale) / scale
    return found


def sums_in_window(job: MeanJob) -> Sums:
    """Return the sums over the pixels of a window, for the cells of the job.

    Raises:
        InputError: If the raster cannot be read.
    """
    assert job.window is not None
    keys = job.cells.keys()
    sums = Sums.zeros(len(keys))
    with opened_map(job.path) as source:
        band = ValueBand.of(source, str(job.path), job.band)
        positions = PixelPositions.of(source, shrink=1)
        for window in windows_with_cells(positions, band.block, Window(*job.window), keys):
            values, all_slots = band.read(window), slots_in(keys, *positions.box_deg(window))
            sums_in = box_sums if positions.is_regular else outline_sums
            for slots in np.array_split(all_slots, -(-len(all_slots) // _CELLS_AT_ONCE)):
                totals, weights = sums_in(values, positions, window, job.cells.take(slots))
                sums.totals[slots] += totals
                sums.weights[slots] += weights
    return sums
