"""Maps of a synthetic planet: continents from seeded noise, climate zones, land cover.

The climate zones follow the rules of Köppen and Geiger (as in Beck et al. 2018, table 2) with
synthetic temperature and rain, so that neighbouring zones are those of the Earth. Codes are those
of the real maps: Köppen-Geiger 1-30 and ESA WorldCover 10-100; 0 is sea.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minortom.io.proj_data import require_proj_data
from minortom.maps.descriptor import COPYRIGHT_TAG
from minortom.shards.pixel_credit import MADE_UP

CLIMATE_STEP_DEG = 0.2
LANDCOVER_STEP_DEG = 0.1
LAND_SHARE = 0.34
LANDCOVER_CODES = (10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)
LANDCOVER_WEIGHTS = (
    # climate codes           tree shrub grass crop built bare snow water wetland mangrove moss
    ((1, 2),                  (60,  4,   8,   10,  2,  0.5,  0,   3,    5,   3,   0)),
    ((3,),                    (25, 15,  25,   22,  3,    1,  0,   3,    4,   2,   0)),
    ((4, 5),                  ( 1, 12,   8,    3,  1,   70,  0,   1,  0.5,   0,   0)),
    ((6, 7),                  ( 5, 22,  38,   18,  2,   10,  0, 1.5,    1,   0,   0)),
    ((8, 9, 10),              (25, 20,  20,   25,  4,    3,  0,   2,    1,   0,   0)),
    ((11, 12, 13, 14, 15, 16), (32, 6,  22,   28,  6,    1,  0,   3,    2, 0.5,   0)),
    ((17, 18, 21, 22, 25, 26), (35, 5,  20,   30,  4,    1,  0,   4,    3,   0,   0)),
    ((19, 20, 23, 24, 27, 28), (48, 12, 14,    2, 0.5,   3,  1,   6,    9,   0,   5)),
    ((29,),                   ( 2,  8,  18,    0,  0,   22, 12,   5,    5,   0,  28)),
    ((30,),                   ( 0,  0,   0,    0,  0,    8, 92,   0,    0,   0,   0)),
)  # fmt: skip
"""Weight of each land cover (columns as ``LANDCOVER_CODES``) in a climate."""

_Values = NDArray[np.floating]

_LATTICE = 64
_CHUNK = 32768  # points at a time, which fit into the processor's cache
_ZONE_CONTRAST = 1.3
"""Weight of the noise relative to the logarithm of the weights; more mixes the classes more."""


@dataclass(frozen=True, kw_only=True)
class Planet:
    """Global maps of climate and land cover in EPSG:4326, north up, from 180° W; 0 is sea."""

    seed: int
    climate: NDArray[np.uint8]
    """Köppen-Geiger code, [900, 1800] at 0.2°."""
    landcover: NDArray[np.uint8]
    """ESA WorldCover code, [1800, 3600] at 0.1°."""

    def codes_at(
        self, lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the climate and land-cover codes of points."""
        found = []
        for codes in (self.climate, self.landcover):
            height, width = codes.shape
            row = np.floor((90 - lat_deg) / 180 * height).astype(np.int64).clip(0, height - 1)
            col = np.floor((lon_deg + 180) / 360 * width).astype(np.int64) % width
            found.append(codes[row, col])
        return found[0], found[1]


def make_planet(*, seed: int) -> Planet:
    """Return the planet of a seed; the same seed gives the same maps."""
    rng = np.random.default_rng([seed, 1])
    lattices = rng.standard_normal((16, _LATTICE, _LATTICE, _LATTICE), dtype=np.float32)
    height = _height_above_sea(lattices)
    climate = _climate(height, lattices)
    return Planet(seed=seed, climate=climate, landcover=_landcover(climate, height, lattices))


def write_map(codes: NDArray[np.uint8], path: Path) -> None:
    """Write a global map as a GeoTIFF with nodata 0; the write is not atomic."""
    from rasterio import Affine
    from rasterio.io import MemoryFile

    require_proj_data()
    height, width = codes.shape
    # Written in memory: on a full disk GDAL prints lines of its own and hides the reason.
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", dtype="uint8", count=1, height=height, width=width,
            crs="EPSG:4326", transform=Affine(360 / width, 0, -180, 0, -180 / height, 90),
            nodata=0, compress="deflate", tiled=True, blockxsize=512, blockysize=512,
        ) as file:  # fmt: skip
            file.write(codes, 1)
            file.update_tags(**{COPYRIGHT_TAG: MADE_UP.line})
        path.write_bytes(memory.read())


