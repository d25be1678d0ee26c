"""Rasters of a continuous variable, such as elevation or temperature: values at points and means.

Scale and offset are applied. A pixel without data (nodata, mask, transparent, no finite value) has
no value.
"""

import re
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minortom.engine.executors import SerialExecutor
from minortom.errors import InputError
from minortom.grid.cells import Cells
from minortom.maps.cell_means import MeanJob, means_of_windows
from minortom.maps.descriptor import COPYRIGHT_TAG, hash_of_raster
from minortom.maps.rasters import opened_map, pixels_at, windows_with
from minortom.maps.value_band import ValueBand
from minortom.progress import OnProgress, ignore_progress

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ContinuousRaster:
    """One band of a raster file."""

    path: Path
    band: int | None = None
    """Number of the band, from 1; None for the only band."""

    @classmethod
    def parse(cls, option: str, place: str) -> "ContinuousRaster":
        """Parse ``RASTER`` or ``RASTER:BAND``; a file may have a colon in its name.

        Args:
            option: Name of the option, for the error message.
            place: The text.

        Raises:
            InputError: If there is no such file.
        """
        matched = re.fullmatch(r"(.+):(\d{1,6})", place)
        if matched is None or Path(place).is_file():
            found = cls(path=Path(place))
        else:
            found = cls(path=Path(matched[1]), band=int(matched[2]))
        if not found.path.is_file():
            raise InputError(
                f"{option}: expected a raster file, found no file {found.path}; check the path"
            )
        return found

    def hash(self) -> str:
        """Return the SHA-256 of the raster; see ``hash_of_raster``."""
        return hash_of_raster(self.path, of_numbers=True)

    def credit(self) -> str | None:
        """Return the copyright TIFF tag of the raster, if it has one."""
        with opened_map(self.path) as source:
            text: str | None = source.tags().get(COPYRIGHT_TAG)
            return text or None

    def unit_and_title(self) -> tuple[str | None, str]:
        """Return the unit that the file states for the band, and the band's number and name.

        Raises:
            InputError: As :meth:`values_at` does.
        """
        with opened_map(self.path) as source:
            band = ValueBand.of(source, str(self.path), self.band)
            return band.unit, band.title

    def values_at(
        self,
        lon_deg: FloatArray,
        lat_deg: FloatArray,
        *,
        on_progress: OnProgress = ignore_progress,
    ) -> FloatArray:
        """Return the value of the pixel at each of [n] points (WGS 84).

        Only blocks that contain points are read, each block once.

        Args:
            lon_deg: [n] longitudes.
            lat_deg: [n] latitudes.
            on_progress: Called with (points looked up, points in all).

        Returns:
            [n] values; NaN outside the raster and in pixels without a value.

        Raises:
            InputError: If the raster cannot be read, has no coordinate system, not this band,
                several bands without a choice, or complex numbers.
        """
        with opened_map(self.path) as source:
            band = ValueBand.of(source, str(self.path), self.band)
            found = np.full(len(lon_deg), np.nan)
            points, row, col = pixels_at(source, lon_deg, lat_deg)
            done = len(found) - len(points)
            for window, here in windows_with(source, row, col):
                block = band.read(window)
                found[points[here]] = block[row[here] - window.row_off, col[here] - window.col_off]
                done += len(here)
                on_progress(done, len(found))
        return found

    def means_in(
        self,
        cells: Cells,
        *,
        executor: Executor | None = None,
        on_progress: OnProgress = ignore_progress,
    ) -> FloatArray:
        """Return the mean of the raster over each of [n] cells, weighted by area.

        Each pixel weighs as much as the area that it has in the cell; pixels without a value have
        no weight. In degrees of WGS 84 this is the area on the sphere, in other maps the area in
        the plane of the map. The raster is read at full resolution, once.

        Args:
            cells: Cells in any order.
            executor: Where windows of the raster are read; this process when None.
            on_progress: Called with (cells done, cells in all).

        Returns:
            [n] means; NaN where the cell has no pixel with a value.

        Raises:
            InputError: As :meth:`values_at` does.
        """
        # Workers of a cluster have another working directory.
        job = MeanJob(path=self.path.absolute(), band=self.band, cells=cells)
        return means_of_windows(job, executor=executor or SerialExecutor(), on_progress=on_progress)
