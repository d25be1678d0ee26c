"""Units of images: recognised by the distribution of their values, on synthetic and real images."""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio

from minortom.scenes.units import (
    AMPLITUDE,
    HUNDREDTHS,
    MODEL_UNIT,
    PERCENT,
    POWER,
    REFLECTANCE,
    recognise,
)


@pytest.fixture
def s2():
    """Return three bands of reflectance × 10,000 over land, as whole numbers."""
    draws = np.random.default_rng(0).gamma(3, 400, (3, 5000))
    return np.rint(draws + 100).astype(np.float32)


@pytest.fixture
def s1():
    """Return VV and VH of a forest in dB."""
    rng = np.random.default_rng(1)
    return np.stack([rng.normal(-8, 2, 5000), rng.normal(-14, 2, 5000)]).astype(np.float32)


@pytest.mark.parametrize(
    ("divisor", "unit"), [(1, MODEL_UNIT["s2"]), (100, PERCENT), (10_000, REFLECTANCE)]
)
def test_the_unit_of_reflectance_does_not_depend_on_a_few_pixels(s2, divisor, unit):
    values = s2 / divisor
    assert recognise("s2", list(values))[0] == unit
    for extreme in (values.max() * 50, -0.1):
        values[0, :20] = extreme
        assert recognise("s2", list(values))[0] == unit


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.arange(256).repeat(20), "picture of 8 bits"),
        (np.random.default_rng(0).normal(size=5000), "normalised already"),
    ],
)
def test_a_unit_that_is_not_clear_is_not_guessed(values, message):
    unit, seen = recognise("s2", [values])
    assert unit is None
    assert message in seen


def test_the_unit_of_backscatter_is_recognised(s1):
    power = 10 ** (s1 / 10)
    assert recognise("s1", list(s1))[0] == MODEL_UNIT["s1"]
    assert recognise("s1", list(power))[0] == POWER
    assert recognise("s1", list(np.sqrt(power)))[0] == AMPLITUDE
    assert recognise("s1", list(np.rint(s1 * 100)))[0] == HUNDREDTHS
    unit, seen = recognise("s1", list(np.rint(1000 * np.sqrt(power))))
    assert unit is None
    assert "not calibrated" in seen


def test_power_that_can_be_amplitude_is_not_guessed():
    # As power -8.1 and -12.4 dB, of a city; as amplitude -16.2 and -24.7 dB, of bare soil.
    unit, seen = recognise("s1", [np.linspace(0.1, 0.21, 100), np.linspace(0.04, 0.076, 100)])
    assert unit is None
    assert "power or amplitude" in seen


def test_conversions_are_arithmetic(s2, s1):
    np.testing.assert_allclose(PERCENT.convert(s2 / 100), s2, rtol=1e-6)
    np.testing.assert_allclose(REFLECTANCE.convert(s2 / 10_000), s2, rtol=1e-6)
    power = (10 ** (s1.astype(np.float64) / 10)).astype(np.float32)
    np.testing.assert_allclose(POWER.convert(power), s1, atol=1e-5)
    np.testing.assert_allclose(AMPLITUDE.convert(np.sqrt(power)), s1, atol=1e-5)
    assert np.isnan(POWER.convert(np.array([0, -1], np.float32))).all()


def test_images_without_contrast_are_taken_as_they_are():
    assert recognise("s2", [np.full(100, 0.2)])[0] == MODEL_UNIT["s2"]
    assert recognise("s1", [np.zeros(100)])[0] == MODEL_UNIT["s1"]


@pytest.mark.skipif("MINORTOM_DATA" not in os.environ, reason="MINORTOM_DATA is not set")
def test_real_backscatter_is_never_taken_for_another_unit():
    folder = Path(os.environ["MINORTOM_DATA"]) / "bigearthnet-sample/BigEarthNet-S1-Example"
    patches = sorted(path for path in folder.iterdir() if path.is_dir())
    assert len(patches) == 6
    for patch in patches:
        bands = []
        for name in ("VV", "VH"):
            with rasterio.open(patch / f"{patch.name}_{name}.tif") as file:
                bands.append(file.read(1))
        assert recognise("s1", bands)[0] == MODEL_UNIT["s1"]
        assert recognise("s1", [10 ** (band / 10) for band in bands])[0] == POWER
        assert recognise("s1", [10 ** (band / 20) for band in bands])[0] in (AMPLITUDE, None)
