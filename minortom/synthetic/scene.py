"""Pixels of a synthetic tile as Sentinel-2 and Sentinel-1 would measure them.

Both sensors observe the same ground. Other properties belong to one sensor and differ from cell to
cell: sun and haze for Sentinel-2; soil moisture, look direction and speckle for Sentinel-1.
On a planet with smooth fields, four of these properties resemble those of neighbouring cells.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minortom.synthetic.maps import LANDCOVER_CODES, landcover_weights
from minortom.synthetic.noise import Field, Window, key_of, layered, white
from minortom.synthetic.smooth_field import FieldValues, Property
from minortom.synthetic.textures import SURFACES, Traits, ground

TILE_PX = 1068
"""Side of a tile in 10 m pixels."""
S2_BANDS = {
    "B01": 60, "B02": 10, "B03": 10, "B04": 10, "B05": 20, "B06": 20, "B07": 20, "B08": 10,
    "B8A": 20, "B09": 60, "B11": 20, "B12": 20,
}  # fmt: skip
"""Ground sampling distance of each band (m), in the order of the archive's columns."""

_WAVELENGTH_NM = (443, 492, 560, 665, 704, 740, 783, 833, 865, 945, 1610, 2190)
_REFLECTANCE = {  # typical surface reflectance (%), bands in the order of S2_BANDS
    "leaf": (2.0, 2.5, 5.0, 3.0, 9.0, 26, 33, 35, 37, 36, 17, 8),
    "dry": (5.0, 7.0, 11, 14, 18, 22, 25, 28, 30, 31, 34, 24),
    "soil": (6.0, 8.0, 11, 15, 18, 20, 22, 24, 26, 27, 34, 29),
    "sand": (12, 16, 24, 32, 35, 37, 38, 40, 41, 42, 48, 44),
    "rock": (7.0, 8.0, 10, 11, 12, 13, 14, 15, 15, 15, 17, 15),
    "water": (4.0, 5.0, 5.0, 3.0, 2.5, 2.0, 2.0, 1.5, 1.2, 1.0, 0.6, 0.4),
    "snow": (82, 85, 85, 84, 83, 82, 80, 78, 74, 70, 12, 10),
    "roof": (14, 18, 21, 24, 25, 26, 27, 28, 29, 29, 33, 31),
    "moss": (3.0, 3.5, 5.5, 5.5, 9.0, 15, 17, 19, 21, 21, 21, 14),
}
_BACKSCATTER_DB = {  # typical gamma0 (VV, VH)
    "leaf": (-11, -18), "dry": (-12, -20), "soil": (-11.5, -20), "sand": (-17, -26),
    "rock": (-10, -18.5), "water": (-19, -27), "snow": (-13, -21), "roof": (-4.5, -12),
    "moss": (-12, -19),
}  # fmt: skip
_CANOPY_DB = (-8.0, -13.5)
_LOOKS = 4.4  # equivalent number of looks of Sentinel-1 IW at 10 m
_OWN_CLASS = 1.4
"""Advantage of a tile's own class over other classes, in standard deviations of the noise."""


