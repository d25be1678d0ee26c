"""Values of continuous rasters at points, held to rasterio's own sampling and to arithmetic."""

import numpy as np
import pytest
import rasterio
from map_maker import write_map
from points import random_lonlat

from minortom.errors import InputError
from minortom.maps.continuous import ContinuousRaster

LON, LAT = random_lonlat(500, 3)


def values_at(path, band, lon, lat):
    return ContinuousRaster(path=path, band=band).values_at(lon, lat)


def test_values_are_those_that_rasterio_samples_from_the_real_climatology(real_data):
    path = real_data / "descriptors" / "era5_climatology_0p25.tif"
    inside = LON < 179.8  # this file begins at -180.125: the last points lie across its edge
    lon, lat = LON[inside], LAT[inside]
    with rasterio.open(path) as source:
        expected = np.array(list(source.sample(zip(lon, lat, strict=True), indexes=[4])))

    np.testing.assert_array_equal(values_at(path, 4, lon, lat), expected[:, 0])
    across = values_at(path, 1, np.array([180.0, 179.95]), np.array([10.0, 10.0]))
    assert np.isfinite(across).all()


def test_scale_and_offset_are_applied(tmp_path):
    path = write_map(tmp_path / "m.tif", np.arange(8, dtype=np.int16).reshape(2, 4), step=90)
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets = [0.1], [273.15]

    found = values_at(path, None, np.array([-170.0, 100]), np.array([80.0, -80]))
    np.testing.assert_allclose(found, [273.15, 273.85])


def what_is_read(raster):
    values = raster.values_at(np.array([-90.0, 90.0]), np.array([0.0, 0.0]))
    return [*values], raster.unit_and_title()


@pytest.mark.parametrize(
    ("entry", "values", "unit_and_title"),
    [
        (
            '<Metadata><MDI key="STATISTICS_MEAN">10</MDI></Metadata>',
            [10, 200], (None, "band 1"),
        ),
        ("<Scale>0.5</Scale>", [5, 100], (None, "band 1")),
        ("<Offset>3</Offset>", [13, 203], (None, "band 1")),
        ("<UnitType>m</UnitType>", [10, 200], ("m", "band 1")),
        ("<Description>height</Description>", [10, 200], (None, "band 1, height")),
    ],
)  # fmt: skip
def test_entries_beside_a_raster_change_its_hash_if_they_change_its_values_unit_or_title(
    tmp_path, entry, values, unit_and_title
):
    raster = ContinuousRaster(path=write_map(tmp_path / "a.tif", np.uint8([[10, 200]]), step=180))
    first, plain = what_is_read(raster), raster.hash()

    beside = tmp_path / "a.tif.aux.xml"
    beside.write_text(f'<PAMDataset><PAMRasterBand band="1">{entry}</PAMRasterBand></PAMDataset>')
    assert what_is_read(raster) == (values, unit_and_title)
    assert (raster.hash() != plain) is (what_is_read(raster) != first)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_holes_and_places_outside_have_no_value(tmp_path, dtype):
    values = np.array([[1, -99, 3, 4]], dtype)
    if dtype == "float32":
        values[0, 2] = np.inf
    path = write_map(tmp_path / "m.tif", values, west=0, north=5, step=10, nodata=-99)
    found = values_at(path, None, np.array([5.0, 15, 25, 35, -5]), np.array([0.0, 0, 0, 0, 0]))
    expected = [1, np.nan, np.inf if dtype == "float32" else 3, 4, np.nan]

    np.testing.assert_array_equal(found, np.where(np.isinf(expected), np.nan, expected))


def test_a_mask_hides_values(tmp_path):
    path = write_map(tmp_path / "m.tif", np.full((1, 4), 7.5, np.float32), step=90)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as target:
        target.write_mask(np.array([[255, 0, 255, 255]], np.uint8))

    found = values_at(path, 1, np.array([-170.0, -10]), np.array([45.0, 45]))
    np.testing.assert_array_equal(found, [7.5, np.nan])


@pytest.mark.parametrize(
    ("bands", "band", "dtype", "message"),
    [
        (3, None, "float32", r"expected one band of .*m\.tif, found 3 \(1, 2, 3\); choose one"),
        (3, 4, "float32", r"m\.tif has no band 4; its bands are 1, 2, 3"),
        (3, 0, "int16", r"m\.tif has no band 0"),
        (1, 1, "complex64", "expected real numbers in band 1 of .*, found complex64"),
    ],
)
def test_a_band_that_cannot_be_read_is_an_error(tmp_path, bands, band, dtype, message):
    path = write_map(tmp_path / "m.tif", np.ones((bands, 2, 4), dtype))

    with pytest.raises(InputError, match=message):
        values_at(path, band, LON, LAT)


def test_a_raster_without_a_coordinate_system_is_an_error(tmp_path):
    path = write_map(tmp_path / "m.tif", np.ones((2, 4), np.float32), crs=None)

    with pytest.raises(InputError, match="has no coordinate system"):
        values_at(path, None, LON, LAT)
