"""Pixels of a scene, read by rows of tiles; each pixel is read once.

Axes, as name suffixes:
    C  bands    H W  pixel rows and columns
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from csmoe_model.inference.tile_grid import FloatArray, TileGrid
from minortom.sensors import SensorName


class Scene(Protocol):
    """Scene of one sensor or both on one pixel grid, read by rows."""

    @property
    def bands(self) -> Mapping[SensorName, tuple[str, ...]]:
        """Names of the bands, by sensor."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """Files of the scene."""
        ...

    @property
    def height_px(self) -> int:
        """Number of pixel rows."""
        ...

    @property
    def width_px(self) -> int:
        """Number of pixel columns."""
        ...

    @property
    def pixel_m(self) -> float | None:
        """Side of a pixel in metres; None where pixels are not square or not in metres."""
        ...

    def read(
        self, sensor: SensorName, channels: Sequence[int], *, row_px: int, height_px: int
    ) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Read rows of some bands of a sensor.

        Returns:
            Values [C, H, W], Sentinel-2 as reflectance × 10,000 and Sentinel-1 in dB; and a mask
            [C, H, W], True where they were measured.
        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Strip:
    """Rows of a scene, over its whole width."""

    values: Mapping[SensorName, FloatArray]
    """[C, H, W] by sensor; arbitrary values where not measured."""
    measured: NDArray[np.bool_]
    """[H, W], True where every band of every sensor was measured."""


def strips(
    scene: Scene, channels: Mapping[SensorName, Sequence[int]], grid: TileGrid
) -> Iterator[tuple[int, Strip]]:
    """Read the pixels of each row of tiles, from the top; overlapping rows are not read again.

    Args:
        scene: The scene.
        channels: Numbers of the bands to read, by sensor.
        grid: Tiles of the scene.

    Yields:
        The token row at which the tiles begin, and their pixels, `tile_px` rows.
    """
    previous, begin = None, 0
    for top in grid.tops:
        first, last = grid.first_px(top), grid.first_px(top) + grid.tile_px
        if previous is None:
            previous = _read(scene, channels, first, last)
        else:
            end = begin + grid.tile_px
            previous = _joined(previous, first - begin, _read(scene, channels, end, last))
        begin = first
        yield top, previous


def _read(
    scene: Scene, channels: Mapping[SensorName, Sequence[int]], first: int, last: int
) -> Strip:
    values, measured = {}, np.ones((last - first, scene.width_px), np.bool_)
    for sensor, numbers in channels.items():
        values[sensor], valid = scene.read(sensor, numbers, row_px=first, height_px=last - first)
        measured &= valid.all(axis=0)
    return Strip(values=values, measured=measured)


def _joined(previous: Strip, drop: int, below: Strip) -> Strip:
    """Return strips joined one below the other, without the first `drop` rows of the upper one."""
    return Strip(
        values={
            sensor: np.concatenate([previous.values[sensor][:, drop:], new], axis=1)
            for sensor, new in below.values.items()
        },
        measured=np.concatenate([previous.measured[drop:], below.measured]),
    )