_PLANTS = {
    **dict.fromkeys((1, 2), (0.85, 1.15)), 3: (0.6, 0.95),
    **dict.fromkeys((4, 5), (0.3, 0.4)), **dict.fromkeys((6, 7), (0.35, 0.65)),
    **dict.fromkeys((8, 9, 10), (0.45, 0.8)), **dict.fromkeys(range(11, 17), (0.65, 1.0)),
    **dict.fromkeys(range(17, 29), (0.6, 0.95)), 29: (0.45, 0.7), 30: (0.3, 0.4),
}  # fmt: skip
"""Greenness and lushness by climate code; see ``Traits``."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Cell of the synthetic planet, with all parameters of its pixels."""

    seed: int
    cell: str
    climate_code: int
    landcover_code: int
    field: FieldValues | None = None
    """Smooth fields at the cell; None if each cell has properties of its own."""

    @property
    def key(self) -> int:
        """Return the key of all noise in this cell."""
        return key_of(self.seed, self.cell)

    def rng(self, purpose: int) -> np.random.Generator:
        """Return a random generator for values that are constant in this cell."""
        return np.random.default_rng([self.seed, self.key, purpose])

    def traits(self) -> Traits:
        """Return random properties that are constant in the cell; the climate sets their means."""
        rng = self.rng(1)
        green, lush = _PLANTS[self.climate_code]
        return Traits(
            greenness=float(np.clip(green + self.drawn("greenness", rng, 0.28), 0.02, 1)),
            lushness=float(np.clip(lush * np.exp(rng.normal(0, 0.3)), 0.2, 1.4)),
            scale=float(np.exp(self.drawn("texture_scale", rng, 0.2))),
            angle=float(rng.uniform(0, np.pi)),
            contrast=float(np.exp(rng.normal(0, 0.65))),
            mix=float(rng.uniform(0, 1)),
        )

    def drawn(self, name: Property, rng: np.random.Generator, deviation: float) -> float:
        """Return a random deviation from the mean; on a planet with fields they have a share."""
        own = rng.normal(0, deviation)
        return own if self.field is None else self.field.blend(name, own, deviation)


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """Pixels of a window for both sensors; all are valid."""

    landcover: NDArray[np.uint8]
    """WorldCover code at 10 m, [height, width]."""
    reflectance: dict[str, Field]
    """Surface reflectance by Sentinel-2 band, each at its own ground sampling distance."""
    backscatter: dict[str, Field]
    """Linear power (gamma0) by polarisation, ``vv`` and ``vh``, at 10 m."""
    haze: Field
    """Reflectance that haze adds at 492 nm (B02), at 10 m."""


def render(scene: Scene, window: Window) -> Pixels:
    """Return the pixels of a window; a pixel is the same in every window of the scene.

    Args:
        scene: The cell.
        window: Position and size, in multiples of 6 pixels (60 m).
    """
    landcover = class_map(scene, window)
    shares, canopy, shade = _ground(scene, window, landcover)
    slope_sun, slope_radar = _relief(scene, window)
    shade *= slope_sun
    lit = {name: share * shade for name, share in shares.items()}
    reflectance, haze = _sentinel2(scene, window, lit)
    return Pixels(
        landcover=landcover,
        reflectance=reflectance,
        backscatter=_sentinel1(scene, window, shares, canopy, slope_radar),
        haze=haze,
    )


def class_map(scene: Scene, window: Window) -> NDArray[np.uint8]:
    """Return a map of the tile's own class and one to three other classes of its climate."""
    rng = scene.rng(2)
    weights = landcover_weights(scene.climate_code).astype(np.float64) + 0.01
    weights[LANDCOVER_CODES.index(scene.landcover_code)] = 0
    count = int(rng.integers(1, 4))
    others = rng.choice(LANDCOVER_CODES, count, replace=False, p=weights / weights.sum())
    rows, cols = window.rows_cols()
    middle = TILE_PX / 2
    from_middle = ((rows - middle) ** 2 + (cols - middle) ** 2) / np.float32(120**2)
    best = layered(scene.key + 100, window, 190, 5) + _OWN_CLASS + 4 * np.exp(-from_middle)
    codes = np.full(best.shape, scene.landcover_code, np.uint8)
    for index, code in enumerate(sorted(others.tolist())):
        rival = layered(scene.key + 200 + 10 * index, window, 190, 5) - np.float32(0.3 * count)
        codes[rival > best] = code
        np.maximum(best, rival, out=best)
    return codes


def _ground(
    scene: Scene, window: Window, landcover: NDArray[np.uint8]
) -> tuple[dict[str, Field], Field, Field]:
    """Return surface shares, canopy and shade of the window, each pixel from its class."""
    traits = scene.traits()
    canopy, shade = np.zeros(landcover.shape, np.float32), np.zeros(landcover.shape, np.float32)
    shares: dict[str, Field] = {}
    for code in np.unique(landcover).tolist():
        here = landcover == code
        part = ground(code, scene.key + 1000 * code, window, traits)
        np.copyto(canopy, part.canopy, where=here, casting="same_kind")
        np.copyto(shade, part.shade, where=here, casting="same_kind")
        for name, share in part.shares.items():
            whole = shares.setdefault(name, np.zeros(landcover.shape, np.float32))
            np.copyto(whole, share, where=here, casting="same_kind")
    return shares, canopy, shade


