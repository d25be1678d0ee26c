"""Images whose bands are separate files, compared with NumPy and with GDAL's own reader."""

import json
import shutil
import zipfile

import numpy as np
import pytest
import rasterio
from band_file_maker import band_folder, band_tiff, native_bands, safe, stac_item, upsampled
from geotiff_maker import tiff

from minortom.errors import InputError
from minortom.scenes.image_reader import ImageReader
from minortom.scenes.scene import open_scene
from minortom.sensors import MODEL_BANDS

NAMES = {
    "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1", "B06": "rededge2",
    "B07": "rededge3", "B08": "nir", "B8A": "nir08", "B09": "nir09", "B01": "coastal",
    "B11": "swir16", "B12": "swir22",
}  # fmt: skip


def read(path):
    """Return the bands of an image in the order of the model."""
    names, pixels = ImageReader()({"file": path})["s2"]
    return pixels[[names.index(name) for name in MODEL_BANDS["s2"]]]


@pytest.fixture
def bands():
    return native_bands()


@pytest.fixture
def wanted(bands):
    return upsampled(bands, MODEL_BANDS["s2"])


@pytest.mark.parametrize("prefix", ["", "S2A_MSIL2A_20170613T101031_87_48_"])
def test_a_folder_with_a_file_for_each_band_is_one_image(tmp_path, bands, wanted, prefix, caplog):
    path = band_folder(tmp_path / "patch", bands, prefix=prefix)
    np.testing.assert_array_equal(read(path), wanted)
    assert "left out B01, B09" in caplog.text
    with open_scene(path) as scene:
        assert (scene.height_px, scene.width_px, scene.pixel_m) == (60, 60, 10.0)
        assert {file.parent for file in scene.files} == {path}


def test_bands_without_georeference_are_laid_over_each_other(tmp_path, bands, wanted):
    for name, pixels in bands.items():
        tiff(tmp_path / "a" / f"{name}.tif", pixels[None], transform=None, dtype="uint16")
    np.testing.assert_array_equal(read(tmp_path / "a"), wanted)


@pytest.mark.parametrize("level", ["2A", "1C"])
@pytest.mark.parametrize(("baseline", "offset"), [("0510", -1000), ("0209", 0), ("9999", 0)])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_product_has_the_offset_of_its_metadata(
    tmp_path, bands, wanted, level, baseline, offset, zipped, caplog
):
    path = safe(tmp_path, bands, level=level, baseline=baseline, offset=offset)
    if zipped:
        shutil.make_archive(str(path), "zip", tmp_path, path.name)
        shutil.rmtree(path)
        path = path.with_name(f"{path.name}.zip")
    np.testing.assert_array_equal(read(path), wanted)
    assert ("top of the atmosphere" in caplog.text) == (level == "1C")


def test_a_renamed_product_is_read_by_its_metadata_alone(tmp_path, bands, wanted):
    path = safe(tmp_path, bands).rename(tmp_path / "mine.SAFE")
    np.testing.assert_array_equal(read(path), wanted)