def landcover_weights(climate_code: int) -> NDArray[np.float32]:
    """Return the weight of each of ``LANDCOVER_CODES`` in a climate."""
    for codes, weights in LANDCOVER_WEIGHTS:
        if climate_code in codes:
            return np.array(weights, np.float32)
    raise AssertionError(climate_code)  # the table has all 30 codes


def _height_above_sea(lattices: _Values) -> _Values:
    """Return heights [900, 1800]: 0 at the coast, negative at sea, 1 at the highest point."""
    lat_deg, lon_deg = (axis.ravel() for axis in _pixel_centres(CLIMATE_STEP_DEG))
    height = _noise(_on_sphere(lon_deg, lat_deg), lattices, (1.3, 2.7, 5.3, 10.7, 23, 49), fade=0.6)
    height -= 2 * np.abs(np.sin(np.radians(lat_deg))) ** 10  # little land at the poles
    area = np.cos(np.radians(lat_deg))
    rank = np.argsort(height)
    below = np.cumsum(area[rank]) / area.sum()
    height -= height[rank[np.searchsorted(below, 1 - LAND_SHARE)]]
    height /= height.max()
    return height.reshape(round(180 / CLIMATE_STEP_DEG), -1)


def _climate(height: _Values, lattices: _Values) -> NDArray[np.uint8]:
    """Return the climate zone of each pixel [900, 1800], 0 at sea."""
    land = height > 0
    lat_deg, lon_deg = (axis[land] for axis in _pixel_centres(CLIMATE_STEP_DEG))
    points, waves = _on_sphere(lon_deg, lat_deg), (4.0, 11.0, 31.0)
    warm, wet, season = (_noise(points, lattices[i : i + 3], waves, fade=0.6) for i in (6, 9, 12))
    polar, inland = np.abs(np.sin(np.radians(lat_deg))), height[land]
    mean_c = 27.5 - 42 * polar**2.4 - 14 * polar**12 - 12 * inland + 2.5 * warm
    swing_c = 2 + 27 * polar**1.5 * (0.35 + 1.3 * inland)
    tropics = 2300 * np.exp(-((lat_deg / 13) ** 2))
    westerlies = 1000 * np.exp(-(((np.abs(lat_deg) - 50) / 18) ** 2))
    rain_mm = (tropics + westerlies + 150) * np.exp(0.55 * wet - 0.4 * inland)
    # Mediterranean summers are dry near 37°, monsoon winters near 20° and far inland.
    season += 0.8 * np.exp(-(((np.abs(lat_deg) - 37) / 9) ** 2)) - 0.8 * inland
    season -= 0.6 * np.exp(-(((np.abs(lat_deg) - 20) / 9) ** 2))
    codes = np.zeros(height.shape, np.uint8)
    codes[land] = _koppen(mean_c, swing_c, rain_mm, season)
    return codes


def _koppen(mean_c: _Values, swing_c: _Values, rain_mm: _Values, season: _Values) -> _Values:
    """Return Köppen's zones; ``season`` above 1 means a dry summer, below -1 a dry winter."""
    warmest, coldest = mean_c + swing_c, mean_c - swing_c
    threshold_mm = 20 * mean_c + np.where(season > 1, 0, np.where(season < -1, 280, 140))
    steppe = rain_mm < threshold_mm
    desert = rain_mm < threshold_mm / 2
    cool = np.where(mean_c >= 18, 0, 1)
    # Third letter: a hot summer, b warm, c cold, d with a very cold winter.
    summer = np.where(warmest >= 22, 0, np.where(mean_c + 0.35 * swing_c >= 10, 1, 2))
    rain_kind = np.where(season > 1, 0, np.where(season < -1, 1, 2))
    temperate = np.choose(rain_kind, [8, 11, 14]) + summer
    cold = np.choose(rain_kind, [17, 21, 25]) + np.where((coldest < -38) & (summer == 2), 3, summer)
    tropical = np.where(rain_mm > 2100, 1, np.where(rain_mm > 1700, 2, 3))
    return np.select(
        [warmest < 0, warmest < 10, desert, steppe, coldest >= 18, coldest > 0],
        [30, 29, 4 + cool, 6 + cool, tropical, temperate],
        cold,
    )


