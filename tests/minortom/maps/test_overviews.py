"""The overview for a resolution, and maps on which classes cannot be counted."""

import numpy as np
import pytest
import rasterio
from map_maker import cells_within, described, made_classes, write_map, write_tile
from rasterio.transform import Affine

from minortom.errors import InputError
from minortom.grid.cells import cells_at
from minortom.maps.class_table import NO_CLASS
from minortom.maps.tiled_map import TileMap

FULL_M = 1.0  # finer than any map here: full resolution


def counts_of(source, cells, *, legend="worldcover", resolution_m=FULL_M, **more):
    return described(source, legend=legend).counts_in(cells, resolution_m=resolution_m, **more)


@pytest.mark.parametrize(
    ("resolution_m", "factor"), [(1, 1), (277, 1), (557, 2), (1113, 2), (1114, 4), (9999, 8)]
)
def test_the_coarsest_overview_that_is_fine_enough_is_read(tmp_path, resolution_m, factor):
    path = write_tile(tmp_path, "N00E000", factors=(2, 4, 8, 16))  # of 278 m
    cells = cells_within(1, 1, 2, 2)
    found = counts_of(path, cells, resolution_m=resolution_m)
    assert (found.factor, round(found.resolution_m)) == (factor, round(278.3 * factor))
    # 8 x 278 m leaves some 20 pixels in a cell, 16 x 278 m would leave 5.
    assert 0 < found.counts.sum(axis=1).max() <= (10_020 / (278 * factor) + 1) ** 2


@pytest.mark.parametrize("side_px", [1200, 1201], ids=["a whole share of the map", "not so"])
def test_the_pixels_of_the_overview_are_counted(tmp_path, side_px):
    values, step = made_classes(side_px, seed=6), 3 / side_px
    path = write_map(tmp_path / "a.tif", values, west=0, north=3, step=step, nodata=0, tiled=True)
    with rasterio.open(path, "r+") as target:
        target.build_overviews([4], rasterio.enums.Resampling.mode)
    with rasterio.open(path, overview_level=0) as source:
        small = write_map(tmp_path / "b.tif", source.read(1), transform=source.transform, nodata=0)
    cells = cells_within(0, 0, 3, 3)
    found = counts_of(path, cells, resolution_m=1200)
    assert found.factor == 4
    np.testing.assert_array_equal(found.counts, counts_of(small, cells).counts)
    assert found.counts.any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"crs": "EPSG:3857", "step": 1000},
            "is in EPSG:3857; .*gdalwarp .* center",
        ),
        ({"crs": "EPSG:4267", "step": 0.01}, "is in EPSG:4267"),
        ({"step": 0.05}, "expected at least 16 pixels in a cell of 10 km .*, found 3.2"),
        ({"transform": Affine(0.01, 0.002, 0, 0.001, -0.01, 1)}, "is rotated; warp"),
    ],
)
def test_a_map_that_cannot_be_counted_is_an_error(tmp_path, options, message):
    options = {"west": 0, "north": 1, **options}
    path = write_map(tmp_path / "a.tif", np.full((50, 50), 10, np.uint8), **options)
    with pytest.raises(InputError, match=message):
        counts_of(path, cells_at([0.2], [0.8]))


def test_tiles_of_two_resolutions_are_not_added_up(tmp_path):
    write_tile(tmp_path, "N00E000")
    write_tile(tmp_path, "N00E003", side_px=600)
    with pytest.raises(InputError, match=r"N00E000.* 0\.0025 degrees .* and .*N00E003.* 0\.005 "):
        counts_of(TileMap.of_folder(tmp_path), cells_within(2.5, 1, 3.5, 2))


def test_what_the_file_calls_nodata_is_not_counted_even_where_the_legend_calls_it_a_class(tmp_path):
    values = np.zeros((100, 100), np.uint8)  # 0 is water to the legend
    values[:, 50:] = 12
    path = write_map(tmp_path / "a.tif", values, west=0, north=1, step=0.01, nodata=0)
    found = described(path, legend="igbp").counts_in(cells_at([0.5], [0.5]), resolution_m=FULL_M)
    assert found.fractions()[0, found.codes == 40] == 1  # croplands


def test_a_cell_of_large_nodata_has_no_class_but_is_on_the_map(tmp_path):
    values = np.full((100, 100), 32767, np.int16)
    path = write_map(tmp_path / "a.tif", values, west=0, north=1, step=0.01, nodata=32767)
    assert counts_of(path, cells_at([0.5], [0.5])).majority().tolist() == [NO_CLASS]