def test_zeros_of_a_product_were_not_measured(tmp_path, bands):
    for pixels in bands.values():
        pixels[:, : len(pixels) // 2] = 0
    with open_scene(safe(tmp_path, bands)) as scene:
        values, valid = scene.read("s2", range(10), row_px=0, height_px=60)
    assert not valid[:, :, :30].any()
    assert valid[:, :, 30:].all()
    assert values[:, :, 30:].min() >= 20


def test_coarse_bands_are_where_gdal_puts_them(tmp_path, bands):
    path = safe(tmp_path, bands)
    with open_scene(path) as scene:
        number = scene.bands["s2"].index("B11")
        values, _ = scene.read("s2", [number], row_px=0, height_px=60)
        transform = scene.transform
    [file] = path.glob("GRANULE/*/IMG_DATA/R20m/*_B11_20m.jp2")
    with rasterio.open(file) as source:
        rows, columns = np.mgrid[0:60, 0:60]
        x = transform[2] + 10 * (columns + 0.5)
        y = transform[5] - 10 * (rows + 0.5)
        at_points = [value[0] for value in source.sample(zip(x.ravel(), y.ravel(), strict=True))]
    np.testing.assert_array_equal(values[0].ravel() + 1000, at_points)


@pytest.mark.parametrize(
    ("described", "properties", "stored"),
    [
        ({}, {}, 0),
        ({"raster:bands": [{"scale": 1e-4, "offset": -0.1}]}, {}, 1000),
        ({"bands": [{"raster:scale": 1e-4, "raster:offset": -0.1}]}, {}, 1000),
        ({}, {"s2:product_uri": "S2A_MSIL2A_20230706T085611_N0510_R007_T33NZA.SAFE"}, 1000),
        (
            {"raster:bands": [{"scale": 1e-4, "offset": -0.1}]},
            {"earthsearch:boa_offset_applied": True}, 0,
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("names", [str, NAMES.get])
def test_a_stac_item_is_one_image(tmp_path, bands, wanted, described, properties, stored, names):
    raised = {name: pixels + np.uint16(stored) for name, pixels in bands.items()}
    path = stac_item(
        tmp_path / "item.json", raised, described=described, properties=properties, names=names
    )
    np.testing.assert_allclose(read(path), wanted, atol=0.01)


def change_item(path, change):
    item = json.loads(path.read_text())
    change(item)
    path.write_text(json.dumps(item))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda item: item.pop("assets"), "expected a STAC item with assets in .*found type"),
        (
            lambda item: item.update(assets={"data": {"href": "a.tif"}}),
            "expected assets of Sentinel-2 or Sentinel-1 bands in .*, found data",
        ),
        (
            lambda item: item["assets"]["B02"].update(href="https://x.org/a.tif?token=SECRET"),
            "on this machine, found https://x.org/a.tif for the asset B02",
        ),
        (
            lambda item: item["assets"]["B02"].update(href="gone.tif"),
            "expected the file of the asset B02 of .*, found no .*gone.tif",
        ),
        (lambda item: item["assets"].update(B02=["a.tif"]), "assets.B02 must be keys and values"),
        (lambda item: item["assets"]["B02"].update(href=7), "assets.B02.href must be text"),
        (lambda item: item.update(properties=[1]), "properties must be keys and values"),
        (
            lambda item: item["assets"]["B02"].update({"raster:bands": [{"scale": "x"}]}),
            r"assets.B02.raster:bands\[0\].scale must be a number, found 'x'",
        ),
        (
            lambda item: item["assets"]["B02"].update({"eo:bands": "B02"}),
            "assets.B02.eo:bands must be a list",
        ),
    ],
)
def test_an_item_without_files_is_one_line(tmp_path, bands, change, message):
    path = change_item(stac_item(tmp_path / "item.json", bands), change)
    with pytest.raises(InputError, match=message) as error:
        read(path)
    assert "SECRET" not in str(error.value)


def test_a_folder_or_zip_without_bands_is_one_line(tmp_path, bands):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"one file for each band in .*, found no raster"):
        read(empty)
    tiff(tmp_path / "other" / "picture.tif", np.ones((1, 4, 4)))
    with pytest.raises(InputError, match=r"one file for each band in .*, found picture.tif"):
        read(tmp_path / "other")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(InputError, match=r"MTD_MSIL2A.xml, found no such file among the 1"):
        read(tmp_path / "a.zip")
    (tmp_path / "b.zip").write_text("no zip")
    with pytest.raises(InputError, match=r"expected a zip of a Sentinel-2 product, cannot read"):
        read(tmp_path / "b.zip")
    path = safe(tmp_path, bands)
    shutil.rmtree(path / "GRANULE")
    with pytest.raises(InputError, match=r"expected images of one tile in .*, found none"):
        read(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('band_id="3"', 'band_id="99"', "IndexError"),
        ('band_id="3"', 'band_id="x"', "ValueError.*'x'"),
        ('band_id="3"', "", "KeyError"),
        (">10000<", ">many<", "ValueError.*'many'"),
        (">-1000<", ">none<", "ValueError.*'none'"),
    ],
)
def test_damaged_metadata_of_a_product_are_one_line(tmp_path, bands, old, new, message):
    path = safe(tmp_path, bands)
    [metadata] = path.glob("MTD*.xml")
    metadata.write_text(metadata.read_text().replace(old, new))
    expected = f"expected numbers as offsets and quantification .* in MTD_MSIL2A.xml .*{message}"
    with pytest.raises(InputError, match=expected):
        read(path)


@pytest.mark.parametrize("damage", ["encrypted", "corrupt"])
def test_a_damaged_zip_of_a_product_is_one_line(tmp_path, damage):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.SAFE/MTD_MSIL2A.xml", "<a>" + "hello" * 99 + "</a>")
    content = bytearray(path.read_bytes())
    if damage == "encrypted":  # a bit of the flags, in the local header and in the directory
        for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            content[content.index(mark) + place] |= 1
    else:
        start = 30 + len("a.SAFE/MTD_MSIL2A.xml")
        content[start : start + 8] = b"\xff" * 8
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"zip of a Sentinel-2 product, cannot read .*a\.zip"):
        read(path)


def test_files_of_several_images_are_one_line(tmp_path, bands):
    path = band_folder(tmp_path / "patch", bands, prefix="a_")
    band_folder(path, bands, prefix="b_")
    with pytest.raises(InputError, match=r"found a_B01.tif and b_B01.tif for B01"):
        read(path)


@pytest.mark.parametrize(
    ("pixels", "more", "message"),
    [
        ((40, 40), {}, ""),
        ((60, 60), {"crs": "EPSG:32632"}, "the coordinate systems EPSG:32631 and EPSG:32632"),
    ],
)
def test_bands_of_other_places_are_one_line(tmp_path, bands, pixels, more, message):
    path = band_folder(tmp_path / "patch", bands)
    values = np.full(pixels, 500, np.uint16)
    if message:
        band_tiff(path / "B03.tif", values, **more)
    else:
        tiff(path / "B03.tif", values[None], dtype="uint16")
        message = "edges that are 20 pixels apart"
    with pytest.raises(InputError, match=f"expected the same area in all files .*{message}"):
        read(path)
