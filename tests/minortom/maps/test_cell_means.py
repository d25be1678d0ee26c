"""Means of cells: against exactextract, polygon clipping and dense points, on any raster."""

import numpy as np
import pytest
import rasterio
import shapely
from map_maker import write_map
from odd_maps import MAPS, positions
from pyproj import Transformer
from rasterio.transform import Affine

from minortom.engine.executors import local_executor
from minortom.grid.cells import Cells, cells_at, cells_from_names, merged, whole_grid
from minortom.maps import cell_means, rasters
from minortom.maps.continuous import ContinuousRaster

ALONG = 50
"""Points of each side of a cell in the polygons of the references."""


def means_of(path, cells, **more):
    return ContinuousRaster(path=path).means_in(cells, **more)


def some(cells, number, seed=0):
    """Return a few of the cells, in random order."""
    rng = np.random.default_rng(seed)
    return cells.take(rng.choice(len(cells), min(number, len(cells)), replace=False))


def by_exactextract(exactextract, raster, polygons):
    """Return the answers [n] of exactextract; NaN for a polygon without a value."""
    features = [
        {"type": "Feature", "properties": {"i": i}, "geometry": polygon.__geo_interface__}
        for i, polygon in enumerate(polygons)
    ]
    found = exactextract.exact_extract(
        raster, features, ["mean"], include_cols=["i"], output="pandas"
    )
    return found.sort_values("i")["mean"].to_numpy(dtype=float, na_value=np.nan)


def outlines(cells):
    """Return longitudes and latitudes [n, v] of points along the edges of cells."""
    t = np.arange(ALONG) / ALONG
    west, south, east, north = (edge[:, None] + 0 * t for edge in cells.bounds_deg())
    wide, high = east - west, north - south
    lon = [west + wide * t, east, east - wide * t, west]
    lat = [south, south + high * t, north, north - high * t]
    return np.concatenate(lon, axis=1), np.concatenate(lat, axis=1)


def by_dense_points(path, cells, side=200):
    """Return the means [n] of the values at points that share out the area of each cell."""
    t = (np.arange(side) + 0.5) / side
    found = []
    for west, south, east, north in zip(*cells.bounds_deg(), strict=True):
        along = max(side, int(10 * (east - west)))
        lon = west + (east - west) * (np.arange(along) + 0.5) / along
        low, high = np.sin(np.radians([south, north]))
        lat = np.degrees(np.arcsin(low + (high - low) * t))
        points = (axis.ravel() for axis in np.meshgrid((lon + 180) % 360 - 180, lat))
        values = ContinuousRaster(path=path).values_at(*points)
        found.append(np.nanmean(values) if np.isfinite(values).any() else np.nan)
    return np.array(found)


def test_means_are_those_of_exactextract_on_the_real_climatology(real_data, exactextract):
    path = real_data / "descriptors" / "era5_climatology_0p25.tif"
    grid = whole_grid(extent_deg=90)
    polar = grid.take(np.abs(grid.row) > 970)
    cells = merged([some(grid, 800), some(polar, 200)])
    west, south, east, north = cells.bounds_deg()
    inside = east < 179.875  # the file ends there: exactextract does not go around the globe
    cells, polygons = cells.take(inside), shapely.box(west, south, east, north)[inside]
    for band in (1, 4):
        with rasterio.open(path) as source:
            values = source.read(band)
        found = ContinuousRaster(path=path, band=band).means_in(cells)
        source = exactextract.raster.RasterioRasterSource(str(path), band)
        expected = by_exactextract(exactextract, source, polygons)
        assert np.abs(found - expected).max() < 1e-4 * np.ptp(values.astype(float))


def clipped(values, transform, cells):
    """The slow twin for maps in degrees: areas on the sphere of pixels clipped by cells."""
    lon_edges = transform.c + transform.a * np.arange(values.shape[1] + 1)
    lat_edges = transform.f + transform.e * np.arange(values.shape[0] + 1)
    means = []
    for west, south, east, north in zip(*cells.bounds_deg(), strict=True):
        sines = np.sin(np.radians(np.clip(lat_edges, south, north)))
        wide = sum(
            np.abs(np.diff(np.clip(lon_edges, west + turn, east + turn))) for turn in (-360, 0, 360)
        )
        weights = np.abs(np.diff(sines))[:, None] * wide * np.isfinite(values)
        total = weights.sum()
        means.append(np.nansum(weights * values) / total if total else np.nan)
    return np.array(means)


