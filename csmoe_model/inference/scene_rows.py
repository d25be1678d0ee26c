"""The pixels of a scene, a row of tiles at a time; each pixel is read once.

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
    """Pixels of one sensor or both on one grid, of which rows are read."""

    @property
    def bands(self) -> Mapping[SensorName, tuple[str, ...]]:
        """Name its bands, by sensor."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """Name the files that it lies in."""
        ...

    @property
    def height_px(self) -> int:
        """Count its rows."""
        ...

    @property
    def width_px(self) -> int:
        """Count its columns."""
        ...

    @property
    def pixel_m(self) -> float | None:
        """Give the side of a pixel in metres; None where its projection is in another unit."""
        ...

    def read(
        self, sensor: SensorName, channels: Sequence[int], *, row_px: int, height_px: int
    ) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Read rows of some bands of a sensor.

        Returns:
            Values [C, H, W], Sentinel-2 as reflectance × 10,000 and Sentinel-1 in dB, and where
            they were measured, [C, H, W].
        """
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Strip:
    """Rows of a scene, as wide as the scene."""

    values: Mapping[SensorName, FloatArray]
    """[C, H, W] by sensor; of any value where not measured."""
    measured: NDArray[np.bool_]
    """[H, W], True where every band of every sensor was measured."""


def strips(
    scene: Scene, channels: Mapping[SensorName, Sequence[int]], grid: TileGrid
) -> Iterator[tuple[int, Strip]]:
    """Read the pixels of each row of tiles, from the top; rows that overlap are kept.

    Args:
        scene: Where from.
        channels: Numbers of the bands wanted, by sensor.
        grid: The tiles.

    Yields:
        The token row at which the tiles begin, and their pixels, `tile_px` rows.
    """
    former, begin = None, 0
    for top in grid.tops:
        first, last = grid.first_px(top), grid.first_px(top) + grid.tile_px
        if former is None:
            former = _read(scene, channels, first, last)
        else:
            end = begin + grid.tile_px
            former = _joined(former, first - begin, _read(scene, channels, end, last))
        begin = first
        yield top, former


def _read(
    scene: Scene, channels: Mapping[SensorName, Sequence[int]], first: int, last: int
) -> Strip:
    values, measured = {}, np.ones((last - first, scene.width_px), np.bool_)
    for sensor, numbers in channels.items():
        values[sensor], valid = scene.read(sensor, numbers, row_px=first, height_px=last - first)
        measured &= valid.all(axis=0)
    return Strip(values=values, measured=measured)


def _joined(former: Strip, drop: int, below: Strip) -> Strip:
    """Put rows below others, of which the first `drop` are left away."""
    return Strip(
        values={
            sensor: np.concatenate([former.values[sensor][:, drop:], new], axis=1)
            for sensor, new in below.values.items()
        },
        measured=np.concatenate([former.measured[drop:], below.measured]),
    )
