"""Outlines on the ground: of a cell of the grid, and of the tile that is cut around it.

A cell is a rectangle in degrees. A tile is a square in a UTM zone: the cell's south-west
corner, projected, then 340 m further left and down, 10,680 m a side. Neighbours overlap.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from minortom.errors import InputError
from minortom.grid.cells import Cells

TILE_M = 10_680.0
"""Side of a full tile."""
TILE_MARGIN_M = 340.0
"""What a tile reaches beyond its cell's south-west corner, to the left and down."""

_LONLAT = 4326

Polygons = NDArray[np.object_]
"""[n] shapely geometries in degrees, longitude first."""


def cell_polygons(cells: Cells) -> Polygons:
    """Outline cells: a rectangle each, in two parts where it crosses the antimeridian."""
    import shapely

    west, south, east, north = cells.bounds_deg()
    return _cut_at_antimeridian(shapely.box(west, south, east, north))


def tile_bounds_m(cells: Cells, epsg: ArrayLike | None = None) -> NDArray[np.float64]:
    """Bound the tiles of cells in a UTM zone.

    Args:
        cells: n cells.
        epsg: EPSG code of the zone, one for all or [n]; the grid's own zones when None. A
            published tile lies in the zone of its product: give its ``crs``.

    Returns:
        [n, 4] left, bottom, right, top, metres in that zone.

    Raises:
        InputError: If a code is not that of a coordinate system in metres.
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
    """Outline the tiles of cells in degrees, with straight edges between their corners.

    An edge so drawn lies within some 25 m of the tile's own, up to 85 degrees of latitude.

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
    # Corners beyond the antimeridian come back from the other side: put them beside the first.
    turns = np.round((ring_deg[:, :, 0] - ring_deg[:, :1, 0]) / 360)
    ring_deg[:, :, 0] -= 360 * turns
    return _cut_at_antimeridian(shapely.polygons(ring_deg))


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
        raise InputError(f"EPSG:{epsg} is unknown; wanted a UTM zone such as 32633") from None
    if not crs.is_projected or crs.axis_info[0].unit_name != "metre":
        raise InputError(
            f"EPSG:{epsg} ({crs.name}) is not in metres; wanted a UTM zone such as 32633"
        )


def _cut_at_antimeridian(polygons: Polygons) -> Polygons:
    """Cut what reaches beyond 180 or -180 degrees and move it to where it belongs (RFC 7946)."""
    import shapely

    left, _, right, _ = shapely.bounds(polygons).T
    for i in np.flatnonzero((right > 180) | (left < -180)):
        shift = 360.0 if right[i] > 180 else -360.0
        inside = shapely.box(-180, -90, 180, 90)
        beyond = shapely.transform(polygons[i], lambda xy, by=shift: xy - [by, 0.0])
        parts = [shapely.intersection(part, inside) for part in (polygons[i], beyond)]
        polygons[i] = shapely.multipolygons([p for p in parts if shapely.area(p) > 0])
    return polygons