@pytest.mark.parametrize(
    ("transform", "lon", "lat"),
    [
        (Affine(0.013, 0, 10, 0, -0.017, 51), (10, 11.3), (49.3, 51)),
        (Affine(0.013, 0, 179.4, 0, -0.017, 71), (178.9, 181), (69, 71.2)),  # antimeridian
        (Affine(0.013, 0, 359.5, 0, -0.017, 0.8), (-1, 1), (-1, 1)),  # from 0 to 360, equator
        (Affine(-0.013, 0, 12, 0, 0.017, -30), (10, 12.5), (-30, -28)),  # east to west, from below
        (Affine(3.6, 0, -181.8, 0, -2, 91), (-180, 180), (70, 90)),  # around the pole, and over it
        (Affine(3.6, 0, 0, 0, -2, -10), (-180, 180), (-90, -80)),
    ],
)
def test_means_in_degrees_weigh_pixels_by_their_clipped_area(tmp_path, transform, lon, lat):
    rng = np.random.default_rng(2)
    values = rng.normal(size=(100, 100)).astype(np.float32)
    values[rng.random(values.shape) < 0.2] = np.nan
    path = write_map(tmp_path / "a.tif", values, transform=transform)
    lon, lat = rng.uniform(*lon, 300), rng.uniform(*lat, 300)
    cells = some(merged([cells_at((lon + 180) % 360 - 180, lat)]), 100)
    found, expected = means_of(path, cells), clipped(values, transform, cells)

    assert np.isfinite(expected).sum() > 30
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", [name for name in MAPS if "edge of a projection" not in name])
def test_means_in_any_coordinate_system_are_those_of_exactextract(tmp_path, exactextract, name):
    crs, transform = MAPS[name]
    values = np.random.default_rng(1).random((100, 100)).astype(np.float32)
    path = write_map(
        tmp_path / "a.tif", values, crs=crs, transform=transform, tiled=True, blockxsize=16,
        blockysize=16,
    )  # fmt: skip
    lon_deg, lat_deg = positions(values.shape, crs, transform)
    cells = some(merged([cells_at((lon_deg + 180) % 360 - 180, lat_deg)]), 60)
    to_map = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    col, row = ~transform @ to_map.transform(*outlines(cells))
    polygons = shapely.polygons(np.stack([col, 100 - row], axis=-1))
    usable = shapely.is_valid(polygons)  # the cell around a pole has no outline
    source = exactextract.raster.NumPyRasterSource(values, 0, 0, 100, 100)
    expected = by_exactextract(exactextract, source, polygons[usable])

    assert np.isfinite(expected).sum() > 30
    np.testing.assert_allclose(means_of(path, cells.take(usable)), expected, atol=1e-4)


WORLDS = {
    "sinusoidal": (
        "+proj=sinu +R=6371007.181 +units=m", Affine(1e5, 0, -20.05e6, 0, -1e5, 10.05e6),
        (201, 402),
    ),
    "Mollweide around 10 degrees east": (
        "+proj=moll +lon_0=10 +units=m", Affine(9e4, 0, -18.1e6, 0, -9e4, 9.1e6), (204, 404),
    ),
    "web Mercator": ("EPSG:3857", Affine(1e5, 0, -20.05e6, 0, -1e5, 20.05e6), (402, 402)),
    "NAD27 from 0 to 360, and again": ("EPSG:4267", Affine(1, 0, 0, 0, -1, 90), (180, 400)),
    "degrees from east to west": ("EPSG:4326", Affine(-1, 0, 180, 0, 1, -90), (180, 360)),
    "degrees, rotated": ("EPSG:4326", Affine(0, 1, -180, -1, 0, 90), (360, 180)),
}  # fmt: skip


