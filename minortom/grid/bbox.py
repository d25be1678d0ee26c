"""Bounding boxes in degrees, as in ``--bbox W,S,E,N``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from minortom.errors import InputError

if TYPE_CHECKING:  # the command line reads boxes before it needs numpy
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class BBox:
    """Bounding box with inclusive edges in degrees.

    ``west > east`` means a box across the antimeridian.

    Raises:
        InputError: If an edge is out of range or the south edge lies above the north edge.
    """

    west: float
    south: float
    east: float
    north: float

    def __post_init__(self) -> None:
        for name, value, limit in (
            ("west", self.west, 180), ("south", self.south, 90),
            ("east", self.east, 180), ("north", self.north, 90),
        ):  # fmt: skip
            if not abs(value) <= limit:
                raise InputError(
                    f"expected degrees from -{limit} to {limit} for the {name} edge of the box, "
                    f"found {value}"
                )
        if self.south > self.north:
            raise InputError(
                f"expected W,S,E,N with S below N, found the south edge {self.south} above the "
                f"north edge {self.north}"
            )

    @classmethod
    def parse(cls, text: str) -> BBox:
        """Read ``W,S,E,N``.

        Raises:
            InputError: If the text is not four numbers, or these are not a box.
        """
        try:
            west, south, east, north = (float(part) for part in text.split(","))
        except ValueError:
            raise InputError(
                f"expected a box W,S,E,N in degrees, such as -10,35,30,60, found {text!r}"
            ) from None
        return cls(west=west, south=south, east=east, north=north)

    def contains(
        self, lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Return a mask [n] of the points inside the box, longitudes in [-180, 180]."""
        if self.west > self.east:
            in_lon = (lon_deg >= self.west) | (lon_deg <= self.east)
        else:
            in_lon = (lon_deg >= self.west) & (lon_deg <= self.east)
        if 180 in (-self.west, self.east):  # the antimeridian is both -180 and 180
            in_lon |= abs(lon_deg) == 180
        inside: NDArray[np.bool_] = in_lon & (lat_deg >= self.south) & (lat_deg <= self.north)
        return inside

    def touches_boxes(
        self,
        west: NDArray[np.float64],
        south: NDArray[np.float64],
        east: NDArray[np.float64],
        north: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Return a mask [n] of the boxes (degrees) that share more than an edge with this one.

        An ``east`` beyond 180 means a box across the antimeridian. This box may be without width
        or height: it then touches the boxes that own its line or point. A box owns its western
        and southern edges.
        """
        own_east = self.east + 360 if self.west > self.east else self.east
        in_lon = [_overlap(self.west, own_east, west + by, east + by) for by in (-360, 0, 360)]
        touches: NDArray[np.bool_] = (in_lon[0] | in_lon[1] | in_lon[2]) & _overlap(
            self.south, self.north, south, north
        )
        return touches

    def as_list(self) -> list[float]:
        """Return the four edges, west first, for a provenance record."""
        return [self.west, self.south, self.east, self.north]


BBoxLike = BBox | str | Sequence[float]
"""A box, as public functions accept it."""


def as_bbox(value: BBoxLike | None) -> BBox | None:
    """Return a box from ``"W,S,E,N"``, four numbers (degrees), or a ``BBox``; None of None.

    Raises:
        InputError: If the value is something else, or not a box.
    """
    if value is None or isinstance(value, BBox):
        return value
    if isinstance(value, str):
        return BBox.parse(value)
    try:
        west, south, east, north = (float(edge) for edge in value)
    except (TypeError, ValueError):
        raise InputError(
            f"bbox must be 'W,S,E,N', four numbers or a BBox, found {value!r}"
        ) from None
    return BBox(west=west, south=south, east=east, north=north)


def _overlap(
    low: float, high: float, lows: NDArray[np.float64], highs: NDArray[np.float64]
) -> NDArray[np.bool_]:
    if low == high:
        return (lows <= low) & (low < highs)
    return (lows < high) & (low < highs)
