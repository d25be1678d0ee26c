"""Names of bands in the spellings of sensors, catalogues and exporters."""

import pytest

from minortom.scenes.band_names import band_names, choose_bands, known_band
from minortom.sensors import MODEL_BANDS


@pytest.mark.parametrize(
    ("name", "band"),
    [
        ("B2", "B02"), ("b02", "B02"), ("blue", "B02"), ("B2, central wavelength 490 nm", "B02"),
        ("rededge1", "B05"), ("RED_EDGE_1", "B05"), ("Red Edge 3", "B07"), ("red", "B04"),
        ("nir", "B08"), ("NIR_BROAD", "B08"), ("nir08", "B8A"), ("B8A", "B8A"), ("b8a", "B8A"),
        ("NIR_NARROW", "B8A"), ("nir09", "B09"), ("WATER_VAPOR", "B09"), ("coastal", "B01"),
        ("swir16", "B11"), ("SWIR_2", "B12"), ("B12_20m", "B12"), ("T33UUP_20170613_B11", "B11"),
        ("VV", "vv"), ("Gamma0_VV_db", "vv"), ("Sigma0_VH", "vh"), ("s1 VH (dB)", "vh"),
        ("S1A_IW_GRDH_1SDV_20170613T165043_33UUP_87_48_VV", "vv"),
    ],
)  # fmt: skip
def test_a_spelling_names_one_band(name, band):
    assert known_band(name).name == band
    assert known_band(name.swapcase()).name == band


@pytest.mark.parametrize("name", ["foo", "", "-", "VV/VH", "B13", "Red_Edge", "B02_B03"])
def test_other_names_name_no_band(name):
    assert known_band(name) is None


def test_each_band_of_a_sensor_is_known_by_its_own_name():
    for sensor in MODEL_BANDS:
        for name in band_names(sensor):
            assert (known_band(name).name, known_band(name).sensor) == (name, sensor)


def test_bands_that_the_model_does_not_read_are_left_out():
    names = ("B1", "B2", "SCL", "-", "angle", "AOT", "WVP", "QA60", "alpha", "VV", "foo", "VH")
    found = choose_bands(names)
    assert found.numbers == {"s2": (1,), "s1": (9, 11)}
    assert found.left_out == ("B1", "SCL", "angle", "AOT", "WVP", "QA60", "alpha", "foo")
    assert choose_bands(names, "s1").numbers == {"s1": (9, 11)}