@pytest.mark.parametrize("name", WORLDS)
def test_cells_at_the_seams_and_poles_of_a_map_of_the_world_are_whole(tmp_path, name):
    crs, transform, shape = WORLDS[name]
    rng = np.random.default_rng(4)
    values = rng.random(shape).astype(np.float32)
    path = write_map(tmp_path / "a.tif", values, crs=crs, transform=transform)
    seams = [180.0 - 1e-9, -180.0, -170 - 1e-9, -170 + 1e-9, 0.0]
    lat = [-89.99, -89.8, *rng.uniform(-84, 84, 6), 89.8, 89.99]
    cells = merged([cells_at(*map(np.ravel, np.meshgrid(seams, lat)))])
    found, expected = means_of(path, cells), by_dense_points(path, cells)

    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    assert np.nanmax(np.abs(found - expected)) < 0.01
    assert np.isfinite(found).sum() > 20


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32631"])
def test_windows_and_workers_do_not_change_the_mean(tmp_path, monkeypatch, crs):
    values = np.random.default_rng(1).random((300, 300)).astype(np.float32)
    transform = Affine(0.01, 0, 1, 0, -0.01, 3)
    if crs != "EPSG:4326":
        transform = Affine(1000, 0, 300_000, 0, -1000, 400_000)
    path = write_map(
        tmp_path / "a.tif", values, crs=crs, transform=transform, tiled=True, blockxsize=64,
        blockysize=64,
    )  # fmt: skip
    lon, lat = np.meshgrid(np.linspace(1, 4, 40), np.linspace(0, 3, 40))
    cells = merged([cells_at(lon.ravel(), lat.ravel())])
    whole = means_of(path, cells)
    monkeypatch.setattr(rasters, "_WINDOW_BYTES", 64 * 64 * 8)
    split, steps = means_of(path, cells), []
    with local_executor(2) as executor:
        pooled = means_of(
            path, cells, executor=executor, on_progress=lambda *done: steps.append(done)
        )

    assert np.isfinite(whole).sum() > 500
    np.testing.assert_allclose(split, whole, rtol=1e-11)
    np.testing.assert_array_equal(pooled, split)
    assert len(steps) == 25 and steps[-1] == (len(cells), len(cells))


def test_pixels_without_data_have_no_weight_and_scale_and_offset_are_applied(tmp_path):
    """The cell 0U_0R is 180/2004 degrees high and wide; each pixel is half of that."""
    step = 180 / 2004 / 2
    values = np.array([[1, 2, 100], [3, -9, 100]], np.int16)
    path = write_map(tmp_path / "a.tif", values, west=0, north=2 * step, step=step, nodata=-9)
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets = [0.5], [10]
    north, south = np.sin(np.radians([2 * step, step])) - np.sin(np.radians([step, 0]))

    found = means_of(path, cells_from_names(["0U_0R", "1U_0R", "0U_1L"]))
    expected = 10 + 0.5 * ((1 + 2) * north + 3 * south) / (2 * north + south)
    np.testing.assert_allclose(found, [expected, np.nan, np.nan], rtol=1e-9)


def test_the_mean_of_equal_values_is_that_value(tmp_path):
    grid = some(whole_grid(extent_deg=90), 2000)
    for number, value in enumerate((500.0, 0.1, -273.15, 1e-7, 28_315.0, 0.0)):
        path = write_map(tmp_path / f"{number}.tif", np.full((50, 100), value))
        assert set(means_of(path, grid).tolist()) == {value}


def test_each_cell_has_its_mean_in_any_order_in_parts_and_when_repeated(tmp_path, monkeypatch):
    path = write_map(tmp_path / "a.tif", np.random.default_rng(0).random((90, 180)))
    cells = some(whole_grid(), 50)
    again = Cells(row=np.repeat(cells.row[::-1], 2), col=np.repeat(cells.col[::-1], 2))
    expected = np.repeat(means_of(path, cells)[::-1], 2)

    np.testing.assert_array_equal(means_of(path, again), expected)
    monkeypatch.setattr(cell_means, "_CELLS_IN_PART", 7)
    np.testing.assert_array_equal(means_of(path, again), expected)
