"""Reproducible noise: a value depends only on a key and the position of the pixel.

A window of a synthetic tile therefore has the same pixels as the whole tile, in any order and in
any process. The noise is counter-based, with integer hashes ("lowbias32" of C. Wellons'
hash-prospector).
"""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating]
"""One float32 value per pixel, [height, width]."""

_BYTES_MEAN, _BYTES_STD = 510.0, float(np.sqrt(4 * (256**2 - 1) / 12))
_SPLINE_STD = 151 / 315
"""Standard deviation of white noise after a cubic B-spline in two directions.

It is the mean over positions of the sum of squared weights, whose root enters once per direction.
"""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Rectangle of a tile, in pixels from the upper left corner of the tile."""

    row: int
    col: int
    height: int
    width: int

    def rows_cols(self) -> tuple[Field, Field]:
        """Return the row [height, 1] and the column [1, width] of each pixel."""
        rows = np.arange(self.row, self.row + self.height, dtype=np.float32)
        cols = np.arange(self.col, self.col + self.width, dtype=np.float32)
        return rows[:, None], cols[None, :]

    def coarser(self, factor: int) -> "Window":
        """Return the same rectangle in pixels that are ``factor`` times as wide."""
        return Window(
            row=self.row // factor, col=self.col // factor,
            height=self.height // factor, width=self.width // factor,
        )  # fmt: skip


def key_of(*parts: int | str) -> int:
    """Return a 32-bit key for numbers and words; equal parts give an equal key."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=4).digest(), "little")


def hashed(key: int, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return a hash of 32 evenly distributed bits for each pair of integers, with broadcasting."""
    mixed = _mix((rows & 0xFFFFFFFF).astype(np.uint32) + np.uint32(key & 0xFFFFFFFF))
    return _mix(mixed ^ ((cols & 0xFFFFFFFF).astype(np.uint32) * np.uint32(0x9E3779B1)))


def uniform(key: int, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> Field:
    """Return uniform noise in [0, 1) for each pair of integers."""
    bits = hashed(key, rows, cols) >> np.uint32(8)  # 24 bits, exact in float32
    return bits.astype(np.float32) * np.float32(2**-24)


def white(key: int, window: Window) -> Field:
    """Return nearly normal white noise, mean 0 and deviation 1: the sum of four bytes of a hash."""
    rows = np.arange(window.row, window.row + window.height)[:, None]
    cols = np.arange(window.col, window.col + window.width)[None, :]
    bits = hashed(key, rows, cols)
    pairs = (bits & np.uint32(0x00FF00FF)) + ((bits >> np.uint32(8)) & np.uint32(0x00FF00FF))
    total = (pairs & np.uint32(0xFFFF)) + (pairs >> np.uint32(16))
    return (total.astype(np.float32) - np.float32(_BYTES_MEAN)) / np.float32(_BYTES_STD)


def smooth(key: int, window: Window, period_px: float) -> Field:
    """Return noise that varies over ``period_px`` pixels, mean 0 and deviation 1.

    It is white noise on a lattice with that period, smoothed by a cubic B-spline.
    """
    row_at, row_weights = _spline(window.row, window.height, period_px)
    col_at, col_weights = _spline(window.col, window.width, period_px)
    lattice = white(
        key,
        Window(
            row=int(row_at[0]), col=int(col_at[0]),
            height=int(row_at[-1] - row_at[0]) + 4, width=int(col_at[-1] - col_at[0]) + 4,
        ),
    )  # fmt: skip
    row_at, col_at = row_at - row_at[0], col_at - col_at[0]
    blended = np.zeros((window.height, lattice.shape[1]), np.float32)
    for tap in range(4):
        blended += lattice.take(row_at + tap, axis=0) * row_weights[tap][:, None]
    field = np.zeros((window.height, window.width), np.float32)
    for tap in range(4):
        field += blended.take(col_at + tap, axis=1) * col_weights[tap]
    return field / np.float32(_SPLINE_STD)


def layered(key: int, window: Window, period_px: float, octaves: int) -> Field:
    """Return a sum of smooth fields; each has half the period and 0.6 of the weight before."""
    weights = 0.6 ** np.arange(octaves)
    field = np.zeros((window.height, window.width), np.float32)
    for octave, weight in enumerate(weights):
        part = smooth(key + octave, window, period_px / 2**octave)
        field += part * np.float32(weight / np.sqrt((weights**2).sum()))
    return field


def _spline(start: int, count: int, period_px: float) -> tuple[NDArray[np.int64], list[Field]]:
    """Return the first of four lattice points for each pixel, and the four weights."""
    place = (np.arange(start, start + count) + 0.5) / period_px
    first = np.floor(place).astype(np.int64)
    t = (place - first).astype(np.float32)
    weights = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    return first, [weight / np.float32(6) for weight in weights]


def _mix(bits: NDArray[np.uint32]) -> NDArray[np.uint32]:
    bits = bits ^ (bits >> np.uint32(16))
    bits *= np.uint32(0x7FEB352D)
    bits ^= bits >> np.uint32(15)
    bits *= np.uint32(0x846CA68B)
    bits ^= bits >> np.uint32(16)
    return bits
