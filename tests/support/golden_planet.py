"""Write `planet.json`: samples of the synthetic planet with seed 0.

    python tests/support/golden_planet.py

The planet is frozen: models are probed on it, and on another one their scores would mean
something else. Run this only where a new planet is meant, and measure anew what docs/ say.
"""

import json

import numpy as np
from repository import GOLDEN

from minortom.synthetic.maps import LANDCOVER_CODES, make_planet
from minortom.synthetic.noise import Window
from minortom.synthetic.scene import Scene, render

FILE = GOLDEN / "planet.json"
WINDOW = Window(row=54, col=54, height=480, width=120)
"""A strip along one side of the tile, where other classes occur beside the class of the tile."""


def planet():
    """Return the codes of both maps every 10°, and statistics of a patch of each land cover."""
    maps = make_planet(seed=0)
    lon_deg, lat_deg = np.meshgrid(np.arange(-175.0, 180, 10), np.arange(75.0, -90, -10))
    climate, landcover = maps.codes_at(lon_deg.ravel(), lat_deg.ravel())
    return {
        "climate": climate.tolist(),
        "landcover": landcover.tolist(),
        "patches": {str(code): patch(code) for code in LANDCOVER_CODES},
    }


def patch(code):
    """Return the mean of each band in the quarters of a patch, its deviation, and pixels per class.

    Reflectance in 1/10,000 and backscatter in 0.01 dB, to whole numbers: another processor's
    or library's logarithm shows in single pixels, not here.
    """
    climate = 30 if code == 70 else 15
    scene = Scene(seed=0, cell="487U_300R", climate_code=climate, landcover_code=code)
    pixels = render(scene, WINDOW)
    bands = {band: 1e4 * value for band, value in pixels.reflectance.items()}
    bands |= {name: 1e3 * np.log10(power) for name, power in pixels.backscatter.items()}
    counts = np.bincount(pixels.landcover.ravel(), minlength=101)
    return {
        "pixels": {str(seen): int(counts[seen]) for seen in np.flatnonzero(counts)},
        **{name: summary(values) for name, values in bands.items()},
    }


def summary(band):
    """Return the mean of each quarter, row by row, and the deviation of the whole."""
    height, width = band.shape
    means = band.reshape(2, height // 2, 2, width // 2).mean(axis=(1, 3), dtype=np.float64)
    return np.rint([*means.ravel(), band.std(dtype=np.float64)]).astype(int).tolist()


if __name__ == "__main__":
    made = planet()
    lines = [f' "{name}": {json.dumps(made[name])}' for name in ("climate", "landcover")]
    patches = [f'  "{code}": {json.dumps(found)}' for code, found in made["patches"].items()]
    lines.append(' "patches": {\n' + ",\n".join(patches) + "\n }")
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
