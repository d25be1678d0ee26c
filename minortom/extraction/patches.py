"""Cutting of a tile into patches, and the choice of the patches that are kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from minortom.extraction.gaps import fill, find_gaps
from minortom.extraction.options import ExportOptions
from minortom.extraction.patch_grid import Block
from minortom.extraction.pixel_grid import Grid
from minortom.extraction.radiometry import remove_offset
from minortom.extraction.tile_reader import TilePixels, read_tile
from minortom.scenes.baseline import offset_is_doubtful, offset_of_product
from minortom.sensors import S1, SensorName

_CHECK_EVERY_PX = 8
"""Every eighth pixel and row is enough to judge the darkest pixels of a tile."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TilePatches:
    """The valid patches of a tile and what was counted while they were cut."""

    tensors: Mapping[str, NDArray[np.generic]]
    """By tensor column, [patch, band, row, column] of the stored dtype."""
    patch_row: NDArray[np.int16]
    """[patch], counted in strides from the north of the block."""
    patch_col: NDArray[np.int16]
    """[patch], counted in strides from the west of the block."""
    ulx_m: NDArray[np.float64]
    """[patch], easting of the north-west corner."""
    uly_m: NDArray[np.float64]
    """[patch], northing of the north-west corner."""
    lat_deg: NDArray[np.float64]
    """[patch], centre of the patch."""
    lon_deg: NDArray[np.float64]
    epsg: int
    s2_offset: int
    """The number subtracted from Sentinel-2 values."""
    s2_invalid: NDArray[np.float32]
    """[patch], share of Sentinel-2's values that were not measured and have been filled."""
    s1_invalid: NDArray[np.float32]
    """[patch], the same for Sentinel-1."""
    num_dropped: int
    """Patches with more invalid pixels than allowed."""
    num_cloudy: int
    """Other patches with more cloud than allowed."""
    baseline_known: bool
    """Whether the name of the product contains its processing baseline."""
    offset_doubtful: bool
    """Whether the values contradict ``s2_offset``; see ``baseline.offset_is_doubtful``."""
    s1_warped: bool
    """Whether Sentinel-1 was on another grid and has been resampled."""


def cut_tile(
    s2: Mapping[str, bytes],
    s1: Mapping[str, bytes],
    *,
    options: ExportOptions,
    s2_product_id: str,
) -> TilePatches:
    """Read a tile and cut it into patches; see `read_tile` and `cut_patches`.

    Raises:
        ArchiveError: As `read_tile`.
    """
    return cut_patches(read_tile(s2, s1, options), options=options, s2_product_id=s2_product_id)


def cut_patches(tile: TilePixels, *, options: ExportOptions, s2_product_id: str) -> TilePatches:
    """Cut a tile into patches; keep those with few invalid pixels and little cloud.

    Args:
        tile: Pixels of both sensors.
        options: Bands, and the maximum shares of invalid pixels and of cloud.
        s2_product_id: Name of the Sentinel-2 product, which contains the processing baseline.
    """
    named_offset = offset_of_product(s2_product_id)
    step = _CHECK_EVERY_PX
    thinned = [band[::step, ::step] for bands in tile.s2.values() for band in bands]
    pixels: dict[str, NDArray[np.generic]] = {
        column: remove_offset(bands, named_offset or 0) for column, bands in tile.s2.items()
    }
    pixels[S1.column] = tile.s1
    kept = _kept(pixels, tile, options)
    return TilePatches(
        **_positions(kept.index, tile.grid, tile.block),
        tensors=kept.tensors, s2_invalid=kept.share["s2"], s1_invalid=kept.share["s1"],
        epsg=tile.grid.epsg, num_dropped=kept.num_dropped, num_cloudy=kept.num_cloudy,
        s2_offset=named_offset or 0, baseline_known=named_offset is not None,
        offset_doubtful=offset_is_doubtful(thinned, named_offset), s1_warped=tile.s1_warped,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class _Kept:
    index: NDArray[np.intp]
    """Numbers of the patches in the block, row by row."""
    tensors: dict[str, NDArray[np.generic]]
    share: dict[SensorName, NDArray[np.float32]]
    """[patch], share of the sensor's values that were filled."""
    num_dropped: int
    num_cloudy: int


def _kept(
    pixels: Mapping[str, NDArray[np.generic]], tile: TilePixels, options: ExportOptions
) -> _Kept:
    """Drop patches with too many invalid pixels or too much cloud; fill the gaps of the others."""
    groups = options.spec.groups
    patches = {column: tile.block.cut(bands) for column, bands in pixels.items()}
    gaps = find_gaps(patches, groups)
    measured = gaps.are_small(options.max_invalid / 100)
    clear = measured
    if tile.is_cloud is not None and options.max_cloud is not None:
        cloud_percent = tile.block.cut(tile.is_cloud[None]).mean(axis=(1, 2, 3)) * 100
        clear = measured & (cloud_percent <= options.max_cloud)
    kept = slice(None) if clear.all() else clear  # most tiles: no second copy
    tensors = {group.column: patches[group.column][kept] for group in groups}
    if options.max_invalid:
        for group in groups:
            fill(tensors[group.column], group.nodata)
    return _Kept(
        index=np.flatnonzero(clear), tensors=tensors,
        share={name: share[clear].astype(np.float32) for name, share in gaps.share.items()},
        num_dropped=int((~measured).sum()), num_cloudy=int((measured & ~clear).sum()),
    )  # fmt: skip


def _positions(index: NDArray[np.intp], grid: Grid, block: Block) -> dict[str, NDArray[Any]]:
    """Return the corners and centres of patches, and their rows and columns in the block."""
    row, col = np.divmod(index, block.num_cols)
    side_m, step_m = block.patch_px * grid.pixel_m, block.stride_px * grid.pixel_m
    ulx_m = grid.west_m + block.col_px * grid.pixel_m + col * step_m
    uly_m = grid.north_m - block.row_px * grid.pixel_m - row * step_m
    lon_deg, lat_deg = _to_degrees(grid.epsg)(ulx_m + side_m / 2, uly_m - side_m / 2)
    return {
        "patch_row": row.astype(np.int16), "patch_col": col.astype(np.int16),
        "ulx_m": ulx_m, "uly_m": uly_m, "lat_deg": lat_deg, "lon_deg": lon_deg,
    }  # fmt: skip


@lru_cache(maxsize=8)
def _to_degrees(
    epsg: int,
) -> Callable[..., tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return the function from (easting, northing) in metres to (longitude, latitude)."""
    transform: Callable[..., tuple[NDArray[np.float64], NDArray[np.float64]]]
    transform = Transformer.from_crs(epsg, 4326, always_xy=True).transform
    return transform
