"""Class counts of whole cells: each pixel counted once, by the rule of the grid, on any raster."""

import numpy as np
import pytest
import rasterio
from map_maker import (
    WORLDCOVER_CODES,
    cells_within,
    described,
    made_classes,
    write_map,
    write_tile,
    write_vrt,
)
from rasterio.transform import Affine

from minortom.engine.executors import local_executor
from minortom.errors import InputError
from minortom.grid.cells import Cells, cells_at, cells_from_names, columns_of_rows, merged
from minortom.maps.class_counts import ClassCounts
from minortom.maps.class_table import NO_CLASS, OUTSIDE
from minortom.maps.overviews import Level
from minortom.maps.tiled_map import TileMap

FULL_M = 1.0  # finer than any map here: full resolution


def counts_of(source, cells, *, legend="worldcover", resolution_m=FULL_M, **more):
    return described(source, legend=legend).counts_in(cells, resolution_m=resolution_m, **more)


def counted_pixel_by_pixel(path, cells, codes=WORLDCOVER_CODES):
    """The slow twin: each pixel's centre goes to the cell that holds it."""
    with rasterio.open(path) as source:
        values, a = source.read(1), source.transform
    place = {name: i for i, name in enumerate(cells.names())}
    counts = np.zeros((len(cells), len(codes)), dtype=int)
    for row in range(values.shape[0]):
        for col in range(values.shape[1]):
            x, y = a.c + a.a * (col + 0.5), a.f + a.e * (row + 0.5)
            name = cells_at((x + 180) % 360 - 180, y).names()[0]
            if name in place and values[row, col] in codes:
                counts[place[name], codes.index(values[row, col])] += 1
    return counts


@pytest.mark.parametrize(
    ("west", "north", "step"),
    [
        (10.0, 51.0, 0.02),
        (178.5, 71.0, 0.02),  # over the antimeridian
        (359.0, 0.5, 0.02),  # a map from 0 to 360, over the equator
        (-20.0, 89.3, 0.02),  # where cells are wide
    ],
)
def test_counts_are_those_of_each_pixel_put_into_its_cell(tmp_path, west, north, step):
    values = np.random.default_rng(4).choice(np.uint8((0, *WORLDCOVER_CODES)), (60, 90))
    path = write_map(tmp_path / "a.tif", values, west=west, north=north, step=step, nodata=0)
    lon_deg = (west + np.arange(0, 90 * step, step / 2) + 180) % 360 - 180
    lat_deg = north - np.arange(0, 60 * step, step / 2)
    cells = merged([cells_at(*(a.ravel() for a in np.meshgrid(lon_deg, lat_deg)))])

    found = counts_of(path, cells)

    assert len(cells) >= 20
    np.testing.assert_array_equal(found.counts, counted_pixel_by_pixel(path, cells))
    assert found.counts.sum() == (values > 0).sum()
    assert found.codes.tolist() == list(WORLDCOVER_CODES)


@pytest.mark.parametrize(
    "transform",
    [Affine(0.02, 0, 10, 0, 0.02, 49), Affine(-0.02, 0, 12, 0, -0.02, 51)],
    ids=["the first row in the south", "the first column in the east"],
)
def test_a_map_that_is_flipped_counts_the_same(tmp_path, transform):
    values = made_classes(100, seed=3)
    usual = write_map(tmp_path / "a.tif", values, west=10, north=51, step=0.02)
    flipped = values[::-1] if transform.e > 0 else values[:, ::-1]
    path = write_map(tmp_path / "b.tif", flipped, transform=transform)
    cells = cells_within(9, 48, 13, 52)
    np.testing.assert_array_equal(counts_of(path, cells).counts, counts_of(usual, cells).counts)


