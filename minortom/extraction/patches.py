"""A co-registered Sentinel-1 and Sentinel-2 tile to patches."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.errors import NotGeoreferencedWarning

from minortom.errors import ArchiveError
from minortom.extraction.gaps import Shares, fill, find_gaps
from minortom.extraction.geotiff_tile import Band, Grid, opened
from minortom.extraction.options import ExportOptions
from minortom.extraction.patch_grid import Block, block_of
from minortom.extraction.radiometry import (
    decibels,
    offset_is_doubtful,
    offset_of_product,
    power_is_valid,
    remove_offset,
)
from minortom.sensors import (
    BASE_RESOLUTION_M,
    CLOUD_CODES,
    CLOUD_MASK,
    S1,
    BandGroup,
    SensorName,
)
from minortom.shards.layout import SampleSpec

_CHECK_EVERY_PX = 8
"""A look at every eighth pixel and row is enough to judge a tile's darkest pixels."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TilePatches:
    """The valid patches of a tile, and what is known of them."""

    tensors: Mapping[str, NDArray[np.generic]]
    """By tensor column, [patch, band, row, column] of the stored dtype."""
    patch_row: NDArray[np.int16]
    """[patch], counted in strides from the north of the block."""
    patch_col: NDArray[np.int16]
    ulx_m: NDArray[np.float64]
    uly_m: NDArray[np.float64]
    lat_deg: NDArray[np.float64]
    """[patch], centre of the patch."""
    lon_deg: NDArray[np.float64]
    epsg: int
    s2_offset: int
    """What was subtracted from Sentinel-2 values."""
    s2_invalid: NDArray[np.float32]
    """[patch], share of Sentinel-2's values that were not measured and have been filled."""
    s1_invalid: NDArray[np.float32]
    num_dropped: int
    """Patches with more invalid pixels than wanted."""
    num_cloudy: int
    """Patches with few invalid pixels, but more cloud than wanted."""
    baseline_known: bool
    """Whether the product's name tells its processing baseline."""
    offset_doubtful: bool
    """Whether the values contradict ``s2_offset``; see ``radiometry.offset_is_doubtful``."""
    s1_warped: bool
    """Whether Sentinel-1 lay on another grid."""


def cut_tile(
    s2: Mapping[str, bytes],
    s1: Mapping[str, bytes],
    *,
    options: ExportOptions,
    s2_product_id: str,
) -> TilePatches:
    """Read a tile and keep the patches that were measured, as far as the options want it.

    Args:
        s2: GeoTIFF bytes by band name, as in the archive; `cloud_mask` too where the options ask
            for clouds.
        s1: The same for Sentinel-1; where it lies on another grid it is brought onto
            Sentinel-2's, or refused.
        options: Size and place of the patches, bands, and what may be missing.
        s2_product_id: Tells the processing baseline.

    Raises:
        ArchiveError: If a band is no readable GeoTIFF, bands of Sentinel-2 lie on different
            grids, or Sentinel-1 on another one where that is refused; or the tile is smaller
            than a patch.
    """
    spec = options.spec
    with rasterio.Env(), warnings.catch_warnings():
        warnings.simplefilter("error", NotGeoreferencedWarning)
        grid = _grid_of(s2, spec)
        block = block_of(grid.height_px, grid.width_px, options)
        if not block.num_rows or not block.num_cols:
            raise ArchiveError(
                f"the tile has {grid.height_px} × {grid.width_px} px, less than a patch of "
                f"{spec.patch_px} px"
            )
        groups = [group for group in spec.groups if group.sensor == "s2"]
        raw = {group.column: _read_s2(s2, group, grid, block) for group in groups}
        s1_steps, s1_warped = _read_s1(s1, spec.group(S1.column), grid, block, options)
        cloud = None if options.max_cloud is None else _cloud_percent(s2, grid, block)
    named_offset = offset_of_product(s2_product_id)
    step = _CHECK_EVERY_PX
    thinned = [band[::step, ::step] for bands in raw.values() for band in bands]
    pixels: dict[str, NDArray[np.generic]] = {
        column: remove_offset(bands, named_offset or 0) for column, bands in raw.items()
    }
    pixels[S1.column] = s1_steps
    kept = _kept(pixels, block, options, cloud)
    return TilePatches(
        **_places(kept.index, grid, block),
        tensors=kept.tensors, s2_invalid=kept.share["s2"], s1_invalid=kept.share["s1"],
        epsg=grid.epsg, num_dropped=kept.num_dropped, num_cloudy=kept.num_cloudy,
        s2_offset=named_offset or 0, baseline_known=named_offset is not None,
        offset_doubtful=offset_is_doubtful(thinned, named_offset), s1_warped=s1_warped,
    )  # fmt: skip


