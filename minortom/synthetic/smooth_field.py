"""Smooth random fields on the sphere, for a planet whose neighbouring cells resemble each other.

Each property of ``PROPERTIES`` has a field of its own: a sum of cosines with random directions,
wavelengths and phases (random Fourier features, Rahimi and Recht 2007), which tends to a Gaussian
random field of mean 0 and deviation 1. Two places at the straight distance d, through the Earth,
have the correlation exp(-(d / range)²): 0.78 at half the range, 0.37 at the range, 0.02 at twice.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.grid.sphere import EARTH_RADIUS_KM, unit_vectors

Property = Literal["greenness", "moisture", "texture_scale", "radar_level"]
PROPERTIES: tuple[Property, ...] = ("greenness", "moisture", "texture_scale", "radar_level")

FIELD_SHARE = 0.8
"""Share of a property's variance within its climate that the field explains; the rest is of the
single cell. Frozen: see docs/demo.md for the measurement that it was chosen by."""

_WAVES = 512
"""Cosines in a field."""
_POINTS_AT_ONCE = 16_384


@dataclass(frozen=True, kw_only=True)
class FieldValues:
    """Values of the fields in a cell, each with mean 0 and deviation 1 over the planet."""

    greenness: float
    moisture: float
    texture_scale: float
    radar_level: float

    def blend(self, name: Property, own: float, deviation: float) -> float:
        """Return a deviation from the mean that the field and the cell share.

        Args:
            name: The property.
            own: Deviation of the single cell, drawn with ``deviation``.
            deviation: Standard deviation of the result over the planet, too.
        """
        part: float = asdict(self)[name]
        return float(FIELD_SHARE**0.5 * deviation * part + (1 - FIELD_SHARE) ** 0.5 * own)


@dataclass(frozen=True, kw_only=True)
class SmoothField:
    """Fields of all properties.

    Raises:
        InputError: If the range is not a number above 0.
    """

    seed: int
    range_km: float
    """Distance at which the correlation is exp(-1), in km."""

    def __post_init__(self) -> None:
        if not 0 < self.range_km < np.inf:
            raise InputError(
                f"expected --field-km above 0, found {self.range_km:g}; give the range of the "
                "fields in km, or leave it out"
            )

    def at(self, lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values [n, 4] of ``PROPERTIES`` at [n] points."""
        points = unit_vectors(lon_deg, lat_deg)
        values = np.empty((len(points), len(PROPERTIES)))
        for column, (wave, phase) in enumerate(self._waves()):
            for start in range(0, len(points), _POINTS_AT_ONCE):
                some = points[start : start + _POINTS_AT_ONCE]
                cosines = np.cos(some @ wave.T + phase)
                values[start : start + len(some), column] = cosines.sum(axis=1)
        found: NDArray[np.float64] = values * np.sqrt(2 / _WAVES)
        return found

    def _waves(self) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Yield the wave vectors [w, 3], per radius of the Earth, and the phases [w] of a field."""
        rng = np.random.default_rng([self.seed, 7])
        deviation = np.sqrt(2) * EARTH_RADIUS_KM / self.range_km
        for _ in PROPERTIES:
            yield rng.normal(0, deviation, (_WAVES, 3)), rng.uniform(0, 2 * np.pi, _WAVES)


def field_values(row: NDArray[np.float64]) -> FieldValues:
    """Return the values [4] of a place as ``SmoothField.at`` gives them."""
    return FieldValues(**dict(zip(PROPERTIES, row.tolist(), strict=True)))