def test_a_map_of_0_to_360_counts_as_one_of_plus_and_minus_180(tmp_path):
    values = np.random.default_rng(1).choice(np.uint8(WORLDCOVER_CODES), (90, 18000))
    usual = write_map(tmp_path / "a.tif", values, north=0.9)
    moved = write_map(tmp_path / "b.tif", np.roll(values, -9000, axis=1), north=0.9, west=0)
    cells = cells_within(-180, -0.9, 180, 0.9)
    found = counts_of(moved, cells).counts
    np.testing.assert_array_equal(found, counts_of(usual, cells).counts)
    assert found.sum() == values.size


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4267"], ids=["regular", "another datum"])
def test_columns_that_repeat_the_first_ones_are_not_counted_again(tmp_path, crs):
    once = np.random.default_rng(1).choice(np.uint8(WORLDCOVER_CODES), (45, 18000))
    again = np.hstack([once, once[:, :3]])
    layout = {"west": -180.01, "north": 0.45, "step": 0.02, "crs": crs}
    cells = cells_within(-180, -0.45, 180, 0.45)

    found, expected = (
        counts_of(write_map(tmp_path / f"{values.shape[1]}.tif", values, **layout), cells).counts
        for values in (again, once)
    )

    np.testing.assert_array_equal(found, expected)
    assert found.sum() == pytest.approx(once.size, rel=1e-3)


def test_a_cell_on_four_tiles_counts_as_in_one_raster(tmp_path):
    names = ["N00E000", "N00W003", "S03E000", "S03W003"]
    tiles = [write_tile(tmp_path / "tiles", name) for name in names]
    whole = write_vrt(tmp_path / "whole.vrt", tiles)
    cells = cells_within(-2.9, -2.9, 2.9, 2.9)
    cells = cells.take(np.random.default_rng(0).permutation(len(cells)))
    for resolution_m, factor in ((FULL_M, 1), (1200, 4)):
        split = counts_of(TileMap.of_folder(tmp_path / "tiles"), cells, resolution_m=resolution_m)
        one = counts_of(whole, cells, resolution_m=resolution_m)
        np.testing.assert_array_equal(split.counts, one.counts)
        assert split.factor == one.factor == factor
        assert split.counts.any(axis=1).mean() > 0.99
    assert {"0U_0R", "0U_1L", "1D_0R", "1D_1L"} <= set(cells.names())


