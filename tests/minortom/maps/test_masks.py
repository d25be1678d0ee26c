"""Pixels without data: every mask and nodata of GDAL, at points, in counts, in overviews."""

import numpy as np
import pytest
import rasterio
from map_maker import cells_within, codes_at, described, made_classes, write_map
from rasterio.enums import ColorInterp, Resampling

from minortom.maps.class_table import NO_CLASS

SIDE = 600
STEP = 0.005
LAYOUT = {"west": 0, "north": 3, "step": STEP, "tiled": True, "blockxsize": 256, "blockysize": 256}
CELLS = cells_within(0.05, 0.05, 2.95, 2.95)


@pytest.fixture
def classes():
    """Classes of WorldCover and none that is nodata."""
    return made_classes(SIDE, seed=3, sea=0)


@pytest.fixture
def valid():
    """The same squares of 20 pixels that are masked, some of them cut by cells."""
    few = np.random.default_rng(2).random((30, 30)) < 0.6
    return np.kron(few, np.ones((20, 20))).astype(bool)


def with_mask(path, classes, valid, *, internal):
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal):
        write_map(path, classes, **LAYOUT)
        with rasterio.open(path, "r+") as target:
            target.write_mask(np.where(valid, 255, 0).astype(np.uint8))


def inside(path, classes, valid):
    with_mask(path, classes, valid, internal=True)


def beside(path, classes, valid):
    with_mask(path, classes, valid, internal=False)
    assert path.with_name(f"{path.name}.msk").is_file()


def nodata_of_the_band(path, classes, valid):
    write_map(path, np.where(valid, classes, 200).astype(np.uint8), nodata=200, **LAYOUT)


def nodata_of_the_dataset(path, classes, valid):
    write_map(path, np.where(valid, classes, 200).astype(np.uint8), **LAYOUT)
    with rasterio.open(path, "r+") as target:
        target.update_tags(NODATA_VALUES="200")


def alpha(path, classes, valid):
    bands = [classes, np.where(valid, 255, 0).astype(np.uint8)]
    write_map(path, bands, photometric="minisblack", alpha="YES", **LAYOUT)


def alpha_first(path, classes, valid):
    bands = [np.where(valid, 255, 0).astype(np.uint8), classes]
    write_map(path, bands, **LAYOUT)
    with rasterio.open(path, "r+") as target:
        target.colorinterp = (ColorInterp.alpha, ColorInterp.gray)


def not_a_number(path, classes, valid):
    write_map(path, np.where(valid, classes, np.nan).astype(np.float32), **LAYOUT)


def nodata_is_not_a_number(path, classes, valid):
    values = np.where(valid, classes, np.nan).astype(np.float64)
    write_map(path, values, nodata=float("nan"), **LAYOUT)


def the_lowest_float(path, classes, valid):
    lowest = float(np.finfo(np.float32).min)
    write_map(path, np.where(valid, classes, lowest).astype(np.float32), nodata=lowest, **LAYOUT)


def mask_and_nodata(path, classes, valid):
    """GDAL's mask wins over the nodata value; here both hold."""
    half = np.arange(SIDE) < SIDE // 2
    values = np.where(valid | half, classes, 200).astype(np.uint8)
    with_mask(path, values, valid | ~half, internal=True)
    with rasterio.open(path, "r+") as target:
        target.nodata = 200