def _relief(scene: Scene, window: Window) -> tuple[Field, Field]:
    """Return the brightness of slopes in sunlight and to the radar; 1 on level ground."""
    rng = scene.rng(3)
    height_px = np.float32(rng.gamma(1.0, 1.6))
    larger = Window(
        row=window.row, col=window.col, height=window.height + 1, width=window.width + 1
    )
    height = layered(scene.key + 300, larger, 48, 3) * height_px
    east, south = height[:-1, 1:] - height[:-1, :-1], height[1:, :-1] - height[:-1, :-1]
    sun = 1 + 0.7 * (0.7 * east + 0.7 * south)
    side = np.float32(rng.choice([-1, 1]))
    return sun.clip(0.3, 1.8), np.exp((side * east).clip(-1.5, 1.5))


def _sentinel2(
    scene: Scene, window: Window, lit: Mapping[str, Field]
) -> tuple[dict[str, Field], Field]:
    """Return the reflectance of each band at its own sampling: spectra, sun, haze and noise."""
    rng = scene.rng(4)
    wavelength = np.array(_WAVELENGTH_NM) / 492
    surfaces = [name for name in SURFACES if name in lit]  # fixed order of summation
    hue = {
        name: np.exp(rng.normal(0, 0.33) + np.log(wavelength) * rng.normal(0, 0.25))
        for name in SURFACES
    }
    sun = np.exp(rng.normal(-0.1, 0.42))
    spectra = {name: sun * hue[name] * np.array(_REFLECTANCE[name]) / 100 for name in surfaces}
    thickness, scatter = rng.gamma(1.2, 0.022), wavelength ** -rng.uniform(0.8, 2.2)
    veil = np.exp(rng.uniform(0.2, 1.2) * layered(scene.key + 400, window, 120, 2))
    veil *= np.float32(thickness)
    seen = {}
    for factor in (1, 2, 6):
        parts = {name: _coarser(lit[name], factor) for name in surfaces}
        thin, grain = _coarser(veil, factor), window.coarser(factor)
        for index, (band, resolution_m) in enumerate(S2_BANDS.items()):
            if resolution_m != 10 * factor:
                continue
            value = thin * np.float32(scatter[index])
            for name in surfaces:
                value += parts[name] * np.float32(spectra[name][index])
            value += white(scene.key + 500 + index, grain) * (0.001 + np.float32(0.006) * value)
            seen[band] = value
    return seen, veil


def _sentinel1(
    scene: Scene, window: Window, shares: dict[str, Field], canopy: Field, slope: Field
) -> dict[str, Field]:
    """Return the power of surfaces and canopy with moisture, slopes and speckle."""
    rng = scene.rng(5)
    plants_db, ground_db = rng.normal(0, 1.5), scene.drawn("moisture", rng, 2.5)
    sea_db, gain_db = rng.normal(0, 3.0), scene.drawn("radar_level", rng, 2.0)
    shift_db = dict.fromkeys(SURFACES, ground_db) | {
        "leaf": plants_db,
        "dry": plants_db,
        "water": sea_db,
    }
    seen = {}
    for index, name in enumerate(("vv", "vh")):
        gain = 10 ** ((gain_db + rng.normal(0, 1.2)) / 10)
        power = canopy * np.float32(10 ** ((_CANOPY_DB[index] + plants_db) / 10))
        for surface in SURFACES:
            if surface in shares:
                decibel = _BACKSCATTER_DB[surface][index] + shift_db[surface]
                power += (1 - canopy) * shares[surface] * np.float32(10 ** (decibel / 10))
        power *= slope * _speckle(scene.key + 600 + index, window)
        seen[name] = power * np.float32(gain)
    return seen


def _speckle(key: int, window: Window) -> Field:
    """Return a gamma-distributed factor of mean 1, by the cube of Wilson and Hilferty."""
    spread = np.float32(1 / (9 * _LOOKS))
    root: Field = 1 - spread + white(key, window) * np.sqrt(spread)
    np.maximum(root, np.float32(0.05), out=root)
    return root * root * root


def _coarser(field: Field, factor: int) -> Field:
    if factor == 1:
        return field
    height, width = field.shape
    blocks = field.reshape(height // factor, factor, width // factor, factor)
    means: Field = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means
