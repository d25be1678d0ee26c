"""A co-registered Sentinel-1 and Sentinel-2 tile to valid patches."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.errors import NotGeoreferencedWarning

from minortom.errors import ArchiveError
from minortom.radiometry import (
    decibels,
    offset_is_doubtful,
    offset_of_product,
    remove_offset,
)
from minortom.sensors import BASE_RESOLUTION_M, GROUPS, S1, S2_10M, BandGroup
from minortom.shard_layout import SampleSpec
from minortom.tiles import Band, Box, Grid, opened

BLOCK_PX = 1000
"""Widest block of patches: 10 km, the side of a cell, so that neighbours do not overlap."""

_ORIGIN_STEP_PX = 6
"""60 m, where pixels of 10, 20 and 60 m have common corners."""
_CHECK_EVERY_PX = 8
"""A look at every eighth pixel and row is enough to judge a tile's darkest pixels."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """The patches of a tile: ``num_rows`` × ``num_cols`` of them, side by side, centred."""

    patch_px: int
    row_px: int
    """First pixel row of the block in the tile, 10 m pixels."""
    col_px: int
    num_rows: int
    num_cols: int

    @property
    def box(self) -> Box:
        """The pixels of the block, in 10 m."""
        return Box(
            row_px=self.row_px, col_px=self.col_px,
            height_px=self.num_rows * self.patch_px, width_px=self.num_cols * self.patch_px,
        )  # fmt: skip

    def cut(self, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
        """Cut [band, row, column] over the block into [patch, band, row, column], row by row."""
        bands, height, width = pixels.shape
        rows, cols = self.num_rows, self.num_cols
        parts = pixels.reshape(bands, rows, height // rows, cols, width // cols)
        return parts.transpose(1, 3, 0, 2, 4).reshape(rows * cols, bands, height // rows, -1)


@dataclass(frozen=True, kw_only=True, eq=False)
class TilePatches:
    """The valid patches of a tile, and what is known of them."""

    tensors: Mapping[str, NDArray[np.generic]]
    """By tensor column, [patch, band, row, column] of the stored dtype."""
    patch_row: NDArray[np.int16]
    """[patch], from the north of the block."""
    patch_col: NDArray[np.int16]
    ulx_m: NDArray[np.float64]
    uly_m: NDArray[np.float64]
    lat_deg: NDArray[np.float64]
    """[patch], centre of the patch."""
    lon_deg: NDArray[np.float64]
    epsg: int
    s2_offset: int
    """What was subtracted from Sentinel-2 values."""
    num_dropped: int
    """Patches with an invalid pixel in some band."""
    baseline_known: bool
    """Whether the product's name tells its processing baseline."""
    offset_doubtful: bool
    """Whether the values contradict ``s2_offset``; see ``radiometry.offset_is_doubtful``."""
    s1_warped: bool
    """Whether Sentinel-1 lay on another grid."""


def centred_block(height_px: int, width_px: int, patch_px: int) -> Block:
    """Place as many patches as fit, 10 km at most, in the middle of a tile.

    The block starts at a whole multiple of 60 m: at pixel 54 of a full tile for 120 px.
    """
    sides = []
    for side_px in (height_px, width_px):
        count = min(side_px, BLOCK_PX) // patch_px
        origin_px = (side_px - count * patch_px) // 2 // _ORIGIN_STEP_PX * _ORIGIN_STEP_PX
        sides.append((count, origin_px))
    (num_rows, row_px), (num_cols, col_px) = sides
    return Block(
        patch_px=patch_px, row_px=row_px, col_px=col_px, num_rows=num_rows, num_cols=num_cols
    )


def cut_tile(
    s2: Mapping[str, bytes], s1: Mapping[str, bytes], *, spec: SampleSpec, s2_product_id: str
) -> TilePatches:
    """Read a tile and keep the patches that are valid in all bands of both sensors.

    Args:
        s2: GeoTIFF bytes by band name, as in the archive.
        s1: The same for Sentinel-1; on another grid it is brought onto Sentinel-2's by
            nearest neighbour.
        spec: The size of a patch.
        s2_product_id: Tells the processing baseline.

    Raises:
        ArchiveError: If a band is no readable GeoTIFF, bands of Sentinel-2 lie on different
            grids, or the tile is smaller than a patch.
    """
    with rasterio.Env(), warnings.catch_warnings():
        warnings.simplefilter("error", NotGeoreferencedWarning)
        with opened(S2_10M.bands[0], s2[S2_10M.bands[0]]) as first:
            grid = first.grid
        if abs(grid.pixel_m - BASE_RESOLUTION_M) > 1e-6:
            raise ArchiveError(
                f"{first.name} has pixels of {grid.pixel_m:g} m; wanted {BASE_RESOLUTION_M} m"
            )
        block = centred_block(grid.height_px, grid.width_px, spec.patch_px)
        if not block.num_rows or not block.num_cols:
            raise ArchiveError(
                f"the tile has {grid.height_px} × {grid.width_px} px, less than a patch of "
                f"{spec.patch_px} px"
            )
        groups = [group for group in GROUPS if group.sensor == "s2"]
        raw = {group.column: _read_s2(s2, group, grid, block) for group in groups}
        s1_steps, s1_warped = _read_s1(s1, grid, block)
    named_offset = offset_of_product(s2_product_id)
    step = _CHECK_EVERY_PX
    thinned = [band[::step, ::step] for bands in raw.values() for band in bands]
    pixels: dict[str, NDArray[np.generic]] = {
        column: remove_offset(bands, named_offset or 0) for column, bands in raw.items()
    }
    pixels[S1.column] = s1_steps
    return _valid_patches(
        {column: block.cut(bands) for column, bands in pixels.items()}, grid, block,
        s2_offset=named_offset or 0, baseline_known=named_offset is not None,
        offset_doubtful=offset_is_doubtful(thinned, named_offset), s1_warped=s1_warped,
    )  # fmt: skip


def _read_s2(
    geotiffs: Mapping[str, bytes], group: BandGroup, grid: Grid, block: Block
) -> NDArray[np.uint16]:
    """Read a group's bands over the block, [band, row, column]; nodata is 0."""
    factor = group.resolution_m // BASE_RESOLUTION_M
    wanted = Grid(
        epsg=grid.epsg, pixel_m=grid.pixel_m * factor, west_m=grid.west_m, north_m=grid.north_m,
        height_px=grid.height_px // factor, width_px=grid.width_px // factor,
    )  # fmt: skip
    box = block.box.scaled(factor)
    pixels = np.empty((len(group.bands), box.height_px, box.width_px), np.uint16)
    for number, name in enumerate(group.bands):
        with opened(name, geotiffs[name]) as band:
            if band.dtype != group.dtype or not band.grid.starts_with(wanted):
                raise ArchiveError(
                    f"{name} is {band.dtype} on {band.grid}; wanted {group.dtype} on {wanted}"
                )
            pixels[number] = band.read(box)
            if band.nodata is not None:
                pixels[number][pixels[number] == band.nodata] = group.nodata
    return pixels


def _read_s1(
    geotiffs: Mapping[str, bytes], grid: Grid, block: Block
) -> tuple[NDArray[np.int16], bool]:
    """Read Sentinel-1 over the block in steps of 0.01 dB, and say whether it was warped."""
    warped = False
    steps = []
    for name in S1.bands:
        with opened(name, geotiffs[name]) as band:
            if band.grid.starts_with(grid) and _holds(band, block):
                steps.append(decibels(band.read(block.box), band.nodata))
            else:
                warped = True
                steps.append(decibels(band.nearest(grid.part(block.box)), None))
    return np.stack(steps), warped


def _holds(band: Band, block: Block) -> bool:
    box = block.box
    return (
        box.row_px + box.height_px <= band.grid.height_px
        and box.col_px + box.width_px <= band.grid.width_px
    )


def _valid_patches(
    patches: Mapping[str, NDArray[np.generic]], grid: Grid, block: Block, *, s2_offset: int,
    baseline_known: bool, offset_doubtful: bool, s1_warped: bool,
) -> TilePatches:  # fmt: skip
    """Drop patches with an invalid pixel, and place the others on the ground."""
    valid = np.ones(block.num_rows * block.num_cols, bool)
    for group in GROUPS:
        valid &= (patches[group.column] != group.nodata).all(axis=(1, 2, 3))
    row, col = np.divmod(np.flatnonzero(valid), block.num_cols)
    side_m = block.patch_px * grid.pixel_m
    ulx_m = grid.west_m + block.col_px * grid.pixel_m + col * side_m
    uly_m = grid.north_m - block.row_px * grid.pixel_m - row * side_m
    lon_deg, lat_deg = _to_degrees(grid.epsg)(ulx_m + side_m / 2, uly_m - side_m / 2)
    return TilePatches(
        tensors={column: array[valid] for column, array in patches.items()},
        patch_row=row.astype(np.int16), patch_col=col.astype(np.int16),
        ulx_m=ulx_m, uly_m=uly_m, lat_deg=lat_deg, lon_deg=lon_deg, epsg=grid.epsg,
        s2_offset=s2_offset, num_dropped=int((~valid).sum()), baseline_known=baseline_known,
        offset_doubtful=offset_doubtful, s1_warped=s1_warped,
    )  # fmt: skip


@lru_cache(maxsize=8)
def _to_degrees(
    epsg: int,
) -> Callable[..., tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Give the function from (easting, northing) to (longitude, latitude)."""
    transform: Callable[..., tuple[NDArray[np.float64], NDArray[np.float64]]]
    transform = Transformer.from_crs(epsg, 4326, always_xy=True).transform
    return transform