def _landcover(climate: NDArray[np.uint8], height: _Values, lattices: _Values) -> NDArray[np.uint8]:
    """Return the class of each pixel with the highest sum of its weight and noise."""
    twice = climate.repeat(2, axis=0).repeat(2, axis=1)
    land = twice > 0
    lat_deg, lon_deg = (axis[land] for axis in _pixel_centres(LANDCOVER_STEP_DEG))
    points, zone = _on_sphere(lon_deg, lat_deg), twice[land]
    coastal = height.repeat(2, axis=0).repeat(2, axis=1)[land] < 0.05
    with np.errstate(divide="ignore"):
        weights = np.zeros((31, len(LANDCOVER_CODES)), np.float32)
        weights[1:] = [landcover_weights(code) for code in range(1, 31)]
        tendency = np.log(weights)
    best, winner = np.full(len(zone), -np.inf, np.float32), np.zeros(len(zone), np.uint8)
    for index, code in enumerate(LANDCOVER_CODES):
        waves = (90.0, 210.0) if code == 50 else (19.0, 71.0)  # towns are small
        score = _ZONE_CONTRAST * _noise(points, lattices[[index, index + 5]], waves, fade=0.8)
        score += tendency[zone, index]
        if code == 95:  # mangroves grow at the coast
            score = np.where(coastal, score + 2.5, -np.inf)
        winner[score > best] = code
        np.maximum(best, score, out=best)
    codes = np.zeros(twice.shape, np.uint8)
    codes[land] = winner
    return codes


def _pixel_centres(step_deg: float) -> tuple[_Values, _Values]:
    """Return latitude and longitude of each pixel of a global map, [rows, columns] each."""
    lat_deg = 90 - step_deg * (np.arange(round(180 / step_deg), dtype=np.float32) + 0.5)
    lon_deg = -180 + step_deg * (np.arange(round(360 / step_deg), dtype=np.float32) + 0.5)
    shape = (len(lat_deg), len(lon_deg))
    return np.broadcast_to(lat_deg[:, None], shape), np.broadcast_to(lon_deg[None, :], shape)


def _on_sphere(lon_deg: _Values, lat_deg: _Values) -> _Values:
    """Return unit vectors [3, n]: noise in space has no seam and no distortion at the poles."""
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def _noise(points: _Values, lattices: _Values, waves: Sequence[float], *, fade: float) -> _Values:
    """Return noise [n] of several frequencies (cells per Earth radius), deviation about 1."""
    weights = fade ** np.arange(len(waves))
    total = np.zeros(points.shape[1], np.float32)
    for lattice, wave, weight in zip(lattices, waves, weights, strict=False):
        for start in range(0, len(total), _CHUNK):
            part = slice(start, start + _CHUNK)
            total[part] += np.float32(weight) * _value_noise(points[:, part], lattice, wave)
    return total / np.float32(0.6 * np.sqrt((weights**2).sum()))


def _value_noise(points: _Values, lattice: _Values, wave: float) -> _Values:
    """Interpolate the periodic lattice [64, 64, 64] at points [3, n]."""
    place = points * np.float32(wave)
    corner = np.floor(place)
    tx, ty, tz = _smoothstep(place - corner)
    low = corner.astype(np.int32) & (_LATTICE - 1)
    high = (low + 1) & (_LATTICE - 1)
    flat, stride = lattice.ravel(), np.array([[_LATTICE**2], [_LATTICE], [1]], np.int32)
    (x0, y0, z0), (x1, y1, z1) = low * stride, high * stride

    def along_z(xy: NDArray[np.int32]) -> _Values:
        line: _Values = flat[xy + z0]
        line += tz * (flat[xy + z1] - line)
        return line

    left = along_z(x0 + y0)
    left += ty * (along_z(x0 + y1) - left)
    right = along_z(x1 + y0)
    right += ty * (along_z(x1 + y1) - right)
    left += tx * (right - left)
    return left


def _smoothstep(t: _Values) -> _Values:
    return t * t * (3 - 2 * t)
