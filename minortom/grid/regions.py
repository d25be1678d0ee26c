"""Areas of interest: polygons of a vector file, and the boxes in degrees that they overlap.

Two areas overlap if they share more than an edge or a corner.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minortom.api.arguments import path_of
from minortom.errors import InputError, UsageError
from minortom.grid.lonlat_polygons import to_lonlat
from minortom.grid.region_files import EXPECTED, OPTION, read_layer
from minortom.io.provenance import sha256_of

if TYPE_CHECKING:
    from minortom.grid.bbox import BBox
    from minortom.grid.cells import Cells, Edges

BoolArray = NDArray[np.bool_]

_INSIDE, _OUTSIDE, _MIXED = 1, 0, -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    """Area of interest on the globe."""

    name: str
    """The path of the file, for error messages."""
    area: Any
    """Polygon or multipolygon of shapely in degrees, longitudes from -180 to 180."""
    layer: str | None = None
    """The name of the layer that the user chose."""
    sha256: str
    """SHA-256 of the file, for provenance; of a shapefile with its ``.prj`` file."""
    _blocks: NDArray[np.int8] = field(init=False, repr=False)
    """[180, 360] state of each square degree, from -90 and -180: inside, outside or mixed."""

    def __post_init__(self) -> None:
        import shapely

        shapely.prepare(self.area)
        object.__setattr__(self, "_blocks", _blocks_of(self.area))

    @classmethod
    def read(cls, path: Path, layer: str | None = None) -> Region:
        """Read the union of all polygons in a file, in any coordinate system.

        Polygons in degrees that cross the antimeridian must be cut there into two parts, as
        GeoJSON requires (RFC 7946). Projected polygons are cut here.

        Args:
            path: The file; see ``read_layer``.
            layer: Name of its layer; None for the only layer that can have polygons.

        Raises:
            InputError: If the file is missing, unreadable, empty or without a coordinate system,
                has several layers or other geometries than polygons, or has degrees out of range
                or edges of more than 180 degrees of longitude.
        """
        found = read_layer(path, layer)
        if found.crs is None:
            raise InputError(f"{path} has no coordinate system; add one, such as a .prj file")
        area = to_lonlat(found.polygons, found.crs, name=str(path))
        if not area.area > 0:
            raise InputError(f"{path} has polygons without area; {EXPECTED}")
        return cls(name=str(path), layer=layer, area=area, sha256=_hash(path))

    def as_options(self) -> dict[str, object]:
        """Return the options that change the result beside the file, for the provenance."""
        return {} if self.layer is None else {"region_layer": self.layer}

    def touches(self, cells: Cells) -> BoolArray:
        """Return a mask [n] of the cells whose bounds in degrees overlap the area."""
        return self.touches_boxes(*cells.bounds_deg())

    def touches_boxes(
        self,
        west: NDArray[np.float64],
        south: NDArray[np.float64],
        east: NDArray[np.float64],
        north: NDArray[np.float64],
    ) -> BoolArray:
        """Return a mask [n] of the boxes (degrees, west at least -180) that overlap the area.

        An ``east`` above 180 means a box across the antimeridian.
        """
        found = self._touches(west, south, np.minimum(east, 180), north)
        beyond = np.flatnonzero((east > 180) & ~found)
        start = np.full(len(beyond), -180.0)
        found[beyond] = self._touches(start, south[beyond], east[beyond] - 360, north[beyond])
        return found

    def _touches(self, *edges: NDArray[np.float64]) -> BoolArray:
        """Look up the corners of boxes in the blocks; compare only the undecided boxes exactly."""
        west, south, east, north = edges
        rows = [np.clip(np.floor(lat + 90).astype(np.intp), 0, 179) for lat in (south, north)]
        columns = [np.clip(np.floor(lon + 180).astype(np.intp), 0, 359) for lon in (west, east)]
        # A box of at most one degree lies in the blocks of its four corners.
        small = (east - west <= 1) & (north - south <= 1)
        corners = [self._blocks[row, column] for row in rows for column in columns]
        inside: BoolArray = small & np.logical_and.reduce([c == _INSIDE for c in corners])
        outside = small & np.logical_and.reduce([c == _OUTSIDE for c in corners])
        open_ = np.flatnonzero(~(inside | outside))
        inside[open_] = _overlap(self.area, *(edge[open_] for edge in edges))
        return inside


def region_of(region: object, region_layer: object) -> Region | None:
    """Read the region that a public function was given; None where it was given none.

    Raises:
        UsageError: If there is a layer without a region.
        InputError: If the region is unusable; see ``Region.read``.
    """
    if region_layer is not None and not isinstance(region_layer, str):
        raise InputError(f"region_layer must be the name of a layer, found {region_layer!r}")
    if region is None and region_layer is not None:
        raise UsageError(f"expected --region beside {OPTION}; give the file of the layer")
    return None if region is None else Region.read(path_of("region", region), region_layer)


def touched(edges: Edges, *, region: Region | None, bbox: BBox | None) -> BoolArray:
    """Return a mask [n] of the boxes (west, south, east, north) that overlap region and box."""
    found = np.ones(len(edges[0]), dtype=bool) if bbox is None else bbox.touches_boxes(*edges)
    if region is not None:
        here = np.flatnonzero(found)
        found[here] = region.touches_boxes(*(edge[here] for edge in edges))
    return found


def _blocks_of(area: Any) -> NDArray[np.int8]:  # noqa: ANN401 - shapely has no types
    import shapely

    south, west = (a.ravel().astype(float) for a in np.mgrid[-90:90, -180:180])
    blocks = np.full(len(west), _OUTSIDE, np.int8)
    near = np.flatnonzero(_overlap(area, west, south, west + 1, south + 1))
    boxes = shapely.box(west[near], south[near], west[near] + 1, south[near] + 1)
    blocks[near] = np.where(shapely.covers(area, boxes), _INSIDE, _MIXED)
    return blocks.reshape(180, 360)


def _overlap(
    area: Any,  # noqa: ANN401 - shapely has no types
    west: NDArray[np.float64],
    south: NDArray[np.float64],
    east: NDArray[np.float64],
    north: NDArray[np.float64],
) -> BoolArray:
    """Return a mask [n] of the boxes that overlap a prepared area."""
    import shapely

    left, bottom, right, top = shapely.bounds(area)
    found: BoolArray = (west < right) & (east > left) & (south < top) & (north > bottom)
    near = np.flatnonzero(found)
    boxes = shapely.box(west[near], south[near], east[near], north[near])
    meets = shapely.intersects(area, boxes)
    meets[meets] = ~shapely.touches(area, boxes[meets])
    found[near] = meets
    return found


def _hash(path: Path) -> str:
    beside = path.with_suffix(".prj")
    if path.suffix.lower() != ".shp" or not beside.exists():
        return sha256_of(path)
    return hashlib.sha256(f"{sha256_of(path)} {sha256_of(beside)}".encode()).hexdigest()
