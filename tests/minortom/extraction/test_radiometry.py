"""Offsets and decibels, compared with arithmetic."""

import math

import numpy as np
import pytest

from minortom.extraction.radiometry import decibels, remove_offset
from minortom.scenes.baseline import offset_is_doubtful, offset_of_product

OLD = "S2B_MSIL2A_20200223T032739_N0214_R018_T48QUE_20200223T183543"
NEW = "S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419"


@pytest.mark.parametrize(
    ("product", "offset"),
    [(OLD, 0), (NEW, 1000), (NEW.replace("N0400", "N0510"), 1000),
     (NEW.replace("N0400", "N9999"), 0), (NEW.replace("N0400", "N0399"), 0),
     ("TerraMesh:433D_629L_3_1", None), ("", None)],
)  # fmt: skip
def test_the_offset_follows_from_the_processing_baseline(product, offset):
    assert offset_of_product(product) == offset


def test_after_the_offset_a_valid_value_is_at_least_one_and_nodata_stays():
    values = np.array([0, 1, 999, 1000, 1001, 1002, 65535], np.uint16)
    assert remove_offset(values, 1000).tolist() == [0, 1, 1, 1, 1, 2, 64535]
    assert remove_offset(values, 1000).dtype == np.uint16
    np.testing.assert_array_equal(remove_offset(values, 0), values)


@pytest.mark.parametrize(
    ("darkest", "offset", "doubtful"),
    [(1050, None, True), (40, None, False), (40, 1000, True), (960, 1000, False),
     (1050, 1000, False), (40, 0, False), (1500, 0, False)],
)  # fmt: skip
def test_an_offset_is_doubtful_where_values_contradict_the_name(darkest, offset, doubtful):
    bands = [np.full((10, 10), 3000, np.uint16), np.full((10, 10), darkest, np.uint16)]
    bands[0][0, 0] = 0  # nodata is not dark
    assert offset_is_doubtful(bands, offset) is doubtful


def test_an_offset_is_not_doubtful_where_there_is_no_data():
    assert not offset_is_doubtful([np.zeros((3, 3), np.uint16)], None)


@pytest.mark.parametrize(
    ("power", "steps"),
    [(1.0, 0), (0.1, -1000), (100.0, 2000), (10**-1.2345, -1234), (10**-1.2346, -1235),
     (1e-40, -32767), (0.0, -32768), (-1.0, -32768), (math.nan, -32768), (math.inf, -32768),
     (5.0, -32768)],
)  # fmt: skip
def test_power_becomes_hundredths_of_a_decibel(power, steps):
    assert decibels(np.array([power]), 5.0).tolist() == [steps]
    assert decibels(np.array([power]), 5.0).dtype == np.int16


def test_float32_power_is_rounded_as_exactly_as_float64():
    power = np.random.default_rng(0).uniform(1e-4, 2, 200_000).astype(np.float32)
    wanted = [round(1000 * math.log10(float(value))) for value in power]
    np.testing.assert_array_equal(decibels(power, None), wanted)
