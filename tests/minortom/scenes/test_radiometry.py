"""One rule for the values of scenes and images, compared with GDAL and with arithmetic."""

import numpy as np
import pytest
import rasterio
from geotiff_maker import tiff

from minortom.errors import InputError
from minortom.scenes.image_reader import ImageReader
from minortom.scenes.radiometry import parse_offset
from minortom.scenes.scene import open_scene

NAMES = {"s2": ("B02", "B03", "B04"), "s1": ("VV", "VH")}
NEW = "S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419"
OLD = NEW.replace("N0400", "N0214")


@pytest.fixture
def s2():
    """Return reflectance × 10,000 without offset, with dark pixels."""
    draws = np.random.default_rng(0).gamma(3, 400, (3, 20, 30))
    return np.rint(draws + 20).astype(np.float32)


@pytest.fixture
def s1():
    rng = np.random.default_rng(1)
    return np.stack([rng.normal(-8, 1, (20, 30)), rng.normal(-14, 1, (20, 30))]).astype(np.float32)


def of_image(path, sensor="s2", **options):
    """Return values and mask of an image, as labelled folders and searches read it."""
    found = ImageReader(**options).read({"file": path})[sensor]
    return found.values, found.valid


def of_scene(path, sensor="s2", **options):
    """Return values and mask of the whole scene, read in two parts."""
    with open_scene(path, **options) as scene:
        scene.radiometry.report()
        channels = range(len(scene.bands[sensor]))
        parts = [
            scene.read(sensor, channels, row_px=top, height_px=height)
            for top, height in ((0, 7), (7, scene.height_px - 7))
        ]
    return tuple(np.concatenate(some, axis=1) for some in zip(*parts, strict=True))


both_paths = pytest.mark.parametrize("read", [of_image, of_scene])


def unscaled_by_gdal(path, tmp_path, *, scale, offset):
    """Return the values of a file as GDAL computes them in a virtual raster."""
    bands = "".join(
        f'<VRTRasterBand dataType="Float32" band="{n}"><ComplexSource>'
        f"<SourceFilename>{path}</SourceFilename><SourceBand>{n}</SourceBand>"
        f"<ScaleOffset>{offset}</ScaleOffset><ScaleRatio>{scale}</ScaleRatio>"
        "</ComplexSource></VRTRasterBand>"
        for n in (1, 2, 3)
    )
    (tmp_path / "gdal.vrt").write_text(
        f'<VRTDataset rasterXSize="30" rasterYSize="20">{bands}</VRTDataset>'
    )
    with rasterio.open(tmp_path / "gdal.vrt") as file:
        return file.read()


@both_paths
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_scale_and_offset_tags_are_applied_as_gdal_does(tmp_path, s2, read):
    path = tiff(
        tmp_path / f"{NEW}.tif", s2 + 1000, names=NAMES["s2"], dtype="uint16",
        scales=(1e-4,) * 3, offsets=(-0.1,) * 3,
    )  # fmt: skip
    wanted = 10_000 * unscaled_by_gdal(path, tmp_path, scale=1e-4, offset=-0.1)
    np.testing.assert_allclose(read(path)[0], wanted, atol=0.01)
    np.testing.assert_allclose(read(path)[0], s2, atol=0.01)


@both_paths
@pytest.mark.parametrize(
    ("name", "option", "offset", "said"),
    [
        (NEW, "auto", 1000, "subtracted the offset 1000"),
        (OLD, "auto", 0, ""),
        ("scene", "auto", 0, "give --s2-offset 1000"),
        ("scene", 1000.0, 1000, ""),
        (NEW, 0.0, 0, ""),
    ],
)
def test_the_offset_follows_from_the_name_or_the_user(
    tmp_path, s2, read, name, option, offset, said, caplog
):
    path = tiff(tmp_path / name / "a.tif", s2 + 1000, names=NAMES["s2"])
    np.testing.assert_array_equal(read(path, s2_offset=option)[0], s2 + 1000 - offset)
    assert said in caplog.text
    assert bool(said) == bool(caplog.text)


@both_paths
def test_values_that_contradict_the_name_keep_what_they_are(tmp_path, s2, read, caplog):
    path = tiff(tmp_path / f"{NEW}.tif", s2, names=NAMES["s2"])
    np.testing.assert_array_equal(read(path)[0], s2)
    assert "subtracted already" in caplog.text


@both_paths
@pytest.mark.parametrize("fill", [0, 65535, -9999, np.nan])
def test_a_border_without_a_nodata_tag_was_not_measured(tmp_path, s2, read, fill):
    inner = np.zeros(s2.shape, bool)
    inner[:, 3:, 5:] = True
    values, valid = read(tiff(tmp_path / "a.tif", np.where(inner, s2, fill), names=NAMES["s2"]))
    np.testing.assert_array_equal(valid, inner)
    np.testing.assert_array_equal(values[inner], s2[inner])
    path = tiff(tmp_path / "b.tif", np.where(inner, s2, fill), names=NAMES["s2"])
    filled = ImageReader()({"file": path})["s2"][1]
    np.testing.assert_allclose(filled.mean((1, 2)), s2[:, 3:, 5:].mean((1, 2)), rtol=1e-5)


