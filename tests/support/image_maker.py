"""Images in the layouts of published sets, and the command that reads them."""

import signal

import numpy as np
from affine import Affine
from band_file_maker import band_folder, native_bands
from geotiff_maker import tiff
from minortom_cli.console import run
from minortom_cli.model.app import app

EUROSAT_BANDS = [
    "B01",
    "B02",
    "B03",
    "B04",
    "B05",
    "B06",
    "B07",
    "B08",
    "B09",
    "B10",
    "B11",
    "B12",
    "B8A",
]
FLOODS_BANDS = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12"]


def typed(*words):
    """Run `csmoe` with some words, and return its exit code."""
    former = signal.getsignal(signal.SIGTERM)
    try:
        return run(app, [str(word) for word in words])
    finally:
        signal.signal(signal.SIGTERM, former)  # `run` replaces it


def pixels_of(names, side, seed=0):
    """Return reflectance × 10,000 [band, row, column]; a band has the same pixels in any order."""
    return np.stack(
        [
            np.random.default_rng([seed, *name.encode()]).gamma(3, 400, (side, side)) + 20
            for name in names
        ]
    ).astype(np.uint16)


def decibels_of(side, seed=0):
    rng = np.random.default_rng([seed, 1])
    middle = np.array([-9.0, -15.5])[:, None, None]
    return (middle + rng.normal(0, 2, (2, side, side))).astype(np.float32)


def eurosat_chip(path, seed=0):
    """Write 13 bands without names, with B8A as the last one, in 64 × 64 pixels."""
    return tiff(path, pixels_of(EUROSAT_BANDS, 64, seed), dtype="uint16")


def floods_chips(folder, seed=0):
    """Write a pair of Sen1Floods11, 96 × 96 pixels in degrees, with gaps in Sentinel-1."""
    place = {"transform": Affine(9e-5, 0, -0.1, 0, -9e-5, 9.3), "crs": "EPSG:4326"}
    canonical = [f"B0{name[1]}" if len(name) == 2 else name for name in FLOODS_BANDS]
    s2 = tiff(
        folder / "S2Hand" / f"Ghana_{seed}_S2Hand.tif", pixels_of(canonical, 96, seed),
        names=FLOODS_BANDS, dtype="int16", **place,
    )  # fmt: skip
    s1 = decibels_of(96, seed)
    s1[:, :5] = np.nan
    s1 = tiff(folder / "S1Hand" / f"Ghana_{seed}_S1Hand.tif", s1, names=("VV", "VH"), **place)
    return s2, s1


def ssl4eo_chip(folder, seed=0):
    """Write a sample of SSL4EO: a file a band, each at its own resolution."""
    return band_folder(folder, native_bands(seed))
