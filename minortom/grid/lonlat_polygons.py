"""Polygons in any coordinate system as one area in degrees, cut at the antimeridian."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from minortom.errors import InputError

_STEP_M = 10_000.0
"""Longest segment of a projected edge, in metres. A straight edge is a curve in degrees."""
_TOLERANCE_DEG = 1e-6
"""Largest rounding error of a coordinate beyond 180 or 90 degrees."""
_TURNS = (-360.0, 0.0, 360.0)

Shapes = NDArray[np.object_]
"""[n] shapely geometries."""


def to_lonlat(polygons: Shapes, crs: Any, *, name: str) -> Any:  # noqa: ANN401 - pyproj and shapely have no types
    """Return the union of [n] polygons: longitudes from -180 to 180, latitudes from -90 to 90.

    Of polygons in degrees only the datum is changed. Projected polygons may cross the
    antimeridian or contain a pole.

    Args:
        polygons: [n] polygons.
        crs: Their coordinate system.
        name: What error messages call the polygons.

    Raises:
        InputError: If a coordinate is out of range, or cannot be transformed to degrees.
    """
    import shapely

    if not np.isfinite(shapely.get_coordinates(polygons)).all():
        raise InputError(
            f"expected numbers as coordinates in {name}, found NaN or infinity; correct or delete "
            "the polygon"
        )
    if crs.is_geographic:
        _require_degrees(polygons, name)
        _require_short_edges(polygons, name)
        area = shapely.union_all(shapely.make_valid(_transformed(polygons, crs, name)))
    else:
        step = _STEP_M / crs.axis_info[0].unit_conversion_factor
        parts = shapely.get_parts(shapely.make_valid(polygons))
        parts = parts[shapely.get_dimensions(parts) == 2]  # make_valid may return lines too
        parts = shapely.get_parts(parts)
        curves = _transformed(shapely.segmentize(parts, step), crs, name)
        area = shapely.union_all([_unwrapped(polygon) for polygon in curves])
    return _polygons_of(shapely.intersection(area, shapely.box(-180, -90, 180, 90)))


def _polygons_of(shape: Any) -> Any:  # noqa: ANN401 - shapely has no types
    """Remove the points and lines that repairing and cutting have left."""
    import shapely

    parts = shapely.get_parts([shape])
    return shapely.union_all(parts[shapely.get_dimensions(parts) == 2])


def _require_degrees(polygons: Shapes, name: str) -> None:
    import shapely

    degrees = shapely.get_coordinates(polygons)
    for axis, (word, limit) in enumerate((("longitude", 180), ("latitude", 90))):
        bad = degrees[~(np.abs(degrees[:, axis]) <= limit + _TOLERANCE_DEG), axis]
        if len(bad):
            raise InputError(
                f"expected degrees from -{limit} to {limit} in {name}, found the {word} "
                f"{bad[0]:g}{'; cut polygons in two at the antimeridian' if axis == 0 else ''}"
            )


def _require_short_edges(polygons: Shapes, name: str) -> None:
    """Refuse edges of more than 180 degrees of longitude, whose two readings differ.

    As GeoJSON defines it, such an edge passes the prime meridian; most authors mean the short
    way across the antimeridian. An edge from -180 to 180 has one reading: all the way round.
    """
    import shapely

    for ring in shapely.get_rings(polygons):
        lon_deg = shapely.get_coordinates(ring)[:, 0]
        length_deg = np.abs(np.diff(lon_deg))
        long = (length_deg > 180 + _TOLERANCE_DEG) & (length_deg < 360 - _TOLERANCE_DEG)
        if long.any():
            start_deg, end_deg = lon_deg[np.argmax(long) :][:2]
            raise InputError(
                f"expected edges of at most 180 degrees of longitude in {name}, found one from "
                f"{start_deg:g} to {end_deg:g}; cut an area across the antimeridian in two, at "
                "180 and -180; give an edge that goes the long way round a corner in its middle"
            )


def _transformed(polygons: Shapes, crs: Any, name: str) -> Shapes:  # noqa: ANN401 - pyproj has no types
    import shapely
    from pyproj import CRS, Transformer

    if crs.equals(CRS.from_epsg(4326), ignore_axis_order=True):
        return polygons
    to_wgs84 = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    moved: Shapes = shapely.transform(
        polygons, lambda xy: np.stack(to_wgs84.transform(*xy.T), axis=-1)
    )
    if not np.isfinite(shapely.get_coordinates(moved)).all():
        raise InputError(
            f"expected coordinates of {crs.name} in {name}, found some that have no place on the "
            "globe; correct the coordinate system"
        )
    return moved


def _unwrapped(polygon: Any) -> Any:  # noqa: ANN401 - shapely has no types
    """Unwrap the longitudes of each ring, and return the polygon cut at the antimeridian."""
    import shapely

    rings = [
        _ring_area(shapely.get_coordinates(ring)) for ring in (polygon.exterior, *polygon.interiors)
    ]
    return shapely.difference(rings[0], shapely.union_all(rings[1:]))


def _ring_area(lonlat_deg: NDArray[np.float64]) -> Any:  # noqa: ANN401 - shapely has no types
    """Return the area inside a closed ring [m, 2] of short edges, cut at the antimeridian."""
    import shapely

    lon_deg = np.unwrap(lonlat_deg[:, 0], period=360)
    ring = np.stack([lon_deg, lonlat_deg[:, 1]], axis=-1)
    if abs(lon_deg[-1] - lon_deg[0]) > 180:  # once around: the pole is inside
        pole_deg = np.copysign(90, lonlat_deg[:, 1].mean())
        ring = np.concatenate([ring, [[lon_deg[-1], pole_deg], [lon_deg[0], pole_deg]]])
    area = shapely.make_valid(shapely.polygons(ring))
    globe = shapely.box(-180, -90, 180, 90)
    turned = [shapely.transform(area, lambda xy, by=by: xy + np.array((by, 0))) for by in _TURNS]
    return shapely.union_all([shapely.intersection(part, globe) for part in turned])
