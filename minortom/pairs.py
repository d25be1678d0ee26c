"""The mean distance over all pairs of points, in one thread or on all cores."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from minortom.compiled import compiled
from minortom.engine import available_cores
from minortom.kernels import chord2
from minortom.sphere import EARTH_RADIUS_KM

_POINTS_PER_CALL = 256  # few enough to keep all cores busy to the end

FloatArray = NDArray[np.float64]


def mean_pairwise_on_all_cores_km(points: FloatArray) -> float:
    """Do what :func:`mean_pairwise_km` does, to the same bits, on all cores."""
    n, sums = len(points), np.zeros(len(points))

    def fill(start: int) -> None:
        sum_angles(points, start, min(start + _POINTS_PER_CALL, n), sums)

    with ThreadPoolExecutor(available_cores()) as threads:  # the kernel releases the GIL
        list(threads.map(fill, range(0, n, _POINTS_PER_CALL)))  # raises what a thread raised
    return float(mean_of_sums_km(sums))


@compiled
def mean_pairwise_km(points: FloatArray) -> float:
    """Average the great-circle distances of all pairs of points; NaN for fewer than two."""
    sums = np.zeros(len(points))
    sum_angles(points, 0, len(points), sums)
    return mean_of_sums_km(sums)


@compiled
def sum_angles(points: FloatArray, start: int, stop: int, sums: FloatArray) -> None:
    """Fill in, for points start to stop, half the angles to all points after each, summed.

    A sum for each point: rounding stays far below a metre for any number of pairs, and the mean
    has the same bits however the points are divided among threads.
    """
    for a in range(start, stop):
        total = 0.0
        for b in range(a + 1, len(points)):
            total += np.arcsin(min(np.sqrt(chord2(points, a, points, b)) / 2, 1.0))
        sums[a] = total


@compiled
def mean_of_sums_km(sums: FloatArray) -> float:
    """Turn the sums of :func:`sum_angles` into the mean distance of all pairs."""
    n, total = len(sums), 0.0
    for a in range(n):
        total += sums[a]
    return 2 * EARTH_RADIUS_KM * total / (n * (n - 1) / 2) if n > 1 else np.nan
