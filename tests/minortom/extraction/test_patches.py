"""Tiles to patches: cut, dropped and converted as arithmetic predicts."""

import numpy as np
import pyarrow.parquet as pq
import pyproj
import pytest
from affine import Affine
from archive_maker import (
    EPSG,
    NORTH_M,
    WEST_M,
    geotiff,
    s1_geotiffs,
    s1_pixels,
    s2_pixels,
)
from patch_maker import NEW, cut, places
from rasterio.io import MemoryFile

from minortom.errors import ArchiveError
from minortom.extraction.options import ExportOptions
from minortom.extraction.patches import cut_tile


def test_a_valid_tile_is_cut_row_by_row_without_a_change():
    s2, s1 = s2_pixels(), s1_pixels()
    patches = cut(s2, s1)
    assert places(patches) == [(row, col) for row in range(4) for col in range(4)]
    for number, (row, col) in enumerate(places(patches)):
        fine = np.s_[12 * row : 12 * row + 12, 12 * col : 12 * col + 12]
        coarse = np.s_[6 * row : 6 * row + 6, 6 * col : 6 * col + 6]
        for band, name in enumerate(("B02", "B03", "B04", "B08")):
            np.testing.assert_array_equal(patches.tensors["s2_10m"][number, band], s2[name][fine])
        for band, name in enumerate(("B05", "B06", "B07", "B8A", "B11", "B12")):
            np.testing.assert_array_equal(patches.tensors["s2_20m"][number, band], s2[name][coarse])
        for band, name in enumerate(("vv", "vh")):
            wanted = np.round(1000 * np.log10(s1[name][fine].astype(float)))
            np.testing.assert_array_equal(patches.tensors["s1"][number, band], wanted)


def test_margins_around_the_block_are_left_out():
    patches = cut(s2_pixels(60), s1_pixels(60), patch_px=16)
    # 3 × 3 patches of 16 px in 60 px: a margin of 6 px.
    np.testing.assert_array_equal(patches.tensors["s2_10m"][0, 0], s2_pixels(60)["B02"][6:22, 6:22])
    np.testing.assert_array_equal(
        patches.tensors["s2_20m"][8, 5], s2_pixels(60)["B12"][19:27, 19:27]
    )


def test_a_stripe_without_data_takes_its_column_of_patches():
    s2 = s2_pixels()
    s2["B08"][:, 24] = 0
    patches = cut(s2)
    assert places(patches) == [(row, col) for row in range(4) for col in (0, 1, 3)]
    assert patches.num_dropped == 4


def test_one_invalid_pixel_of_20_m_takes_its_patch():
    s2 = s2_pixels()
    s2["B11"][23, 0] = 0  # row 3 of patches, column 0
    assert places(cut(s2)) == [(r, c) for r in range(4) for c in range(4) if (r, c) != (3, 0)]


@pytest.mark.parametrize("bad", [np.nan, -32768.0, 0.0, -0.1, np.inf, -np.inf])
def test_one_invalid_pixel_of_radar_takes_its_patch(bad):
    s1 = s1_pixels()
    s1["vh"][11, 12] = bad  # row 0 of patches, column 1
    assert places(cut(s1=s1)) == [(r, c) for r in range(4) for c in range(4) if (r, c) != (0, 1)]


def test_the_nodata_tags_of_files_are_honoured():
    s2, s1 = s2_pixels(), s1_pixels()
    s2["B02"][0, 0], s1["vv"][47, 47] = 7, 9.0
    s2 |= {"B02": geotiff(s2["B02"], nodata=7)}
    s1 |= {"vv": geotiff(s1["vv"], nodata=9)}
    assert [place not in places(cut(s2, s1)) for place in ((0, 0), (3, 3))] == [True, True]
    assert cut(s2, s1).num_dropped == 2


def test_a_black_tile_has_no_patches():
    patches = cut({name: band * 0 for name, band in s2_pixels().items()})
    assert places(patches) == []
    assert patches.num_dropped == 16
    assert patches.tensors["s1"].shape == (0, 2, 12, 12)


def test_the_offset_is_subtracted_from_all_bands_of_a_tile_and_recorded():
    old, new = cut(), cut(product=NEW)
    assert (old.s2_offset, new.s2_offset) == (0, 1000)
    for column in ("s2_10m", "s2_20m"):
        np.testing.assert_array_equal(new.tensors[column] + 1000, old.tensors[column])
    np.testing.assert_array_equal(new.tensors["s1"], old.tensors["s1"])


def test_nothing_is_subtracted_without_a_baseline_and_that_is_recorded():
    unknown = cut(product="TerraMesh:1")
    assert (unknown.s2_offset, unknown.baseline_known, unknown.offset_doubtful) == (0, False, True)
    np.testing.assert_array_equal(unknown.tensors["s2_10m"], cut().tensors["s2_10m"])
    assert (cut().baseline_known, cut().offset_doubtful) == (True, False)


def test_radar_with_one_more_column_on_the_same_grid_is_read_as_it_is():
    wide = {name: np.pad(band, ((0, 0), (0, 1)), constant_values=1) for name, band in
            s1_pixels().items()}  # fmt: skip
    patches = cut(s1=wide)
    assert not patches.s1_warped
    np.testing.assert_array_equal(patches.tensors["s1"], cut().tensors["s1"])


