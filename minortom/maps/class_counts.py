"""How many pixels of each class lie in each of some cells."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minortom.engine.executors import as_done
from minortom.errors import InputError
from minortom.grid.cells import Cells, merged
from minortom.maps.cell_histogram import CountJob, LevelRead, count, slots_in
from minortom.maps.class_table import NO_CLASS, OUTSIDE, ClassTable
from minortom.maps.overviews import METRES_PER_DEGREE, opened_level
from minortom.maps.tiled_map import TileMap
from minortom.progress import OnProgress, ignore_progress


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassCounts:
    """Counts of [n] cells and the legend's [K] classes, nodata left out."""

    codes: NDArray[np.int16]
    """[K] codes of the classes, ascending."""
    counts: NDArray[np.int64]
    """[n, K] pixels whose centre lies in the cell."""
    outside: NDArray[np.bool_]
    """[n] true where the map holds no pixel of the cell, not even one of nodata."""
    factor: int
    """Pixels of the map that a counted pixel is wide: 4 at the overview 1/4, 1 without."""
    resolution_m: float
    """Height of a counted pixel on the ground."""

    def majority(self) -> NDArray[np.int16]:
        """Give the most frequent class of each cell: [n] codes.

        Of classes with equally many pixels the one with the lowest code is taken. A cell with
        no pixel of any class is NO_CLASS, one that the map does not reach OUTSIDE.
        """
        codes: NDArray[np.int16] = self.codes[self.counts.argmax(axis=1)]
        codes[~self.counts.any(axis=1)] = NO_CLASS
        codes[self.outside] = OUTSIDE
        return codes

    def fractions(self) -> NDArray[np.float32]:
        """Give [n, K] shares of the pixels that have a class; NaN in cells without any."""
        valid = self.counts.sum(axis=1, dtype=np.float64)
        valid[valid == 0] = np.nan
        shares = np.empty(self.counts.shape, dtype=np.float32)
        for k in range(len(self.codes)):  # column by column: no second table of doubles
            shares[:, k] = self.counts[:, k] / valid
        return shares


def count_in_map(
    path: Path,
    classes: ClassTable,
    cells: Cells,
    *,
    resolution_m: float,
    executor: Executor,
    on_progress: OnProgress = ignore_progress,
) -> ClassCounts:
    """Count in one raster, a job for each of its windows; see ``Descriptor.counts_in``."""
    keys = merged([cells]).keys()
    jobs = []
    with opened_level(path, resolution_m=resolution_m) as level:
        for window in level.windows():
            here = keys[slots_in(keys, *level.box_deg(window))]
            if len(here):
                jobs.append(
                    CountJob(
                        place=str(path), classes=classes, resolution_m=resolution_m, keys=here,
                        window=(window.col_off, window.row_off, window.width, window.height),
                    )
                )  # fmt: skip
    counts, reached, read = _added_up(jobs, keys, classes, executor, on_progress)
    return _counts_of(cells, keys, classes, counts, ~reached, read)


def count_in_tiles(
    tiles: TileMap,
    classes: ClassTable,
    cells: Cells,
    *,
    resolution_m: float,
    executor: Executor,
    on_progress: OnProgress = ignore_progress,
) -> ClassCounts:
    """Count in tiles, a job for each; see ``Descriptor.counts_in``.

    A tile that does not exist has no class: no cell is outside the map.
    """
    keys = merged([cells]).keys()
    jobs = [
        CountJob(
            place=tile.place, classes=classes, resolution_m=resolution_m, tile=tile,
            keys=keys[slots_in(keys, *tile.edges_deg)],
        )
        for tile in tiles.existing(tiles.lattice.touched_by(cells))
    ]  # fmt: skip
    counts, reached, read = _added_up(jobs, keys, classes, executor, on_progress)
    return _counts_of(cells, keys, classes, counts, np.zeros_like(reached), read)


def _added_up(
    jobs: Sequence[CountJob],
    keys: NDArray[np.int64],
    classes: ClassTable,
    executor: Executor,
    on_progress: OnProgress,
) -> tuple[NDArray[np.int64], NDArray[np.bool_], LevelRead | None]:
    """Run the jobs and add what they counted; of whole numbers the order does not matter.

    Returns:
        [n, K] counts of the cells with these keys, [n] whether there was a pixel at all, and
        the level that was read, None without jobs.

    Raises:
        InputError: If one tile has another pixel size at this level than the others.
    """
    n_classes = len(classes.codes)
    counts = np.zeros((len(keys), n_classes), dtype=np.int64)
    reached = np.zeros(len(keys), dtype=bool)
    first: tuple[CountJob, LevelRead] | None = None
    for done, (at, found) in enumerate(as_done(executor, count, jobs), start=1):
        first = first or (jobs[at], found.level)
        if not found.level.is_like(first[1]):
            raise InputError(
                f"{first[0].title} is read at {first[1]} and {jobs[at].title} at {found.level}; "
                "give all tiles the same pixels and overviews (`gdaladdo -r mode`)"
            )
        here = np.searchsorted(keys, jobs[at].keys)
        counts[here] += found.counts[:, :n_classes]
        reached[here] |= found.counts.any(axis=1)
        on_progress(done, len(jobs))
    return counts, reached, first and first[1]


def _counts_of(
    cells: Cells,
    keys: NDArray[np.int64],
    classes: ClassTable,
    counts: NDArray[np.int64],
    outside: NDArray[np.bool_],
    read: LevelRead | None,
) -> ClassCounts:
    """Give each cell its row of counts; ``keys`` are the cells ascending, each once."""
    given = cells.keys()
    if not np.array_equal(given, keys):
        here = np.searchsorted(keys, given)
        counts, outside = counts[here], outside[here]
    return ClassCounts(
        codes=classes.codes, counts=counts, outside=outside,
        factor=read.factor if read else 1,
        resolution_m=read.pixel_deg[1] * METRES_PER_DEGREE if read else 0.0,
    )  # fmt: skip