def test_the_cell_that_reaches_over_the_antimeridian_counts_both_sides(tmp_path):
    for name in ("N48E177", "N48W180"):
        write_tile(tmp_path, name, values=np.full((300, 300), 10, np.uint8), factors=())
    row = cells_at(0, np.linspace(48.2, 50.8, 50)).row
    row = row[columns_of_rows(row) % 2 == 1][:1]
    cells = Cells(row=row, col=(columns_of_rows(row) + 1) // 2 - 1)
    west, south, east, north = (edge[0] for edge in cells.bounds_deg())

    count = counts_of(TileMap.of_folder(tmp_path), cells).counts[0, 0]

    columns = 177 + (np.arange(600) + 0.5) / 100  # of both tiles, from 177 to 183 degrees
    rows = 48 + (np.arange(300) + 0.5) / 100
    inside = ((columns >= west) & (columns < east)).sum() * ((rows >= south) & (rows < north)).sum()
    assert west < 180 < east
    assert count == inside > 0


def test_cells_near_the_pole_are_counted_over_all_the_tiles_that_they_span(tmp_path):
    for west in range(-180, 180, 3):
        name = f"N87{'E' if west >= 0 else 'W'}{abs(west):03d}"
        write_tile(tmp_path, name, values=np.full((150, 150), 70, np.uint8), factors=())
    cells = Cells(row=np.full(7, 1001), col=np.arange(7) - 3)  # the seven round the pole
    west, _, east, _ = cells.bounds_deg()
    assert (east - west).min() > 51

    counts = counts_of(TileMap.of_folder(tmp_path), cells).counts[:, 6]

    longitudes = -180 + (np.arange(120 * 150) + 0.5) / 50
    columns = ((longitudes >= west[:, None]) & (longitudes < east[:, None])).sum(axis=1)
    columns[-1] += (longitudes + 360 < east[-1]).sum()
    latitudes = 87 + (np.arange(150) + 0.5) / 50
    rows = (latitudes >= 1001 * 180 / 2004).sum()
    assert counts.tolist() == (columns * rows).tolist()
    assert counts.sum() == 120 * 150 * rows > 0


def test_a_tile_that_does_not_exist_has_no_class(tmp_path):
    write_tile(tmp_path, "N00E000", values=np.full((200, 200), 80, np.uint8))
    cells = cells_at([1.5, 2.99, 4.5], [1.5, 1.5, 1.5])
    found = counts_of(TileMap.of_folder(tmp_path), cells)
    assert found.majority().tolist() == [80, 80, NO_CLASS]
    assert not found.outside.any()


def test_a_cell_beside_a_single_map_is_outside_and_one_of_nodata_has_no_class(tmp_path):
    values = np.zeros((60, 60), np.uint8)
    values[:, 30:] = 30
    path = write_map(tmp_path / "a.tif", values, west=0, north=1.2, step=0.02, nodata=0)
    found = counts_of(path, cells_at([0.2, 1.0, 5.0, -0.2], [0.5] * 4))
    assert found.majority().tolist() == [NO_CLASS, 30, OUTSIDE, OUTSIDE]
    assert np.isnan(found.fractions()[[0, 2, 3]]).all()
    np.testing.assert_array_equal(found.fractions()[1], np.eye(11, dtype=np.float32)[2])


def test_majority_takes_the_lowest_code_of_a_tie_and_ignores_nodata():
    counts = np.array([[0, 5, 5, 1], [2, 1, 2, 2], [0, 0, 0, 1], [0, 0, 0, 0]])
    found = ClassCounts(
        codes=np.int16([10, 20, 90, 100]), counts=counts, outside=np.zeros(4, bool), factor=1,
        resolution_m=10.0,
    )  # fmt: skip
    assert found.majority().tolist() == [20, 10, 100, NO_CLASS]
    np.testing.assert_allclose(found.fractions()[0], [0, 5 / 11, 5 / 11, 1 / 11], rtol=1e-6)
    assert found.fractions().dtype == np.float32


def test_cells_come_in_the_order_given_also_twice(tmp_path):
    path = write_map(
        tmp_path / "a.tif", made_classes(150, seed=1), west=0, north=3, step=0.02, nodata=0
    )
    cells = cells_within(0.2, 0.2, 2.8, 2.8)
    usual = counts_of(path, cells)
    mixed = np.array([7, 3, 7, 0, 400])
    found = counts_of(path, cells.take(mixed))
    np.testing.assert_array_equal(found.counts, usual.counts[mixed])


def test_only_the_blocks_that_contain_cells_are_read(tmp_path, monkeypatch):
    path = write_tile(tmp_path, "N00E000")  # 1,200 pixels aside, in blocks of 256
    cells = cells_within(0, 0, 3, 3)
    few = cells.take(np.array([0, 1, 600]))
    read, whole = [], counts_of(path, cells)
    once = Level.read
    monkeypatch.setattr(Level, "read", lambda self, w: read.append(w) or once(self, w))

    found = counts_of(path, few)

    np.testing.assert_array_equal(found.counts, whole.counts[[0, 1, 600]])
    assert sum(window.width * window.height for window in read) <= 4 * 256**2
    assert all(window.col_off % 256 == window.row_off % 256 == 0 for window in read)
    read.clear()
    counts_of(path, cells)
    assert len(read) == 1


def test_the_crosswalk_of_the_legend_applies_to_counts(tmp_path):
    values = np.tile(np.arange(17, dtype=np.uint8), (1700, 100))
    path = write_map(tmp_path / "a.tif", values, west=0, north=1.7, step=0.001, nodata=255)
    found = counts_of(path, cells_at([0.5], [0.5]), legend="igbp")
    assert found.codes.tolist() == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    # Of 17 classes, forests 1-5 and woody savannas 8 are tree cover; the rest as in the manifest.
    expected = np.array([6, 2, 2, 2, 1, 1, 1, 1, 1]) / 17
    np.testing.assert_allclose(found.fractions()[0], expected, atol=0.02)


def test_unknown_values_outside_the_cells_are_ignored(tmp_path):
    values = np.full((100, 100), 10, np.uint8)
    values[0, 0] = 77
    path = write_map(tmp_path / "a.tif", values, west=0, north=1, step=0.01)
    assert counts_of(path, cells_at([0.7], [0.3])).majority().tolist() == [10]
    with pytest.raises(InputError, match=r"of the legend worldcover in .*a\.tif .*, found 77;"):
        counts_of(path, cells_at([0.01], [0.99]))


def test_progress_counts_the_tiles(tmp_path):
    for name in ("N00E000", "N00E003", "S03E000"):
        write_tile(tmp_path, name, side_px=150, factors=())
    told = []
    counts_of(
        TileMap.of_folder(tmp_path), cells_within(1, -1, 5, 1),
        on_progress=lambda *seen: told.append(seen),
    )  # fmt: skip
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_pool_of_processes_gives_the_same(tmp_path):
    tiles = [write_tile(tmp_path / "t", name) for name in ("N00E000", "N00E003")]
    whole = described(write_vrt(tmp_path / "whole.vrt", tiles), legend="worldcover")
    split = described(TileMap.of_folder(tmp_path / "t"), legend="worldcover")
    cells = cells_within(0, 0, 6, 2.9)
    points = cells.centres()
    with local_executor(2) as executor:
        counts = [m.counts_in(cells, resolution_m=1.0, executor=executor) for m in (split, whole)]
        codes = split.codes_at(*points, executor=executor)

    here = split.counts_in(cells, resolution_m=1.0)
    for there in counts:
        np.testing.assert_array_equal(there.counts, here.counts)
    np.testing.assert_array_equal(codes, split.codes_at(*points))


def test_no_cell_counts_nothing(tmp_path):
    write_tile(tmp_path, "N00E000", side_px=150, factors=())
    none = Cells(row=np.empty(0, int), col=np.empty(0, int))
    for source in (TileMap.of_folder(tmp_path), next(tmp_path.glob("*.tif"))):
        assert counts_of(source, none).counts.shape == (0, 11)


def test_fractions_of_the_real_tile_are_those_of_exactextract(real_data, exactextract):
    path = real_data / "descriptors" / "ESA_WorldCover_10m_2021_v200_N00E006_Map.tif"
    # Of São Tomé, of the sea around it, and over the tile's southern edge.
    names = ["1U_72R", "4U_74R", "1U_74R", "3U_72R", "0U_73R", "1D_72R", "17U_81R", "20U_90R"]
    cells = cells_from_names(names)
    found = counts_of(path, cells)
    boxes = np.array(cells.bounds_deg()).T
    features = [
        {"type": "Feature", "properties": {"i": i}, "geometry": {
            "type": "Polygon", "coordinates": [[(w, s), (e, s), (e, n), (w, n), (w, s)]]}}
        for i, (w, s, e, n) in enumerate(boxes)
    ]  # fmt: skip
    expected = np.full((len(cells), 11), np.nan)
    measures = ["unique", "frac"]
    for feature in exactextract.exact_extract(str(path), features, measures, include_cols=["i"]):
        shares = feature["properties"]
        if len(shares["unique"]):
            expected[shares["i"]] = 0
            expected[shares["i"], np.searchsorted(found.codes, shares["unique"])] = shares["frac"]

    assert (~np.isnan(expected[:, 0])).sum() >= 6
    np.testing.assert_allclose(found.fractions(), expected, atol=0.001)

    coarse = counts_of(path, cells, resolution_m=40)
    assert coarse.factor == 4
    np.testing.assert_allclose(coarse.fractions(), expected, atol=0.0062)
