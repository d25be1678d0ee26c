"""Class counts of cells, from a raster or from the tiles of a map."""

import math
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minortom.engine.executors import as_done
from minortom.errors import InputError
from minortom.grid.cells import Cells, merged
from minortom.maps.cell_histogram import CountJob, JobCounts, LevelRead, count
from minortom.maps.cell_windows import slots_in
from minortom.maps.class_table import NO_CLASS, OUTSIDE, ClassTable
from minortom.maps.overviews import FULL_RESOLUTION, opened_level
from minortom.maps.rasters import METRES_PER_DEGREE
from minortom.maps.tiled_map import TileMap
from minortom.progress import OnProgress, ignore_progress

_NOT_CLASSES = (
    "hold values that the pixels beneath them do not have, so full resolution was read; "
    "`gdaladdo -r mode` makes overviews of classes"
)


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
    note: str | None = None
    """Sentence about overviews that could not be used; None if there are none."""

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
    total = _Total.of(keys, classes)
    jobs = _window_jobs(path, classes, keys, resolution_m)
    note = None
    if total.add(jobs, executor, on_progress):
        note = f"the overviews of {path} {_NOT_CLASSES}"
        total = _Total.of(keys, classes)
        total.add(_window_jobs(path, classes, keys, FULL_RESOLUTION), executor, on_progress)
    return total.counts_of(cells, outside=~total.reached, note=note)


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
    total = _Total.of(keys, classes)
    blended = total.add(jobs, executor, on_progress)
    note = None
    if blended:
        note = f"the overviews of {len(blended):,} of {len(jobs):,} tiles in {tiles.title}"
        note = f"{note}, such as {Path(blended[0].title).name}, {_NOT_CLASSES}"
        again = [replace(job, resolution_m=FULL_RESOLUTION) for job in blended]
        total.add(again, executor, on_progress)
    return total.counts_of(cells, outside=np.zeros_like(total.reached), note=note)


def _window_jobs(
    path: Path, classes: ClassTable, keys: NDArray[np.int64], resolution_m: float
) -> list[CountJob]:
    jobs = []
    with opened_level(path, resolution_m=resolution_m) as level:
        for window in level.windows():
            here = keys[slots_in(keys, *level.positions.box_deg(window))]
            if len(here):
                jobs.append(
                    CountJob(
                        place=str(path), classes=classes, resolution_m=resolution_m, keys=here,
                        window=(window.col_off, window.row_off, window.width, window.height),
                    )
                )  # fmt: skip
    return jobs


@dataclass(kw_only=True, eq=False)
class _Total:
    """Sum of the counts of jobs. The sum of integers does not depend on the order."""

    keys: NDArray[np.int64]
    """[n] keys of the cells, ascending."""
    classes: ClassTable
    counts: NDArray[np.int64]
    """[n, K] counts, in pixels of the map at full resolution."""
    reached: NDArray[np.bool_]
    """[n] whether the cell has any pixel."""
    factors: set[int] = field(default_factory=set)
    """Factors of the levels that were counted."""
    first: tuple[CountJob, LevelRead] | None = None

    @classmethod
    def of(cls, keys: NDArray[np.int64], classes: ClassTable) -> "_Total":
        counts = np.zeros((len(keys), len(classes.codes)), dtype=np.int64)
        return cls(keys=keys, classes=classes, counts=counts, reached=np.zeros(len(keys), bool))

    def add(
        self, jobs: Sequence[CountJob], executor: Executor, on_progress: OnProgress
    ) -> list[CountJob]:
        """Run jobs, and add their counts.

        Returns:
            The jobs whose overview has values that are not those of the map, in order. Nothing
            was counted there.

        Raises:
            InputError: If a tile has pixels of another size than the others.
        """
        blended = []
        for done, (at, found) in enumerate(as_done(executor, count, jobs), start=1):
            if found.is_blended:
                blended.append(at)
            else:
                self._add(jobs[at], found)
            on_progress(done, len(jobs))
        return [jobs[at] for at in sorted(blended)]

    def _add(self, job: CountJob, found: JobCounts) -> None:
        self.first = self.first or (job, found.level)
        if not found.level.matches(self.first[1]):
            raise InputError(
                f"expected tiles with equal pixels, found {self.first[0].title} at "
                f"{self.first[1]} and {job.title} at {found.level}; give all tiles the same pixels"
            )
        self.factors.add(found.level.factor)
        here = np.searchsorted(self.keys, job.keys)
        self.counts[here] += found.counts[:, :-1] * found.level.factor**2
        self.reached[here] |= found.counts.any(axis=1)

    def counts_of(
        self, cells: Cells, *, outside: NDArray[np.bool_], note: str | None
    ) -> ClassCounts:
        """Return the counts in the order of the cells, in the largest pixel that divides all."""
        factor = math.gcd(*self.factors) if self.factors else 1
        counts, given = self.counts // factor**2, cells.keys()
        if not np.array_equal(given, self.keys):
            here = np.searchsorted(self.keys, given)
            counts, outside = counts[here], outside[here]
        height_deg = self.first[1].full_deg[1] * factor if self.first else 0.0
        return ClassCounts(
            codes=self.classes.codes, counts=counts, outside=outside, factor=factor,
            resolution_m=height_deg * METRES_PER_DEGREE, note=note,
        )  # fmt: skip
