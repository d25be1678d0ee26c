"""Class counts of maps in any coordinate system: each pixel counts in the cell that it is in."""

import numpy as np
import pytest
import rasterio
from map_maker import WORLDCOVER_CODES, cells_within, described, made_classes, write_map
from odd_maps import MAPS, positions, square
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.windows import Window

from minortom.grid.cells import cells_at, merged
from minortom.maps.overviews import opened_level


@pytest.fixture(params=MAPS, ids=list(MAPS))
def a_map(request, tmp_path):
    crs, transform = MAPS[request.param]
    values = made_classes(100, seed=3, sea=0.1)
    path = write_map(
        tmp_path / "a.tif", values, crs=crs, transform=transform, nodata=0,
        tiled=True, blockxsize=16, blockysize=16,
    )  # fmt: skip
    return path, values, crs, transform


def counted_one_by_one(cells, values, lon_deg, lat_deg):
    """The slow twin: each pixel goes to the cell that holds its centre."""
    place = {name: i for i, name in enumerate(cells.names().tolist())}
    expected = np.zeros((len(cells), len(WORLDCOVER_CODES)), int)
    known = np.isfinite(lon_deg)
    names = cells_at(lon_deg[known], lat_deg[known]).names().tolist()
    for name, value in zip(names, values.ravel()[known].tolist(), strict=True):
        if value:
            expected[place[name], WORLDCOVER_CODES.index(value)] += 1
    return expected


def counts_of(path, cells, resolution_m=1.0):
    return described(path, legend="worldcover").counts_in(cells, resolution_m=resolution_m)


def test_each_pixel_counts_in_the_cell_that_it_is_in(a_map):
    path, values, crs, transform = a_map
    lon_deg, lat_deg = positions(values.shape, crs, transform)
    known = np.isfinite(lon_deg)
    cells = merged([cells_at(lon_deg[known], lat_deg[known])])

    found = counts_of(path, cells)

    assert known.sum() > 2000
    np.testing.assert_array_equal(found.counts, counted_one_by_one(cells, values, lon_deg, lat_deg))
    assert found.counts.sum() == (values.ravel()[known] > 0).sum()


def test_a_few_cells_of_a_map_count_as_among_all(a_map):
    path, values, crs, transform = a_map
    lon_deg, lat_deg = positions(values.shape, crs, transform)
    known = np.isfinite(lon_deg)
    cells = merged([cells_at(lon_deg[known], lat_deg[known])])
    whole = counts_of(path, cells).counts
    for few in (np.arange(3), np.arange(len(cells) - 2, len(cells)), np.array([len(cells) // 2])):
        np.testing.assert_array_equal(counts_of(path, cells.take(few)).counts, whole[few])


def test_the_box_of_a_window_holds_each_of_its_pixels(a_map):
    path, _, crs, transform = a_map
    with opened_level(path, resolution_m=0) as level:
        for window in (Window(0, 0, 100, 100), Window(16, 32, 48, 16), Window(40, 40, 20, 20)):
            col, row, width, height = (int(v) for v in window.flatten())
            moved = transform @ Affine.translation(col, row)
            lon_deg, lat_deg = positions((height, width), crs, moved)
            west, south, east, north = level.positions.box_deg(window)
            known = np.isfinite(lon_deg)
            turns = (lon_deg[known] - west) % 360 + west
            assert (turns <= east).all()
            assert (lat_deg[known] >= south).all()
            assert (lat_deg[known] <= north).all()
            assert west < east
            assert -90 <= south < north <= 90


def test_overviews_of_a_projected_map_are_counted_and_checked(tmp_path):
    values = made_classes(600, seed=3, sea=0)
    transform = square(400_000, 5_600_000, 100)
    found = {}
    for how in (Resampling.mode, Resampling.average):
        path = write_map(
            tmp_path / f"{how.name}.tif", values, crs="EPSG:32631", transform=transform, tiled=True
        )
        with rasterio.open(path, "r+") as target:
            target.build_overviews([4], how)
        found[how] = counts_of(path, cells_within(1.8, 50.1, 2.3, 50.4), resolution_m=400)
    assert (found[Resampling.mode].factor, found[Resampling.mode].note) == (4, None)
    assert found[Resampling.mode].resolution_m == pytest.approx(400)
    assert found[Resampling.average].factor == 1
    difference = found[Resampling.mode].fractions() - found[Resampling.average].fractions()
    assert np.abs(difference).mean() < 0.01
