"""The overview for a resolution, and maps on which classes cannot be counted."""

import numpy as np
import pytest
import rasterio
from map_maker import cells_within, described, made_classes, write_map, write_tile
from rasterio.enums import Resampling
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
        ({"crs": "EPSG:4978", "step": 1000}, "geographic or projected .*is in EPSG:4978; warp"),
        ({"crs": "EPSG:3857", "step": 5000}, "expected at least 16 pixels .*, found 4"),
        ({"step": 0.05}, "expected at least 16 pixels in a cell of 10 km .*, found 3.2"),
        ({"transform": Affine(float("nan"), 0, 0, 0, -0.01, 1)}, "an unusable position .*nan"),
        ({"transform": Affine(0.01, 0.01, 0, 0.01, 0.01, 1)}, "an unusable position"),
    ],
)
def test_a_map_that_cannot_be_counted_is_an_error(tmp_path, options, message):
    options = {"west": 0, "north": 1, **options}
    path = write_map(tmp_path / "a.tif", np.full((50, 50), 10, np.uint8), **options)
    with pytest.raises(InputError, match=message):
        counts_of(path, cells_at([0.2], [0.8]))


def checkerboard(a, b, side_px=1500):
    return np.where(np.indices((side_px, side_px)).sum(0) % 2, a, b).astype(np.uint8)


def with_overviews(path, values, how, *, factors=(2, 4), **layout):
    write_map(path, values, **{"tiled": True, "blockxsize": 256, "blockysize": 256, **layout})
    with rasterio.open(path, "r+") as target:
        target.build_overviews(factors, how)
    return path


BLENDS = [Resampling.cubic, Resampling.average, Resampling.bilinear, Resampling.gauss]


@pytest.mark.parametrize("how", BLENDS)
@pytest.mark.parametrize(
    ("classes", "legend", "shares"),
    [
        ((1, 9), "igbp", {10: 0.5, 30: 0.5}),  # blends are codes of other classes
        ((10, 80), "worldcover", {10: 0.5, 80: 0.5}),  # blends are no codes
    ],
)
@pytest.mark.parametrize("side_px", [1500, 1501], ids=["divided", "not divided"])
def test_overviews_that_blend_classes_are_not_counted(
    tmp_path, how, classes, legend, shares, side_px
):
    values = checkerboard(*classes, side_px)
    layout = {"west": 5, "north": 46, "step": 0.0001}
    path = with_overviews(tmp_path / "a.tif", values, how, **layout)
    plain = write_map(tmp_path / "b.tif", values, **layout)
    cells = cells_within(5.02, 45.87, 5.13, 45.98)
    found = counts_of(path, cells, legend=legend, resolution_m=40)
    expected = counts_of(plain, cells, legend=legend)
    np.testing.assert_array_equal(found.counts, expected.counts)
    assert found.factor == 1
    assert found.note.startswith(f"the overviews of {path} hold values that the pixels beneath")
    whole = found.fractions()[found.counts.sum(axis=1) > 6000]
    for code, share in shares.items():
        np.testing.assert_allclose(whole[:, found.codes == code], share, atol=0.01)


def test_blends_where_classes_meet_in_one_place_are_found(tmp_path):
    """All of the map is one class but for one line of its 9 million pixels."""
    values = np.full((3000, 3000), 10, np.uint8)
    values[1500:1520, 1801] = 30  # an average of 20 or 25 beside it
    path = with_overviews(
        tmp_path / "a.tif", values, Resampling.average, west=0, north=3, step=0.001
    )
    found = counts_of(path, cells_within(1, 1, 2, 2), resolution_m=500)
    assert found.factor == 1
    assert found.counts[:, found.codes == 20].sum() == 0
    assert found.counts[:, found.codes == 30].sum() == 20


def test_overviews_of_an_earlier_map_are_not_counted(tmp_path):
    path = with_overviews(
        tmp_path / "a.tif", np.full((600, 600), 10, np.uint8), Resampling.mode,
        west=0, north=3, step=0.005,
    )  # fmt: skip
    with rasterio.open(path, "r+") as target:  # GDAL leaves the overviews as they are
        target.write(np.full((600, 600), 40, np.uint8), 1)
    found = counts_of(path, cells_within(1, 1, 2, 2), resolution_m=2300)
    assert found.factor == 1
    assert set(found.majority().tolist()) == {40}