@both_paths
@pytest.mark.parametrize("unit", ["dB", "power"])
def test_zero_of_sentinel_1_was_not_measured(tmp_path, s1, read, unit):
    stored = s1.copy() if unit == "dB" else 10 ** (s1 / 10)
    stored[:, :4] = 0
    values, valid = read(tiff(tmp_path / "a.tif", stored, names=NAMES["s1"]), "s1")
    assert not valid[:, :4].any()
    assert valid[:, 4:].all()
    np.testing.assert_allclose(values[:, 4:], s1[:, 4:], atol=1e-4)


@both_paths
@pytest.mark.parametrize(("divisor", "unit"), [(1e4, "from 0 to 1"), (100, "in percent")])
def test_other_units_of_reflectance_are_converted_with_a_note(
    tmp_path, s2, read, divisor, unit, caplog
):
    stored = s2 / divisor
    stored[:, 10, 10] = 7 * stored.max()  # one bright pixel
    path = tiff(tmp_path / "a.tif", stored, names=NAMES["s2"])
    values, _ = read(path)
    expected = s2.copy()
    expected[:, 10, 10] = stored[:, 10, 10] * divisor
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    assert f"reflectance {unit}" in caplog.text


@both_paths
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.random.default_rng(0).integers(0, 256, (3, 20, 30)), "picture of 8 bits"),
        (np.random.default_rng(0).normal(size=(3, 20, 30)), "normalised already"),
    ],
)
def test_a_unit_that_is_not_clear_is_one_line(tmp_path, read, values, message):
    path = tiff(tmp_path / "a.tif", values.astype(np.float32), names=NAMES["s2"])
    with pytest.raises(InputError, match=f"expected reflectance × 10,000 .*{message}.*a.tif"):
        read(path)


def test_an_image_in_another_unit_than_the_folder_is_one_line(tmp_path, s2):
    files = [
        {"file": tiff(tmp_path / f"{n}.tif", s2 / divisor, names=NAMES["s2"])}
        for n, divisor in enumerate([1] * 5 + [10_000])
    ]
    reader = ImageReader().fitted(files, tmp_path)
    np.testing.assert_array_equal(reader(files[0])["s2"][1], s2)
    with pytest.raises(InputError, match=r"found reflectance from 0 to 1 in .*5\.tif"):
        reader(files[5])


def test_a_folder_is_converted_alike_and_records_it(tmp_path, s2, caplog):
    files = [
        {"file": tiff(tmp_path / f"{n}.tif", s2[:, :, :side] / 1e4, names=NAMES["s2"])}
        for n, side in enumerate((30, 20, 10))
    ]
    reader = ImageReader(s2_offset=100.0).fitted(files, tmp_path)
    assert reader.record == {"s2_unit": "reflectance from 0 to 1", "s2_offset": 100.0}
    reader.report()
    assert len(caplog.records) == 1
    for files_of_one in files:
        (found,) = [pixels for _, pixels in reader(files_of_one).values()]
        wanted = np.maximum(s2[:, :, : found.shape[2]] - 100, 1)
        np.testing.assert_allclose(found, wanted, rtol=1e-4)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("given", ["1,000", -1, 20_000, "", True, None])
def test_an_offset_that_is_no_number_is_one_line(given):
    with pytest.raises(InputError, match="--s2-offset must be auto, or the offset"):
        parse_offset(given)


def test_an_offset_is_a_number_or_auto():
    assert [parse_offset(given) for given in ("auto", "1000", 0)] == ["auto", 1000.0, 0.0]


@both_paths
def test_skipped_and_unused_bands_are_left_out(tmp_path, s2, s1, read, caplog):
    stored = np.concatenate([s2[:1], s1, 40 + 0 * s1[:1]])
    path = tiff(tmp_path / "a.tif", stored, names=("B01", "VV", "Gamma0_VH_db", "angle"))
    np.testing.assert_array_equal(read(path, "s1")[0], s1)
    assert "left out B01, angle, which the model does not use" in caplog.text
    unnamed = tiff(tmp_path / "b.tif", stored)
    found = read(unnamed, "s1", s2_bands=("-",), s1_bands=("vv", "vh", "-"))[0]
    np.testing.assert_array_equal(found, s1)


@both_paths
def test_a_file_without_a_band_of_the_model_is_one_line(tmp_path, s1, read):
    path = tiff(tmp_path / "a.tif", s1, names=("angle", "foo"))
    with pytest.raises(InputError, match=r"bands of s2 or s1 in .*a.tif, found angle, foo"):
        read(path)