def test_radar_that_ends_early_loses_the_patches_it_does_not_cover():
    short = {name: band[:30] for name, band in s1_pixels().items()}
    patches = cut(s1=short)
    assert places(patches) == [(row, col) for row in range(2) for col in range(4)]
    np.testing.assert_array_equal(patches.tensors["s1"], cut().tensors["s1"][:8])


def test_each_patch_knows_where_it_lies():
    patches = cut(s2_pixels(60), s1_pixels(60), patch_px=16)
    number = places(patches).index((2, 1))
    # A margin of 6 px, then two patches of 16 px down and one to the right.
    assert patches.ulx_m[number] == WEST_M + 60 + 160
    assert patches.uly_m[number] == NORTH_M - 60 - 320
    assert patches.epsg == EPSG
    utm = pyproj.Proj(proj="utm", zone=31, ellps="WGS84")
    lon, lat = utm(WEST_M + 220 + 80, NORTH_M - 380 - 80, inverse=True)
    assert patches.lon_deg[number] == pytest.approx(lon, abs=1e-9)
    assert patches.lat_deg[number] == pytest.approx(lat, abs=1e-9)


PLACED = "B02 must have a projection with an EPSG code and square pixels with north up, found CRS"
INT16 = "B08 must be uint16 on .*, found int16 on"
GRID = "{} must be uint16 on .*, found uint16 on"


def rotated(pixels):
    return geotiff(pixels, transform=Affine(9, 4, WEST_M, 4, -9, NORTH_M))


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("B02", lambda _: b"", "B02 must be a GeoTIFF, found no bytes"),
        ("B03", lambda _: b"no image at all", "B03 is not a readable GeoTIFF"),
        ("vv", lambda band: geotiff(band)[:900], "vv is not a readable GeoTIFF"),
        ("B04", lambda band: geotiff(np.stack([band, band])), "B04 must have one band, found 2"),
        (
            "B08",
            lambda band: geotiff(band.astype("int16")),
            INT16,
        ),
        (
            "B08",
            lambda band: geotiff(band, west_m=WEST_M + 10),
            GRID.format("B08"),
        ),
        (
            "B05",
            lambda band: geotiff(band, pixel_m=10.0),
            GRID.format("B05"),
        ),
        (
            "B05",
            lambda band: geotiff(band[:-2], pixel_m=20.0),
            "B05 .* 24 × 24 px, found 22 × 24",
        ),
        ("B02", rotated, PLACED),
        (
            "B02",
            lambda band: geotiff(band, crs=None),
            PLACED,
        ),
        (
            "B02",
            lambda band: geotiff(band, epsg=4326),
            PLACED,
        ),
        (
            "B02",
            lambda band: geotiff(band, pixel_m=7.5),
            "B02 .* pixels of 10 m, found 7.5 m",
        ),
        (
            "vh",
            lambda band: geotiff(band, crs=None, transform=None),
            "vh is not a readable",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_band_that_is_not_as_it_should_be_is_named(name, damage, message):
    s2, s1 = s2_pixels(), s1_pixels()
    bands = s2 if name in s2 else s1
    bands[name] = damage(bands[name])
    with pytest.raises(ArchiveError, match=message):
        cut(s2, s1)


def test_a_tile_smaller_than_a_patch_says_so():
    with pytest.raises(ArchiveError, match="must hold a patch of 120 px, found only 48 × 48 px"):
        cut(patch_px=120)


@pytest.mark.parametrize(("row", "offset"), [(0, 1000), (1, 0)])
def test_a_real_full_tile_gives_64_patches_from_pixel_54(real_data, row, offset):
    path = real_data / "majortom-sample" / "Core-S2L2A" / "images" / "part_00001.parquet"
    [tile] = pq.ParquetFile(path).read_row_group(row).to_pylist()
    with MemoryFile(tile["B02"]) as file, file.open() as dataset:
        epsg, corner, b02 = dataset.crs.to_epsg(), dataset.xy(0, 0, offset="ul"), dataset.read(1)
    with MemoryFile(tile["B12"]) as file, file.open() as dataset:
        b12 = dataset.read(1)
    power = np.full((1068, 1068), 0.1, np.float32)
    s1 = s1_geotiffs({"vv": power, "vh": power}, epsg=epsg, west_m=corner[0], north_m=corner[1])
    options = ExportOptions(patch_px=120)
    patches = cut_tile(tile, s1, options=options, s2_product_id=tile["product_id"])
    assert patches.s2_offset == offset
    assert not patches.offset_doubtful
    assert not patches.s1_warped
    assert (patches.tensors["s1"] == -1000).all()
    assert len(places(patches)) == 64
    for number, (down, right) in enumerate(places(patches)):
        top, left = 54 + 120 * down, 54 + 120 * right
        fine = b02[top : top + 120, left : left + 120].astype(int)
        coarse = b12[top // 2 : top // 2 + 60, left // 2 : left // 2 + 60].astype(int)
        wanted = np.maximum(fine - offset, 1)
        np.testing.assert_array_equal(patches.tensors["s2_10m"][number, 0], wanted)
        wanted = np.maximum(coarse - offset, 1)
        np.testing.assert_array_equal(patches.tensors["s2_20m"][number, 5], wanted)
