"""Makes `planet.json`: what the demo planet of seed 0 looks like at a few places.

    python tests/golden/planet.py

The planet is frozen: models are probed on it, and on another one their scores would mean
something else. Run this only where a new planet is meant, and measure anew what docs/ say.
"""

import json
from pathlib import Path

import numpy as np

from minortom.demo_maps import LANDCOVER_CODES, make_planet
from minortom.demo_noise import Window
from minortom.demo_scene import Scene, look

FILE = Path(__file__).with_suffix(".json")
WINDOW = Window(row=474, col=594, height=120, width=120)


def planet():
    """Give the codes of both maps every 10°, and the pixels of a patch of each land cover."""
    maps = make_planet(seed=0)
    lon_deg, lat_deg = np.meshgrid(np.arange(-175.0, 180, 10), np.arange(75.0, -90, -10))
    climate, landcover = maps.codes_at(lon_deg.ravel(), lat_deg.ravel())
    return {
        "climate": climate.tolist(),
        "landcover": landcover.tolist(),
        "patches": {str(code): patch(code) for code in LANDCOVER_CODES},
    }


def patch(code):
    """Give each band's mean in the four quarters of a patch, and the pixels of each class.

    Reflectance in 1/10,000 and backscatter in 0.01 dB, to whole numbers: another processor's
    or library's logarithm shows in single pixels, not here.
    """
    climate = 30 if code == 70 else 15
    scene = Scene(seed=0, cell="487U_300R", climate_code=climate, landcover_code=code)
    pixels = look(scene, WINDOW)
    found = {band: np.rint(1e4 * quarters(value)) for band, value in pixels.reflectance.items()}
    for name, power in pixels.backscatter.items():
        found[name] = np.rint(1e3 * np.log10(quarters(power)))
    counts = np.bincount(pixels.landcover.ravel(), minlength=101)
    return {
        "pixels": {str(seen): int(counts[seen]) for seen in np.flatnonzero(counts)},
        **{name: value.astype(int).ravel().tolist() for name, value in found.items()},
    }


def quarters(band):
    """Give the means of the upper left, upper right, lower left and lower right quarter."""
    half = len(band) // 2
    return band.reshape(2, half, 2, half).mean(axis=(1, 3), dtype=np.float64)


if __name__ == "__main__":
    made = planet()
    lines = [f' "{name}": {json.dumps(made[name])}' for name in ("climate", "landcover")]
    patches = [f'  "{code}": {json.dumps(found)}' for code, found in made["patches"].items()]
    lines.append(' "patches": {\n' + ",\n".join(patches) + "\n }")
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
