"""Ground of a synthetic tile: one spatial pattern for each land-cover class.

All classes are mixtures of the same few surfaces, as in nature. A poor meadow, a fallow field and
open scrub share their spectra and differ in pattern, which the mean of a band does not show.
Lengths are in pixels of 10 m.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minortom.synthetic.noise import Field, Window, layered, smooth, uniform

SURFACES = ("leaf", "dry", "soil", "sand", "rock", "water", "snow", "roof", "moss")
"""Surfaces whose shares make up a pixel."""


@dataclass(frozen=True, kw_only=True)
class Traits:
    """Random properties that are constant in a tile."""

    greenness: float
    """Green share of the plants (0 to 1), by season and climate."""
    lushness: float
    """Density of plants, about 1."""
    scale: float
    """Size of patterns, about 1."""
    angle: float
    """Direction of fields, streets and dunes (radians)."""
    contrast: float
    """Contrast of patterns, about 1."""
    mix: float
    """Mixture of two surfaces (0 to 1), such as rock and sand, or clear and silty water."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Surfaces, canopy and shade of each pixel, [height, width] each."""

    shares: Mapping[str, Field]
    """Share of each pixel by surface. Shares add up to 1; a missing surface has 0."""
    canopy: Field
    """Radar scattering of the plants: 0 for a lawn, 1 for a forest."""
    shade: Field
    """Brightness in sunlight relative to level ground: 1 on average."""


def ground(code: int, key: int, window: Window, traits: Traits) -> Ground:
    """Return the pattern of one WorldCover class in a whole window."""
    return _PATTERNS[code](key, window, traits)


def _trees(key: int, window: Window, traits: Traits) -> Ground:
    crowns = traits.contrast * smooth(key, window, 2.4 * traits.scale)
    stands = layered(key + 10, window, 45 * traits.scale, 2)
    cover = np.clip(0.82 * traits.lushness + 0.07 * crowns + 0.12 * stands, 0.2, 1)
    green = np.clip(traits.greenness + 0.12 * stands, 0, 1)
    return _plants(cover, green, canopy=0.55 + 0.35 * cover, shade=1 + 0.16 * crowns)


def _shrubs(key: int, window: Window, traits: Traits) -> Ground:
    clumps = traits.contrast * smooth(key, window, 4.5 * traits.scale)
    slopes = layered(key + 10, window, 60 * traits.scale, 2)
    cover = np.clip(0.45 * traits.lushness + 0.3 * clumps + 0.08 * slopes, 0.03, 0.95)
    green = np.clip(traits.greenness + 0.1 * slopes, 0, 1)
    return _plants(cover, green, canopy=0.45 * cover, shade=1 + 0.06 * clumps)


def _grass(key: int, window: Window, traits: Traits) -> Ground:
    swards = traits.contrast * layered(key, window, 40 * traits.scale, 3)
    cover = np.clip(0.72 * traits.lushness + 0.16 * swards, 0.05, 1)
    green = np.clip(traits.greenness + 0.16 * swards, 0, 1)
    return _plants(cover, green, canopy=0.1 * cover, shade=np.ones_like(swards))


def _crops(key: int, window: Window, traits: Traits) -> Ground:
    row, col, edge, along = _parcels(key, window, traits.angle, 26 * traits.scale)
    crop, stage = (
        0.5 + np.float32(traits.contrast) * (uniform(key + i, row, col) - 0.5) for i in (1, 2)
    )
    rows = np.sin(along * np.float32(2.1)) * (uniform(key + 3, row, col) > 0.4)
    cover = np.clip((0.25 + 0.9 * crop) * traits.lushness + 0.08 * rows, 0.02, 1)
    green = np.clip(traits.greenness + 0.9 * (stage - 0.5), 0, 1)
    hedge = edge < 0.7
    cover, green = np.where(hedge, 0.9, cover), np.where(hedge, traits.greenness, green)
    canopy = np.where(hedge, 0.7, 0.35 * crop * cover)
    return _plants(cover, green, canopy=canopy, shade=1 + 0.03 * rows)


def _town(key: int, window: Window, traits: Traits) -> Ground:
    row, col, edge, _ = _parcels(key, window, traits.angle, 11 * traits.scale)
    house_row, house_col, gap, _ = _parcels(key + 1, window, traits.angle, 3.2)
    density = np.clip(0.1 + 0.6 * traits.mix + 0.2 * layered(key + 2, window, 60, 2), 0.08, 0.9)
    street = edge < 0.4 + 0.5 * density
    house = ~street & (gap > 0.3) & (uniform(key + 3, house_row, house_col) < density)
    tint = 0.5 + np.float32(traits.contrast) * (uniform(key + 4, house_row, house_col) - 0.5)
    garden = (uniform(key + 5, row, col) * traits.lushness).clip(0, 0.95)
    plants = np.where(house | street, 0.05, garden)
    built = np.where(house, 0.2 + 0.5 * tint.clip(0, 1), np.where(street, 0.25, 0.02))
    rock = np.where(street | house, 1 - built - plants, 0.05)
    shares = {
        "leaf": plants * traits.greenness, "dry": plants * (1 - traits.greenness), "roof": built,
        "rock": rock, "soil": 1 - plants - built - rock,
    }  # fmt: skip
    canopy = np.where(house, 0, 0.6 * plants)
    return Ground(shares=shares, canopy=canopy, shade=1 + 0.15 * (tint - 0.5) * house)