@pytest.mark.parametrize("how", [Resampling.mode, Resampling.nearest])
@pytest.mark.parametrize("side_px", [1500, 1501, 1003])
@pytest.mark.parametrize("factors", [(4,), (2, 4), (3, 6)])
def test_overviews_of_classes_are_counted(tmp_path, how, side_px, factors):
    values = np.random.default_rng(1).choice(np.uint8([0, 10, 20, 30, 40]), (side_px, side_px))
    path = with_overviews(
        tmp_path / "a.tif", values, how, factors=factors,
        west=0, north=1.5, step=0.001, nodata=0,
    )  # fmt: skip
    found = counts_of(path, cells_within(0, 0, 1.5, 1.5), resolution_m=112 * factors[-1])
    assert (found.factor, found.note) == (factors[-1], None)


def test_a_value_that_is_in_the_map_but_not_in_its_legend_is_still_an_error(tmp_path):
    values = checkerboard(10, 77, 600)
    path = with_overviews(
        tmp_path / "a.tif", values, Resampling.nearest, west=0, north=3, step=0.005
    )
    with pytest.raises(InputError, match=r"of the legend worldcover in .*a\.tif .*, found 77;"):
        counts_of(path, cells_within(1, 1, 2, 2), resolution_m=2300)


def test_one_tile_with_blended_overviews_is_read_at_full_resolution(tmp_path):
    """Its counts have the weight of its pixels; the other tiles are read at their overviews."""
    values = np.full((1200, 1200), 30, np.uint8)
    values[:, ::2] = 10
    layout = {"west": 3, "north": 3, "step": 0.0025, "nodata": 0}
    good = write_tile(tmp_path, "N00E000", values=values, factors=(4,))
    bad = tmp_path / good.name.replace("E000", "E003")
    with_overviews(bad, values, Resampling.average, factors=(4,), **layout)
    tiles = TileMap.of_folder(tmp_path)
    cells = cells_within(2.5, 1, 3.5, 2)

    found = counts_of(tiles, cells, resolution_m=1200)

    assert f"the overviews of 1 of 2 tiles in {tmp_path}, such as {bad.name}, hold" in found.note
    assert found.factor == 1
    west, _, east, _ = cells.bounds_deg()
    full = counts_of(tiles, cells)
    # The overview by mode takes the lower of two equal classes, in the western tile.
    np.testing.assert_array_equal(found.counts[west >= 3], full.counts[west >= 3])
    assert set(found.majority()[east <= 3].tolist()) == {10}
    across = (west < 3) & (east > 3)
    pixels = found.counts[across].sum(axis=1)
    np.testing.assert_allclose(pixels, full.counts[across].sum(axis=1), rtol=0.08)


def test_tiles_with_and_without_overviews_are_counted_together(tmp_path):
    values = np.full((1200, 1200), 10, np.uint8)
    write_tile(tmp_path, "N00E000", values=values, factors=(2, 4))
    write_tile(tmp_path, "N00E003", values=values, factors=(2,))
    cells = cells_within(2.5, 1, 3.5, 2)
    found = counts_of(TileMap.of_folder(tmp_path), cells, resolution_m=1200)
    assert found.factor == 2  # the overview 1/4 counts as four pixels of the overview 1/2
    full = counts_of(TileMap.of_folder(tmp_path), cells).counts.sum(axis=1)
    np.testing.assert_allclose(found.counts.sum(axis=1) * 4, full, rtol=0.15)
    assert (found.fractions()[:, 0] == 1).all()


def test_few_squares_of_the_map_are_read_to_check_its_overviews(tmp_path, monkeypatch):
    from minortom.maps.class_band import ClassBand

    path = write_tile(tmp_path, "N00E000", side_px=2048, factors=(4,))
    read, once = [], ClassBand.read
    monkeypatch.setattr(
        ClassBand, "read", lambda self, window, shape=None: (
            read.append((window, shape)), once(self, window, shape),
        )[1],
    )  # fmt: skip
    assert counts_of(path, cells_within(0, 0, 3, 3), resolution_m=700).factor == 4
    squares = [window for window, shape in read if shape is None]
    assert 1 <= len(squares) <= 4
    assert sum(window.width * window.height for window in squares) <= 4 * 256**2


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
