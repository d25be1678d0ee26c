"""Pixel grids in a projection, and rectangles of their pixels."""

from dataclasses import dataclass, replace

_TOLERANCE_PX = 0.01
"""Two grids that differ by less, in pixels, are the same grid."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Square pixels with north up in a projection, as a GeoTIFF has them."""

    epsg: int
    pixel_m: float
    west_m: float
    north_m: float
    height_px: int
    width_px: int

    def part(self, box: "Box") -> "Grid":
        """Return the grid of the pixels of a box."""
        return replace(
            self, west_m=self.west_m + box.col_px * self.pixel_m,
            north_m=self.north_m - box.row_px * self.pixel_m,
            height_px=box.height_px, width_px=box.width_px,
        )  # fmt: skip

    def finer(self, factor: int) -> "Grid":
        """Return the grid that cuts each pixel into ``factor`` × ``factor`` pixels."""
        return replace(
            self, pixel_m=self.pixel_m / factor, height_px=self.height_px * factor,
            width_px=self.width_px * factor,
        )  # fmt: skip

    def coarser(self, factor: int) -> "Grid":
        """Return the grid of pixels ``factor`` times as large; pixels at the edge are dropped."""
        return replace(
            self, pixel_m=self.pixel_m * factor, height_px=self.height_px // factor,
            width_px=self.width_px // factor,
        )  # fmt: skip

    def starts_with(self, other: "Grid") -> bool:
        """Return whether both have the same projection, north-west corner and pixel size."""
        apart_m = max(abs(self.west_m - other.west_m), abs(self.north_m - other.north_m))
        longest_px = max(self.height_px, self.width_px)
        return (
            self.epsg == other.epsg
            and abs(self.pixel_m - other.pixel_m) * longest_px < _TOLERANCE_PX * self.pixel_m
            and apart_m < _TOLERANCE_PX * self.pixel_m
        )

    def contains(self, box: "Box") -> bool:
        """Return whether all pixels of a box lie in the grid."""
        return (
            box.row_px + box.height_px <= self.height_px
            and box.col_px + box.width_px <= self.width_px
        )


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle of pixels of a grid."""

    row_px: int
    col_px: int
    height_px: int
    width_px: int

    def scaled(self, factor: int) -> "Box":
        """Return the same ground in pixels ``factor`` times as large; all sides must divide."""
        sides = (self.row_px, self.col_px, self.height_px, self.width_px)
        assert not any(side % factor for side in sides), (sides, factor)
        row, col, height, width = (side // factor for side in sides)
        return Box(row_px=row, col_px=col, height_px=height, width_px=width)