def _grid_of(geotiffs: Mapping[str, bytes], spec: SampleSpec) -> Grid:
    """Give the tile's grid of 10 m, which the first band of Sentinel-2 tells."""
    name = spec.groups[0].bands[0]
    wanted_m = spec.groups[0].resolution_m
    with opened(name, geotiffs[name]) as first:
        grid = first.grid
    if abs(grid.pixel_m - wanted_m) > 1e-6:
        raise ArchiveError(f"{name} has pixels of {grid.pixel_m:g} m; wanted {wanted_m} m")
    return grid.finer(wanted_m // BASE_RESOLUTION_M)


def _read_s2(
    geotiffs: Mapping[str, bytes], group: BandGroup, grid: Grid, block: Block
) -> NDArray[np.uint16]:
    """Read a group's bands over the block, [band, row, column]; nodata is 0."""
    factor = group.resolution_m // BASE_RESOLUTION_M
    wanted, box = grid.coarser(factor), block.box.scaled(factor)
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
    geotiffs: Mapping[str, bytes],
    group: BandGroup,
    grid: Grid,
    block: Block,
    options: ExportOptions,
) -> tuple[NDArray[np.int16], bool]:
    """Read Sentinel-1 over the block in steps of 0.01 dB, and say whether it was warped."""
    warped, steps = False, []
    for name in group.bands:
        with opened(name, geotiffs[name]) as band:
            if band.grid.starts_with(grid) and _holds(band, block):
                steps.append(decibels(band.read(block.box), band.nodata))
                continue
            if options.strict_grid:
                raise ArchiveError(f"{name} lies on {band.grid}; wanted that of Sentinel-2, {grid}")
            warped = True
            valid = partial(power_is_valid, nodata=band.nodata)
            power = band.resampled(grid.part(block.box), options.resampling, is_valid=valid)
            steps.append(decibels(power, None))
    return np.stack(steps), warped


def _holds(band: Band, block: Block) -> bool:
    box = block.box
    return (
        box.row_px + box.height_px <= band.grid.height_px
        and box.col_px + box.width_px <= band.grid.width_px
    )


def _cloud_percent(geotiffs: Mapping[str, bytes], grid: Grid, block: Block) -> Shares:
    """Give the percentage of each patch, [patch], that the archive's mask calls cloud."""
    with opened(CLOUD_MASK, geotiffs[CLOUD_MASK]) as mask:
        if not mask.grid.starts_with(grid):
            raise ArchiveError(f"{CLOUD_MASK} lies on {mask.grid}; wanted {grid}")
        is_cloud = np.isin(mask.read(block.box), CLOUD_CODES)
    percent: Shares = block.cut(is_cloud[None]).mean(axis=(1, 2, 3)) * 100
    return percent


@dataclass(frozen=True, kw_only=True, eq=False)
class _Kept:
    index: NDArray[np.intp]
    """Numbers of the patches in the block, row by row."""
    tensors: dict[str, NDArray[np.generic]]
    share: dict[SensorName, NDArray[np.float32]]
    """Of each patch's values, a sensor: filled."""
    num_dropped: int
    num_cloudy: int


def _kept(
    pixels: Mapping[str, NDArray[np.generic]], block: Block, options: ExportOptions,
    cloud: Shares | None,
) -> _Kept:  # fmt: skip
    """Drop patches of which too much was not measured or lies under cloud; fill the others."""
    groups = options.spec.groups
    patches = {column: block.cut(bands) for column, bands in pixels.items()}
    gaps = find_gaps(patches, groups)
    measured = gaps.are_small(options.max_invalid)
    clear = measured
    if cloud is not None and options.max_cloud is not None:
        clear = measured & (cloud <= options.max_cloud)
    kept = slice(None) if clear.all() else clear  # most tiles: nothing is copied again
    tensors = {group.column: patches[group.column][kept] for group in groups}
    if options.max_invalid:
        for group in groups:
            fill(tensors[group.column], group.nodata)
    return _Kept(
        index=np.flatnonzero(clear), tensors=tensors,
        share={name: share[clear].astype(np.float32) for name, share in gaps.share.items()},
        num_dropped=int((~measured).sum()), num_cloudy=int((measured & ~clear).sum()),
    )  # fmt: skip


def _places(index: NDArray[np.intp], grid: Grid, block: Block) -> dict[str, NDArray[Any]]:
    """Place patches on the ground."""
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
    """Give the function from (easting, northing) to (longitude, latitude)."""
    transform: Callable[..., tuple[NDArray[np.float64], NDArray[np.float64]]]
    transform = Transformer.from_crs(epsg, 4326, always_xy=True).transform
    return transform
