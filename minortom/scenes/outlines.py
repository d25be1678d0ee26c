"""Places of images and of points: outlines in degrees, and pixels of a scene."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.grid.footprints import cut_at_antimeridian
from minortom.io.geoparquet import geometry_table
from minortom.io.provenance import Provenance
from minortom.scenes.geotiffs import BandStack

FloatArray = NDArray[np.float64]
_LONLAT = 4326
_EDGE_POINTS = 8
"""Points along an edge: straight edges in a projection are curves in degrees."""


def outline_of(stack: BandStack) -> Any:  # noqa: ANN401 - shapely has no types
    """Return the outline of an image in degrees, cut at the antimeridian.

    Returns:
        A polygon, or a multipolygon; None if the image has no georeference.
    """
    import shapely

    if stack.crs_wkt is None:
        return None
    height, width = stack.values.shape[1:]
    part = np.arange(_EDGE_POINTS) / _EDGE_POINTS
    col = np.concatenate([part, np.ones_like(part), 1 - part, np.zeros_like(part)]) * width
    row = np.concatenate([np.zeros_like(part), part, np.ones_like(part), 1 - part]) * height
    a, b, c, d, e, f = stack.transform
    to_degrees = _transformer(stack.crs_wkt, _LONLAT)
    lon, lat = to_degrees.transform(a * col + b * row + c, d * col + e * row + f)
    lon = lon - 360 * np.round((lon - lon[0]) / 360)
    return cut_at_antimeridian(np.array([shapely.polygons(np.stack([lon, lat], axis=1))]))[0]


def with_outlines(table: pa.Table, outlines: Sequence[Any], provenance: Provenance) -> pa.Table:
    """Return a table with the centre and the outline of each row, ready to be written.

    Args:
        table: One row for each outline.
        outlines: As from `outline_of`.
        provenance: All that the content depends on.
    """
    import shapely

    shapes = np.array([*outlines, None], object)[:-1]  # one dimension, also of multipolygons
    centre = shapely.centroid(shapes)
    for name, values in (("lat", shapely.get_y(centre)), ("lon", shapely.get_x(centre))):
        table = table.append_column(name, pa.array(values, pa.float64(), from_pandas=True))
    west, south, east, north = shapely.bounds(shapes).T
    return geometry_table(
        table, pa.array(shapely.to_wkb(shapes).tolist(), pa.binary()), provenance,
        kinds=sorted({shape.geom_type for shape in outlines if shape is not None}),
        bounds_deg=(west, south, east, north),
    )  # fmt: skip


def pixels_of(
    crs_wkt: str, transform: tuple[float, ...], lon_deg: FloatArray, lat_deg: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the columns and rows of points in an image, in pixels from its upper left corner.

    Args:
        crs_wkt: Coordinate system of the image.
        transform: (a, b, c, d, e, f): x = a · column + b · row + c, y = d · column + e · row + f.
        lon_deg: Longitudes.
        lat_deg: Latitudes.

    Returns:
        Columns and rows; infinite where the coordinate system does not have the point.
    """
    x, y = _transformer(_LONLAT, crs_wkt).transform(lon_deg, lat_deg)
    a, b, c, d, e, f = transform
    across, down = np.asarray(x) - c, np.asarray(y) - f
    size = a * e - b * d
    return (e * across - b * down) / size, (a * down - d * across) / size


@lru_cache(maxsize=64)
def _transformer(source: str | int, target: str | int) -> Any:  # noqa: ANN401 - pyproj has no types
    from pyproj import Transformer

    return Transformer.from_crs(source, target, always_xy=True)
