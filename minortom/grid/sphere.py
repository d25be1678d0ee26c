"""Points on the sphere: unit vectors and great-circle distances.

The haversine formula measures a distance d by hav(d / R) = sin²(d / 2R). Between unit vectors u
and v this equals |u - v|² / 4. The squared chord therefore gives the same distance with three
subtractions and no trigonometry. Kernels work on squared chords and convert them to kilometres at
the end.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

EARTH_RADIUS_KM = 6371.0088
"""Mean radius R1 of the WGS 84 ellipsoid (Moritz 2000, doi 10.1007/s001900050278)."""

FloatArray = NDArray[np.float64]


def unit_vectors(lon_deg: ArrayLike, lat_deg: ArrayLike) -> FloatArray:
    """Return [n] points in degrees as unit vectors [n, 3]."""
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    vectors = (np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat))
    return np.ascontiguousarray(np.stack(vectors, axis=-1), dtype=np.float64)


def km_of_chord(chord: ArrayLike) -> FloatArray:
    """Return the great-circle distances in km of chords between unit vectors (0 to 2)."""
    half = np.minimum(np.asarray(chord, np.float64) / 2, 1.0)
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(half))


def chord_of_km(distance_km: float) -> float:
    """Return the chord of a great-circle distance in km, at most half the circumference."""
    return float(2 * np.sin(distance_km / (2 * EARTH_RADIUS_KM)))
