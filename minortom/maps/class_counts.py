"""Class counts of cells, from a raster or from the tiles of a map."""

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
    """Counts of [n] cells and [K] classes of a legend, without nodata."""

    codes: NDArray[np.int16]
    """[K] codes of the classes, ascending."""
    counts: NDArray[np.int64]
    """[n, K] number of pixels whose centre is in the cell."""
    outside: NDArray[np.bool_]
    """[n] whether the map has no pixel in the cell, not even a nodata pixel."""
    factor: int
    """Width of a counted pixel in pixels of the map: 4 at the overview 1/4, 1 without overview."""
    resolution_m: float
    """Height of a counted pixel on the ground, in metres."""

    def majority(self) -> NDArray[np.int16]:
        """Return the most frequent class of each cell: [n] codes.

        In a tie the lowest code is returned. A cell without any classified pixel is NO_CLASS, a
        cell outside the map is OUTSIDE.
        """
        codes: NDArray[np.int16] = self.codes[self.counts.argmax(axis=1)]
        codes[~self.counts.any(axis=1)] = NO_CLASS
        codes[self.outside] = OUTSIDE
        return codes

    def fractions(self) -> NDArray[np.float32]:
        """Return the shares [n, K] of the classified pixels; NaN in cells without such pixels."""
        valid = self.counts.sum(axis=1, dtype=np.float64)
        valid[valid == 0] = np.nan
        shares = np.empty(self.counts.shape, dtype=np.float32)
        for k in range(len(self.codes)):  # column by column, to avoid a second table of doubles
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
    """Count the classes in one raster, with one job per window; see ``Descriptor.counts_in``."""
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
    counts, reached, read = _summed(jobs, keys, classes, executor, on_progress)
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
    """Count the classes in tiles, with one job per tile; see ``Descriptor.counts_in``.

    A tile that does not exist has no class, so no cell is outside the map.
    """
    keys = merged([cells]).keys()
    jobs = [
        CountJob(
            place=tile.place, classes=classes, resolution_m=resolution_m, tile=tile,
            keys=keys[slots_in(keys, *tile.edges_deg)],
        )
        for tile in tiles.existing(tiles.lattice.touched_by(cells))
    ]  # fmt: skip
    counts, reached, read = _summed(jobs, keys, classes, executor, on_progress)
    return _counts_of(cells, keys, classes, counts, np.zeros_like(reached), read)


def _summed(
    jobs: Sequence[CountJob],
    keys: NDArray[np.int64],
    classes: ClassTable,
    executor: Executor,
    on_progress: OnProgress,
) -> tuple[NDArray[np.int64], NDArray[np.bool_], LevelRead | None]:
    """Run jobs and add their counts. The sum of integers does not depend on the order.

    Returns:
        [n, K] counts of the cells with these keys; [n] whether the cell has any pixel; and the
        level that was read, None without jobs.

    Raises:
        InputError: If a tile has another pixel size at this level than the others.
    """
    n_classes = len(classes.codes)
    counts = np.zeros((len(keys), n_classes), dtype=np.int64)
    reached = np.zeros(len(keys), dtype=bool)
    first: tuple[CountJob, LevelRead] | None = None
    for done, (at, found) in enumerate(as_done(executor, count, jobs), start=1):
        first = first or (jobs[at], found.level)
        if not found.level.matches(first[1]):
            raise InputError(
                f"expected tiles with equal pixels, found {first[0].title} at {first[1]} and "
                f"{jobs[at].title} at {found.level}; give all tiles the same pixels and overviews "
                "(`gdaladdo -r mode`)"
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
    """Return the counts in the order of the cells; ``keys`` are the cells ascending, each once."""
    given = cells.keys()
    if not np.array_equal(given, keys):
        here = np.searchsorted(keys, given)
        counts, outside = counts[here], outside[here]
    return ClassCounts(
        codes=classes.codes, counts=counts, outside=outside,
        factor=read.factor if read else 1,
        resolution_m=read.pixel_deg[1] * METRES_PER_DEGREE if read else 0.0,
    )  # fmt: skip
