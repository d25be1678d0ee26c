"""Outlines of the cells of the grid, and of the tiles around them.

A cell is a rectangle in degrees. A tile is a square of 10,680 m in a UTM zone. Its lower left
corner is 340 m left of and 340 m below the projected south-west corner of the cell. Neighbouring
tiles overlap.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minortom.errors import InputError
from minortom.grid.cells import Cells

TILE_M = 10_680.0
"""Side of a full tile, in metres."""
TILE_MARGIN_M = 340.0
"""Distance from the south-west corner of a cell to the tile's left and lower edge, in metres."""

_LONLAT = 4326

Polygons = NDArray[np.object_]
"""[n] shapely geometries in degrees, longitude first."""


def cell_polygons(cells: Cells) -> Polygons:
    """Return the outline of each cell: a rectangle, cut into two parts at the antimeridian."""
    import shapely

    west, south, east, north = cells.bounds_deg()
    return cut_at_antimeridian(shapely.box(west, south, east, north))


def tile_bounds_m(cells: Cells, epsg: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return the bounds of the tiles of cells in a UTM zone.

    Args:
        cells: n cells.
        epsg: EPSG code of the zone, one for all cells or [n]; the zones of ``Cells.utm_epsg``
            when None. A published tile is in the zone of its product: give its ``crs``.

    Returns:
        [n, 4] left, bottom, right, top, in metres of that zone.

    Raises:
        InputError: If a code is not the code of a coordinate system in metres.
    """
    zones = _zones(cells, epsg)
    west, south, _, _ = cells.bounds_deg()
    corner_m = np.empty((len(cells), 2))
    for zone in np.unique(zones):
        _check_zone(int(zone))
        here = zones == zone
        to_zone = _transformer(_LONLAT, int(zone))
        corner_m[here] = np.stack(to_zone.transform(west[here], south[here]), axis=-1)
    left_bottom = corner_m - TILE_MARGIN_M
    return np.concatenate([left_bottom, left_bottom + TILE_M], axis=1)


def tile_polygons(cells: Cells, epsg: ArrayLike | None = None) -> Polygons:
    """Return the outlines of tiles in degrees, with straight edges between the corners.

    Up to 85 degrees of latitude such an edge is within 25 m of the true edge of the tile.

    Args:
        cells: n cells.
        epsg: As for ``tile_bounds_m``.

    Raises:
        InputError: As ``tile_bounds_m`` does.
    """
    import shapely

    zones = _zones(cells, epsg)
    left, bottom, right, top = tile_bounds_m(cells, zones).T
    x_m = np.stack([left, right, right, left], axis=1)
    y_m = np.stack([bottom, bottom, top, top], axis=1)
    ring_deg = np.empty((len(cells), 4, 2))
    for zone in np.unique(zones):
        here = zones == zone
        to_lonlat = _transformer(int(zone), _LONLAT)
        ring_deg[here] = np.stack(to_lonlat.transform(x_m[here], y_m[here]), axis=-1)
    # The longitude of a corner beyond the antimeridian wraps around: unwrap it to the first corner.
    turns = np.round((ring_deg[:, :, 0] - ring_deg[:, :1, 0]) / 360)
    ring_deg[:, :, 0] -= 360 * turns
    return cut_at_antimeridian(shapely.polygons(ring_deg))


def _zones(cells: Cells, epsg: ArrayLike | None) -> NDArray[np.int64]:
    zones = np.asarray(cells.utm_epsg() if epsg is None else epsg, dtype=np.int64)
    return np.broadcast_to(zones, (len(cells),))


def _transformer(source_epsg: int, target_epsg: int) -> Any:  # noqa: ANN401 - pyproj has no types
    from pyproj import Transformer

    return Transformer.from_crs(source_epsg, target_epsg, always_xy=True)


def _check_zone(epsg: int) -> None:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        crs = CRS.from_epsg(epsg)
    except CRSError:
        raise InputError(
            f"expected the EPSG code of a UTM zone such as 32633, found {epsg}, which is unknown"
        ) from None
    if not crs.is_projected or crs.axis_info[0].unit_name != "metre":
        raise InputError(
            f"expected the EPSG code of a UTM zone such as 32633, found {epsg} ({crs.name}), "
            "which is not in metres"
        )


def cut_at_antimeridian(polygons: Polygons) -> Polygons:
    """Cut polygons at 180 and -180 degrees, and shift the outer part by 360 degrees (RFC 7946)."""
    import shapely

    left, _, right, _ = shapely.bounds(polygons).T
    for i in np.flatnonzero((right > 180) | (left < -180)):
        shift = 360.0 if right[i] > 180 else -360.0
        inside = shapely.box(-180, -90, 180, 90)
        beyond = shapely.transform(polygons[i], lambda xy, by=shift: xy - [by, 0.0])
        parts = [shapely.intersection(part, inside) for part in (polygons[i], beyond)]
        polygons[i] = shapely.multipolygons([p for p in parts if shapely.area(p) > 0])
    return polygons
