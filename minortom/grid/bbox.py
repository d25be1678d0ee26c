"""A box in degrees, as in ``--bbox W,S,E,N``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from minortom.errors import InputError

if TYPE_CHECKING:  # the command line reads boxes before it needs numpy
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class BBox:
    """Edges in degrees, all of them inside the box; west > east means across the antimeridian.

    Raises:
        InputError: If an edge is out of range or south lies above north.
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
                    f"the box's {name} edge is {value}; wanted degrees from -{limit} to {limit}"
                )
        if self.south > self.north:
            raise InputError(
                f"the box's south edge {self.south} lies above its north edge {self.north}; "
                "wanted W,S,E,N"
            )

    @classmethod
    def parse(cls, text: str) -> BBox:
        """Read ``W,S,E,N``.

        Raises:
            InputError: If these are not four numbers, or no box.
        """
        try:
            west, south, east, north = (float(part) for part in text.split(","))
        except ValueError:
            raise InputError(
                f"{text!r} is no box; wanted W,S,E,N in degrees, such as -10,35,30,60"
            ) from None
        return cls(west=west, south=south, east=east, north=north)

    def contains(
        self, lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Say of [n] points, longitudes in [-180, 180], whether they lie inside."""
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
        """Say of [n] boxes, degrees, whether they share more than an edge with this one.

        Their east may lie beyond 180: over the antimeridian. A box without width or height
        touches those that own the line or point: a box owns its western and southern edges.
        """
        own_east = self.east + 360 if self.west > self.east else self.east
        in_lon = [_overlap(self.west, own_east, west + by, east + by) for by in (-360, 0, 360)]
        touches: NDArray[np.bool_] = (in_lon[0] | in_lon[1] | in_lon[2]) & _overlap(
            self.south, self.north, south, north
        )
        return touches

    def as_list(self) -> list[float]:
        """Give the four edges, west first, for a provenance record."""
        return [self.west, self.south, self.east, self.north]


def _overlap(
    low: float, high: float, lows: NDArray[np.float64], highs: NDArray[np.float64]
) -> NDArray[np.bool_]:
    if low == high:
        return (lows <= low) & (low < highs)
    return (lows < high) & (low < highs)
