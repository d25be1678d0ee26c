"""Resampling of radar onto the grid of Sentinel-2, compared with arithmetic."""

import numpy as np
import pyproj
import pytest
from archive_maker import EPSG, NORTH_M, WEST_M, geotiff, s1_pixels
from patch_maker import cut, places
from scipy.ndimage import map_coordinates

from minortom.errors import ArchiveError
from minortom.extraction.geotiff_band import opened
from minortom.extraction.options import Resampling
from minortom.extraction.pixel_grid import Grid
from minortom.extraction.resampling import resample


def resampled(band, target, how, *, is_valid=np.isfinite):
    """All pixels of an opened band on another grid."""
    pixels = band.read()
    return resample(pixels, is_valid(pixels), band.grid, target, how)


def nearest(source, source_epsg, west_m, north_m, pixel_m, *, side_px=48):
    """The pixel of ``source`` under the centre of each of the tile's pixels; NaN outside."""
    eastings, northings = np.meshgrid(
        WEST_M + 10 * (np.arange(side_px) + 0.5), NORTH_M - 10 * (np.arange(side_px) + 0.5)
    )
    there = pyproj.Transformer.from_crs(EPSG, source_epsg, always_xy=True)
    x_m, y_m = there.transform(eastings, northings)
    row = np.floor((north_m - y_m) / pixel_m).astype(int)
    col = np.floor((x_m - west_m) / pixel_m).astype(int)
    inside = (row >= 0) & (row < source.shape[0]) & (col >= 0) & (col < source.shape[1])
    found = source[np.clip(row, 0, source.shape[0] - 1), np.clip(col, 0, source.shape[1] - 1)]
    return np.where(inside, found, np.nan)


OTHER_ZONE_M = pyproj.Transformer.from_crs(EPSG, 32630, always_xy=True).transform(WEST_M, NORTH_M)


@pytest.mark.parametrize(
    ("epsg", "west_m", "north_m", "pixel_m"),
    [(EPSG, WEST_M - 20, NORTH_M + 30, 10.0),  # shifted by whole pixels
     (EPSG, WEST_M - 23.7, NORTH_M + 31.1, 10.0),  # shifted by parts of pixels
     (EPSG, WEST_M, NORTH_M, 7.5), (EPSG, WEST_M + 100, NORTH_M, 10.0),  # an edge is not covered
     (32630, OTHER_ZONE_M[0] - 80, OTHER_ZONE_M[1] + 90, 10.0)],
)  # fmt: skip
def test_radar_on_another_grid_is_resampled_by_the_nearest_pixel(epsg, west_m, north_m, pixel_m):
    # 10 ** (n / 1000) is n steps: each source pixel has a value of its own.
    source = 10 ** (-np.arange(74 * 74).reshape(74, 74) / 1000)
    grid = {"epsg": epsg, "west_m": west_m, "north_m": north_m, "pixel_m": pixel_m}
    s1 = {name: geotiff(source, **grid) for name in ("vv", "vh")}
    patches = cut(s1=s1)
    assert patches.s1_warped
    wanted = nearest(-np.arange(74 * 74.0).reshape(74, 74), epsg, west_m, north_m, pixel_m)
    valid = []
    for row in range(4):
        for col in range(4):
            part = wanted[12 * row : 12 * row + 12, 12 * col : 12 * col + 12]
            if not np.isnan(part).any():
                np.testing.assert_array_equal(patches.tensors["s1"][len(valid), 0], part)
                valid.append((row, col))
    assert places(patches) == valid
    assert valid


def test_radar_of_another_zone_is_resampled_exactly_across_a_whole_tile():
    # Wide enough that an interpolated projection would miss some pixels at their edges.
    source = np.arange(1100 * 1100.0).reshape(1100, 1100)
    west_m, north_m = OTHER_ZONE_M[0] - 400, OTHER_ZONE_M[1] + 100
    grid = Grid(
        epsg=EPSG, pixel_m=10.0, west_m=WEST_M, north_m=NORTH_M, height_px=960, width_px=960
    )
    with opened("vv", geotiff(source, epsg=32630, west_m=west_m, north_m=north_m)) as band:
        found = resampled(band, grid, Resampling.NEAREST)
    wanted = nearest(source, 32630, west_m, north_m, 10.0, side_px=960)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("how", list(Resampling))