KINDS = [
    inside, beside, nodata_of_the_band, nodata_of_the_dataset, alpha, alpha_first, not_a_number,
    nodata_is_not_a_number, the_lowest_float, mask_and_nodata,
]  # fmt: skip
NOT_OF_GDAL = (alpha_first, not_a_number, mask_and_nodata)
"""Kinds that GDAL's own mask of the classes leaves out, in part or whole."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_pixel_that_gdal_masks_has_no_class_at_a_point(tmp_path, classes, valid, kind):
    path = tmp_path / "a.tif"
    kind(path, classes, valid)
    with rasterio.open(path) as source:
        masks = source.read_masks(1) > 0 if kind not in NOT_OF_GDAL else valid
    row, col = np.mgrid[0:SIDE:17, 0:SIDE:19].reshape(2, -1)
    codes = codes_at(path, (col + 0.5) * STEP, 3 - (row + 0.5) * STEP, legend="worldcover")
    expected = np.where(masks, classes.astype(int), NO_CLASS)[row, col]
    assert codes == expected.tolist()
    assert (masks == valid).all()


@pytest.mark.parametrize("resolution_m", [1.0, 2300.0], ids=["full resolution", "overview"])
@pytest.mark.parametrize("kind", KINDS)
def test_masked_pixels_are_not_counted(tmp_path, classes, valid, kind, resolution_m):
    path = tmp_path / "a.tif"
    kind(path, classes, valid)
    plain = tmp_path / "plain.tif"
    write_map(plain, np.where(valid, classes, 0).astype(np.uint8), nodata=0, **LAYOUT)
    for each in (path, plain):
        with rasterio.open(each, "r+") as target:
            target.build_overviews([2, 4], Resampling.nearest)

    found, expected = (
        described(each, legend="worldcover").counts_in(CELLS, resolution_m=resolution_m)
        for each in (path, plain)
    )

    assert found.note is None
    assert found.factor == (4 if resolution_m > 1 else 1)
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_array_equal(found.majority(), expected.majority())
    assert NO_CLASS in found.majority()
    # Of a cell that is masked in part, the mask takes pixels away.
    assert 0.4 < found.counts.sum() * found.factor**2 * STEP**2 / (2.9**2) < 0.8


def test_the_mask_of_tiles_counts_too(tmp_path, classes, valid):
    from minortom.maps.tiled_map import TileMap

    whole = tmp_path / "tiles" / "cover_N00E000.tif"
    whole.parent.mkdir()
    inside(whole, classes, valid)
    one = described(whole, legend="worldcover")
    tiles = described(TileMap.of_folder(whole.parent), legend="worldcover")
    np.testing.assert_array_equal(
        tiles.counts_in(CELLS, resolution_m=1).counts, one.counts_in(CELLS, resolution_m=1).counts
    )
    points = CELLS.centres()
    np.testing.assert_array_equal(tiles.codes_at(*points), one.codes_at(*points))
    assert NO_CLASS in one.codes_at(*points)


def test_a_mask_beside_the_map_is_part_of_its_hash(tmp_path, classes, valid):
    path = tmp_path / "a.tif"
    beside(path, classes, valid)
    first = described(path, legend="worldcover").hash_for(CELLS)
    beside(path, classes, ~valid)
    assert described(path, legend="worldcover").hash_for(CELLS) != first


def aux(band, dataset=""):
    return f'<PAMDataset>{dataset}<PAMRasterBand band="1">{band}</PAMRasterBand></PAMDataset>'


STATISTICS = '<Metadata><MDI key="STATISTICS_MEAN">10</MDI></Metadata>'
NODATA_VALUES = '<Metadata><MDI key="NODATA_VALUES">10</MDI></Metadata>'


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (aux(STATISTICS), False),
        (aux("<Scale>0.5</Scale>"), False),  # classes are whole numbers as stored
        (aux("<NoDataValue>10</NoDataValue>"), True),
        (aux(STATISTICS, NODATA_VALUES), True),
        (aux("<ColorInterp>Alpha</ColorInterp>"), True),
        (aux(STATISTICS, "<SRS>EPSG:4258</SRS>"), True),
    ],
)
def test_statistics_beside_a_map_are_not_part_of_its_hash_but_nodata_is(tmp_path, text, counts):
    path = write_map(tmp_path / "a.tif", np.uint8([[10, 200]]), west=0, step=1)
    plain = described(path, legend="worldcover").hash_for(CELLS)
    path.with_name("a.tif.aux.xml").write_text(text)
    assert (described(path, legend="worldcover").hash_for(CELLS) != plain) is counts
