"""The synthetic planet's noise, pixels and tiles: windows, georeference, offsets, faults."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyproj import Transformer
from rasterio.io import MemoryFile

from minortom.grid.cells import cells_from_names
from minortom.synthetic.maps import LANDCOVER_CODES
from minortom.synthetic.noise import Window, layered, smooth, uniform, white
from minortom.synthetic.scene import S2_BANDS, Scene, class_map, render
from minortom.synthetic.tiles import make_tile, place_of

WHOLE = Window(row=0, col=0, height=1068, width=1068)


@pytest.fixture(scope="module")
def scene():
    return Scene(seed=0, cell="487U_300R", climate_code=15, landcover_code=40)


def pixels_of(data):
    with MemoryFile(data) as memory, memory.open() as file:
        return file.read(1), file.profile


# Noise


def test_white_noise_has_mean_zero_and_deviation_one():
    values = white(7, Window(row=0, col=0, height=600, width=600))

    assert abs(values.mean()) < 0.01
    assert values.std() == pytest.approx(1, abs=0.01)


def test_neighbours_in_white_noise_and_noises_of_two_keys_are_unrelated():
    window = Window(row=0, col=0, height=400, width=400)
    values, others = white(7, window), white(8, window)

    for left, right in (
        (values[1:], values[:-1]),
        (values[:, 1:], values[:, :-1]),
        (values, others),
    ):
        assert abs(np.corrcoef(left.ravel(), right.ravel())[0, 1]) < 0.01


def test_smooth_noise_is_smooth_at_its_period_and_unrelated_far_beyond():
    values = smooth(7, Window(row=0, col=0, height=800, width=800), 10)
    near, far = (np.corrcoef(values[n:].ravel(), values[:-n].ravel())[0, 1] for n in (2, 60))

    assert values.std() == pytest.approx(1, abs=0.05)
    assert near > 0.9
    assert abs(far) < 0.1


def test_uniform_noise_fills_each_tenth_of_zero_to_one_evenly():
    values = uniform(7, np.arange(300)[:, None], np.arange(300)[None, :])

    assert np.histogram(values, 10, (0, 1))[0] == pytest.approx(np.full(10, 9000), abs=400)


def test_a_window_of_noise_is_cut_from_the_whole():
    part = Window(row=300, col=-40, height=50, width=70)
    whole = layered(7, Window(row=0, col=-100, height=400, width=200), 33.3, 3)

    np.testing.assert_array_equal(layered(7, part, 33.3, 3), whole[300:350, 60:130])


# Pixels


@pytest.mark.parametrize("code", LANDCOVER_CODES)
def test_a_window_has_the_pixels_of_the_whole_tile(code):
    scene = Scene(seed=0, cell="0U_0R", climate_code=14, landcover_code=code)
    whole = render(scene, Window(row=0, col=0, height=240, width=360))
    part = render(scene, Window(row=60, col=126, height=120, width=120))

    for band, resolution_m in S2_BANDS.items():
        f = resolution_m // 10
        cut = whole.reflectance[band][60 // f : 180 // f, 126 // f : 246 // f]
        np.testing.assert_array_equal(part.reflectance[band], cut)
    for name, values in part.backscatter.items():
        np.testing.assert_array_equal(values, whole.backscatter[name][60:180, 126:246])


def test_the_tile_s_class_covers_its_middle_and_most_of_it():
    shares = []
    for number in range(12):
        scene = Scene(seed=0, cell=f"{number}U_0R", climate_code=14, landcover_code=30)
        codes = class_map(scene, WHOLE)
        assert (codes[504:564, 504:564] == 30).all()
        shares.append(np.mean(codes == 30))

    assert 0.75 < np.mean(shares) < 0.98
    assert min(shares) < 0.95  # other classes show


def test_pixels_are_plausible_reflectance_and_backscatter(scene):
    pixels = render(scene, Window(row=0, col=0, height=240, width=240))

    for values in pixels.reflectance.values():
        assert 0 < values.mean() < 1
        assert (values > -0.02).all()
    vv, vh = (10 * np.log10(pixels.backscatter[name].mean()) for name in ("vv", "vh"))
    assert -25 < vv < 5
    assert vh < vv


def test_speckle_multiplies_as_four_looks_do():
    scene = Scene(seed=0, cell="0U_0R", climate_code=14, landcover_code=80)
    window = Window(row=504, col=504, height=60, width=60)
    power = render(scene, window).backscatter["vv"]
    blocks = power.reshape(6, 10, 6, 10).swapaxes(1, 2).reshape(36, 100)
    spread = blocks.std(axis=1) / blocks.mean(axis=1)

    assert np.median(spread) == pytest.approx(4.4**-0.5, rel=0.15)


# Tiles


def test_a_tile_lies_340_m_beyond_its_cell_s_corner_and_is_10680_m_wide():
    place = place_of("487U_300R")
    west, south, _, _ = cells_from_names(["487U_300R"]).bounds_deg()
    to_utm = Transformer.from_crs("EPSG:4326", f"EPSG:{place.epsg}", always_xy=True)
    x_m, y_m = to_utm.transform(west[0], south[0])

    assert place.west_m == pytest.approx(x_m - 340)
    assert place.north_m == pytest.approx(y_m - 340 + 10_680)


def test_a_tile_agrees_with_a_real_one_in_georeference_and_sampling(real_data):
    part = pq.ParquetFile(real_data / "majortom-sample/Core-S2L2A/images/part_00001.parquet")
    real = part.read_row_group(0).to_pylist()[0]
    scene = Scene(seed=0, cell=real["grid_cell"], climate_code=1, landcover_code=10)
    ours = make_tile(scene).s2

    for band in (*S2_BANDS, "cloud_mask"):
        profile, expected = pixels_of(ours[band])[1], pixels_of(real[band])[1]
        for key in ("crs", "width", "height", "dtype", "nodata", "compress"):
            assert profile[key] == expected[key], (band, key)
        np.testing.assert_allclose(profile["transform"], expected["transform"], atol=0.01)


@pytest.mark.parametrize(("cell", "offset"), [("0U_0R", 1000), ("0U_5R", 0)])
def test_only_newer_baselines_carry_the_offset(cell, offset):
    scene = Scene(seed=0, cell=cell, climate_code=15, landcover_code=40)
    tile, pixels = make_tile(scene), render(scene, WHOLE)
    baseline = tile.s2["product_id"].split("_")[3]
    counts, _ = pixels_of(tile.s2["B08"])
    expected = np.rint(pixels.reflectance["B08"] * 1e4) + offset

    assert (baseline in ("N0400", "N0509", "N0510")) == (offset == 1000)
    np.testing.assert_array_equal(counts, expected.clip(1, 65535).astype(np.uint16))


def test_faults_are_those_of_the_archive(scene):
    edge = make_tile(scene, fault="s2-edge")
    counts, _ = pixels_of(edge.s2["B02"])
    assert 0.1 < edge.s2_metadata["nodata"] < 0.8
    assert np.mean(counts == 0) == pytest.approx(edge.s2_metadata["nodata"])
    assert np.mean(pixels_of(edge.s2["B01"])[0] == 0) == pytest.approx(edge.s2_metadata["nodata"])

    power, profile = pixels_of(make_tile(scene, fault="s1-edge").s1["vv"])
    assert profile["nodata"] == -32768
    assert 0.1 < np.mean(power == -32768) < 0.8
    assert (power[power != -32768] > 0).all()

    assert not pixels_of(make_tile(scene, fault="s2-black").s2["B12"])[0].any()
    assert make_tile(scene, fault="no-s1").s1 is None