def test_pixels_outside_the_projection_of_radar_are_nan(how):
    with opened("vv", geotiff(s1_pixels()["vv"], crs="EPSG:32630")) as band:
        far = Grid(epsg=EPSG, pixel_m=10.0, west_m=9e7, north_m=9e7, height_px=3, width_px=3)
        assert np.isnan(resampled(band, far, how)).all()


@pytest.mark.parametrize("how", list(Resampling))
def test_nodata_of_radar_on_another_grid_stays_nodata(how):
    s1 = s1_pixels()
    s1["vv"][0, 0] = -32768.0
    s1["vh"][47, 47] = np.float32(1e20)
    warped = {name: geotiff(band, west_m=WEST_M + 1, nodata=1e20) for name, band in s1.items()}
    assert cut(s1=warped, resampling=how).num_dropped == 2


def tile_grid(side_px):
    return Grid(
        epsg=EPSG, pixel_m=10.0, west_m=WEST_M, north_m=NORTH_M, height_px=side_px, width_px=side_px
    )


def bilinear(source, side_px, *, is_valid=np.isfinite, **place):
    with opened("vv", geotiff(source, **place)) as band:
        return resampled(band, tile_grid(side_px), Resampling.BILINEAR, is_valid=is_valid)


def test_a_plane_stays_a_plane_between_pixels():
    row, col = np.mgrid[:60, :60]
    # Easting of a pixel's centre plus twice its southing, in metres from the tile's corner.
    west_m, north_m = WEST_M - 43.7, NORTH_M + 36.2
    source = (-43.7 + 10 * (col + 0.5)) + 2 * (-36.2 + 10 * (row + 0.5)) + 1000
    found = bilinear(source, 48, west_m=west_m, north_m=north_m)
    row, col = np.mgrid[:48, :48]
    np.testing.assert_allclose(found, 10 * (col + 0.5) + 20 * (row + 0.5) + 1000, atol=1e-9)


def test_between_zones_it_is_what_scipy_interpolates():
    source = np.random.default_rng(0).random((80, 80)) + 1
    west_m, north_m = OTHER_ZONE_M[0] - 80, OTHER_ZONE_M[1] + 90
    found = bilinear(source, 48, epsg=32630, west_m=west_m, north_m=north_m)
    centres = 10 * (np.arange(48) + 0.5)
    eastings, northings = np.meshgrid(WEST_M + centres, NORTH_M - centres)
    there = pyproj.Transformer.from_crs(EPSG, 32630, always_xy=True)
    x_m, y_m = there.transform(eastings, northings)
    places = [(north_m - y_m) / 10 - 0.5, (x_m - west_m) / 10 - 0.5]
    np.testing.assert_allclose(found, map_coordinates(source, places, order=1), rtol=1e-9)


def test_invalid_pixels_have_no_weight():
    source = np.full((60, 60), 2.0)
    source[10, 10] = -32768.0
    found = bilinear(source, 48, is_valid=lambda p: p > 0, west_m=WEST_M + 3, north_m=NORTH_M)
    assert np.isnan(found[10, 10])
    measured = found[:, 1:]  # the first column's nearest pixel lies west of the source
    assert np.isnan(measured).sum() == 1
    np.testing.assert_array_equal(measured[np.isfinite(measured)], 2.0)


def test_a_tile_of_another_grid_is_refused_with_strict_grid():
    shifted = {name: geotiff(band, west_m=WEST_M + 5) for name, band in s1_pixels().items()}
    with pytest.raises(ArchiveError, match=r"vv must lie on the grid of .*, found Grid"):
        cut(s1=shifted, strict_grid=True)
    assert len(places(cut(strict_grid=True))) == 16
