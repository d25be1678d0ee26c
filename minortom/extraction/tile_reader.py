"""Reader of a tile: the GeoTIFFs of both sensors to arrays on the Sentinel-2 grid."""

import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from minortom.errors import ArchiveError
from minortom.extraction.geotiff_band import Band, opened
from minortom.extraction.options import ExportOptions
from minortom.extraction.patch_grid import Block, block_of
from minortom.extraction.pixel_grid import Grid
from minortom.extraction.radiometry import decibels, power_is_valid
from minortom.extraction.resampling import resample
from minortom.sensors import BASE_RESOLUTION_M, CLOUD_CODES, CLOUD_MASK, S1, BandGroup


@dataclass(frozen=True, kw_only=True, eq=False)
class TilePixels:
    """The pixels of a tile from which patches are cut."""

    grid: Grid
    """Grid of the whole tile, at 10 m."""
    block: Block
    """Where the patches lie in the tile."""
    s2: Mapping[str, NDArray[np.uint16]]
    """By tensor column, [band, row, column] over the block, as in the archive; nodata is 0."""
    s1: NDArray[np.int16]
    """[band, row, column] over the block, in steps of 0.01 dB; nodata is -32768."""
    is_cloud: NDArray[np.bool_] | None
    """[row, column] over the block, by the archive's mask; None where it is not needed."""
    s1_warped: bool
    """Whether Sentinel-1 was on another grid and has been resampled."""


class TileReader:
    """Reads one tile over the block of its patches; opens each band once."""

    def __init__(self, first: Band, options: ExportOptions) -> None:
        """Place the block of patches.

        Args:
            first: The first stored band of Sentinel-2; it defines the grid of the tile.
            options: Size and position of the patches, bands, and rules for Sentinel-1.

        Raises:
            ArchiveError: If the band has other pixels than its resolution, or is smaller than a
                patch.
        """
        group = options.spec.groups[0]
        if abs(first.grid.pixel_m - group.resolution_m) > 1e-6:
            raise ArchiveError(
                f"{first.name} must have pixels of {group.resolution_m} m, found "
                f"{first.grid.pixel_m:g} m"
            )
        self._first, self._options = first, options
        self.grid = first.grid.finer(group.resolution_m // BASE_RESOLUTION_M)
        self.block = block_of(self.grid.height_px, self.grid.width_px, options)
        if not self.block.num_rows or not self.block.num_cols:
            raise ArchiveError(
                f"the tile must hold a patch of {options.patch_px} px, found only "
                f"{self.grid.height_px} × {self.grid.width_px} px"
            )

    def s2(self, geotiffs: Mapping[str, bytes], group: BandGroup) -> NDArray[np.uint16]:
        """Read Sentinel-2 bands of one resolution over the block, [band, row, column]."""
        factor = group.resolution_m // BASE_RESOLUTION_M
        expected, box = self.grid.coarser(factor), self.block.box.scaled(factor)
        pixels = np.empty((len(group.bands), box.height_px, box.width_px), np.uint16)
        for number, name in enumerate(group.bands):
            is_first = name == self._first.name
            with nullcontext(self._first) if is_first else opened(name, geotiffs[name]) as band:
                if band.dtype != group.dtype or not band.grid.starts_with(expected):
                    raise ArchiveError(
                        f"{name} must be {group.dtype} on {expected}, found {band.dtype} on "
                        f"{band.grid}"
                    )
                pixels[number] = band.read(box)
                if band.nodata is not None:
                    pixels[number][pixels[number] == band.nodata] = group.nodata
        return pixels

    def s1(self, geotiffs: Mapping[str, bytes]) -> tuple[NDArray[np.int16], bool]:
        """Read Sentinel-1 over the block in steps of 0.01 dB, and whether it was resampled."""
        grid, box, resampled, steps = self.grid, self.block.box, False, []
        for name in self._options.spec.group(S1.column).bands:
            with opened(name, geotiffs[name]) as band:
                if band.grid.starts_with(grid) and band.grid.contains(box):
                    steps.append(decibels(band.read(box), band.nodata))
                    continue
                if self._options.strict_grid:
                    raise ArchiveError(
                        f"{name} must lie on the grid of Sentinel-2, {grid}, found {band.grid}; "
                        "leave out --strict-grid to resample it"
                    )
                power, how = band.read(), self._options.resampling
                valid = power_is_valid(power, band.nodata)
                power = resample(power, valid, band.grid, grid.part(box), how)
                steps.append(decibels(power, None))
                resampled = True
        return np.stack(steps), resampled

    def is_cloud(self, geotiffs: Mapping[str, bytes]) -> NDArray[np.bool_]:
        """Read which pixels of the block, [row, column], are cloud by the archive's mask."""
        with opened(CLOUD_MASK, geotiffs[CLOUD_MASK]) as mask:
            if not mask.grid.starts_with(self.grid):
                raise ArchiveError(f"{CLOUD_MASK} must lie on {self.grid}, found {mask.grid}")
            return np.isin(mask.read(self.block.box), CLOUD_CODES)


def read_tile(
    s2: Mapping[str, bytes], s1: Mapping[str, bytes], options: ExportOptions
) -> TilePixels:
    """Read the pixels of a tile of both sensors.

    Args:
        s2: GeoTIFF bytes by band name, as in the archive; with ``cloud_mask`` where the options
            limit clouds.
        s1: The same for Sentinel-1. It is resampled where it lies on another grid.
        options: Size and position of the patches, bands, and rules for Sentinel-1.

    Raises:
        ArchiveError: If a band is not a readable GeoTIFF; bands of Sentinel-2 lie on different
            grids; Sentinel-1 lies on another one and ``strict_grid`` is set; or the tile is
            smaller than a patch.
    """
    groups = [group for group in options.spec.groups if group.sensor == "s2"]
    name = groups[0].bands[0]
    with (
        rasterio.Env(),
        warnings.catch_warnings(action="error", category=NotGeoreferencedWarning),
        opened(name, s2[name]) as first,
    ):
        reader = TileReader(first, options)
        s2_pixels = {group.column: reader.s2(s2, group) for group in groups}
        s1_pixels, s1_warped = reader.s1(s1)
        return TilePixels(
            grid=reader.grid, block=reader.block, s2=s2_pixels, s1=s1_pixels, s1_warped=s1_warped,
            is_cloud=None if options.max_cloud is None else reader.is_cloud(s2),
        )  # fmt: skip