def _bare(key: int, window: Window, traits: Traits) -> Ground:
    plains = layered(key, window, 70 * traits.scale, 3)
    across = _rotated(window, traits.angle)[0] + 6 * layered(key + 10, window, 50, 2)
    dunes = np.sin(across * np.float32(0.5 / traits.scale)) * np.clip(
        traits.mix + 0.3 * plains, 0, 1
    )
    sand = np.clip(traits.mix + 0.25 * plains, 0, 1)
    dry = np.full_like(sand, 0.08 * traits.lushness)
    rest = (1 - dry) * (1 - sand)
    shares = {"sand": (1 - dry) * sand, "dry": dry, "rock": 0.5 * rest, "soil": 0.5 * rest}
    return Ground(shares=shares, canopy=np.zeros_like(sand), shade=1 + 0.13 * dunes)


def _snow(key: int, window: Window, traits: Traits) -> Ground:
    drifts = traits.contrast * layered(key, window, 35 * traits.scale, 3)
    rock = np.clip(2 * (layered(key + 10, window, 30, 4) - 2 + 2 * traits.mix), 0, 1)
    melt = np.clip(0.1 + 0.25 * traits.greenness + 0.1 * drifts, 0, 0.6) * (1 - rock)
    shares = {"snow": 1 - rock - melt, "water": 0.3 * melt, "moss": 0.7 * melt, "rock": rock}
    return Ground(shares=shares, canopy=np.zeros_like(rock), shade=1 + 0.08 * drifts)


def _water(key: int, window: Window, traits: Traits) -> Ground:
    plumes = traits.contrast * layered(key, window, 110 * traits.scale, 3)
    silt = np.clip(0.02 + 0.4 * traits.mix**2 + 0.08 * plumes, 0, 0.6)
    algae = np.clip(0.25 * traits.greenness**2 + 0.05 * plumes, 0, 0.35)
    shares = {"water": 1 - silt - algae, "soil": silt, "leaf": algae}
    return Ground(shares=shares, canopy=np.zeros_like(silt), shade=np.ones_like(silt))


def _wetland(key: int, window: Window, traits: Traits) -> Ground:
    pool = _channels(key, window, 24 * traits.scale, width=0.16 + 0.1 * traits.mix)
    meadow = _grass(key + 20, window, traits)
    shares: dict[str, Field] = {
        name: 0.7 * (1 - pool) * share for name, share in meadow.shares.items()
    }
    shares |= {"moss": 0.3 * (1 - pool), "water": pool}
    return Ground(shares=shares, canopy=0.25 * (1 - pool), shade=meadow.shade)


def _mangroves(key: int, window: Window, traits: Traits) -> Ground:
    creek = _channels(key, window, 55 * traits.scale, width=0.2)
    wood = _trees(key + 20, window, traits)
    shares = {name: share * (1 - creek) * 0.85 for name, share in wood.shares.items()}
    shares["water"] = creek + 0.15 * (1 - creek)
    return Ground(shares=shares, canopy=wood.canopy * (1 - creek), shade=wood.shade)


def _tundra(key: int, window: Window, traits: Traits) -> Ground:
    rim = _channels(key, window, 9 * traits.scale, width=0.3)
    fells = layered(key + 10, window, 60 * traits.scale, 2)
    moss = np.clip(0.75 * traits.lushness - 0.3 * traits.contrast * rim + 0.1 * fells, 0.1, 0.95)
    pool = np.clip(0.3 * traits.mix * rim, 0, 0.3) * (1 - moss)
    rest = 1 - moss - pool
    shares = {"moss": 0.8 * moss, "water": pool, "rock": 0.5 * rest, "soil": 0.5 * rest}
    shares |= {"leaf": 0.2 * moss * traits.greenness, "dry": 0.2 * moss * (1 - traits.greenness)}
    return Ground(shares=shares, canopy=0.05 * moss, shade=np.ones_like(moss))


_PATTERNS: dict[int, Callable[[int, Window, Traits], Ground]] = {
    10: _trees, 20: _shrubs, 30: _grass, 40: _crops, 50: _town, 60: _bare, 70: _snow,
    80: _water, 90: _wetland, 95: _mangroves, 100: _tundra,
}  # fmt: skip


def _plants(cover: Field, green: Field, *, canopy: Field, shade: Field) -> Ground:
    shares = {"leaf": cover * green, "dry": cover * (1 - green), "soil": 1 - cover}
    return Ground(shares=shares, canopy=canopy, shade=shade)


def _channels(key: int, window: Window, period_px: float, *, width: float) -> Field:
    """Return winding lines, 1 inside and 0 outside, at the zeros of a smooth field."""
    field = layered(key, window, period_px, 2)
    return np.clip((width - np.abs(field)) * np.float32(0.25 * period_px) + 0.5, 0, 1)


def _rotated(window: Window, angle: float) -> tuple[Field, Field]:
    rows, cols = window.rows_cols()
    sine, cosine = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    return cols * cosine + rows * sine, rows * cosine - cols * sine


def _parcels(
    key: int, window: Window, angle: float, size_px: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], Field, Field]:
    """Divide the plane into strips, and each strip into parcels of its own length.

    Returns:
        Strip and parcel of each pixel, its distance to the edge of the parcel (px), and its
        position along the strip (px).
    """
    along, across = _rotated(window, angle)
    strip = np.floor(across / np.float32(size_px)).astype(np.int64)
    zero = np.zeros((1, 1), np.int64)
    length = size_px * (0.7 + 1.8 * uniform(key + 8, strip, zero))
    place = along / length + 7 * uniform(key + 9, strip, zero)
    parcel = np.floor(place).astype(np.int64)
    inside, within = place - parcel, across / np.float32(size_px) - strip
    edge = np.minimum(np.minimum(inside, 1 - inside) * length,
                      np.minimum(within, 1 - within) * np.float32(size_px))  # fmt: skip
    return strip, parcel, edge.astype(np.float32), along
