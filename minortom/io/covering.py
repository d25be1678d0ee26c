"""Bounding boxes of rows and a spatial order of rows, by which readers skip row groups.

The boxes are the column ``bbox``, which GeoParquet 1.1 calls a covering. A reader compares the
statistics of this column with its area, and reads only the row groups that may overlap.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

BBOX = "bbox"
"""Name of the column; a struct of float32, degrees."""
SIDES = ("xmin", "ymin", "xmax", "ymax")
"""Fields of the column: west, south, east, north."""
BBOX_TYPE = pa.struct([pa.field(side, pa.float32()) for side in SIDES])
_ORDER = 8  # 256 x 256 tiles: their positions are 16-bit numbers, which NumPy sorts by radix

FloatArray = NDArray[np.float64]


def bbox_column(
    west: FloatArray, south: FloatArray, east: FloatArray, north: FloatArray
) -> pa.Array:
    """Return the column ``bbox`` of [n] boxes (degrees), rounded outwards to float32."""
    sides = [_rounded(west, -1), _rounded(south, -1), _rounded(east, 1), _rounded(north, 1)]
    return pa.StructArray.from_arrays([pa.array(side) for side in sides], fields=[*BBOX_TYPE])


def _rounded(values: FloatArray, sign: int) -> NDArray[np.float32]:
    """Return the nearest float32 that is not less (sign 1) or not more (sign -1) than the value."""
    nearest = values.astype(np.float32)
    inside = nearest * sign < values * sign
    return np.where(inside, np.nextafter(nearest, np.float32(sign * np.inf)), nearest)


def is_covering(field: pa.Field) -> bool:
    """Return whether a column is a covering: ``bbox`` with the four sides."""
    is_struct = field.name == BBOX and pa.types.is_struct(field.type)
    return is_struct and {part.name for part in field.type} == set(SIDES)


def covering_metadata() -> dict[str, object]:
    """Return the entry ``covering`` of a geometry column in the metadata of GeoParquet."""
    return {"bbox": {side: [BBOX, side] for side in SIDES}}


def leaves(schema: pa.Schema) -> Sequence[str]:
    """Return the Parquet columns of a schema; a struct has one for each field."""
    return [
        f"{field.name}.{part.name}" if part else field.name
        for field in schema
        for part in (field.type if pa.types.is_struct(field.type) else [None])
    ]


def spatial_order(lon_deg: FloatArray, lat_deg: FloatArray) -> NDArray[np.intp]:
    """Return an order of [n] points in which points that are near each other are near in the list.

    The world is cut into tiles of 360/256 by 180/256 degrees. Tiles follow each other along a
    Hilbert curve; the points of a tile keep their order.

    Args:
        lon_deg: Longitudes, -180 to 180.
        lat_deg: Latitudes, -90 to 90.
    """
    curve = _hilbert_curve(_ORDER).astype(np.uint16)
    tiles = len(curve)
    column = np.minimum((lon_deg + 180) * (tiles / 360), tiles - 1).astype(np.intp)
    row = np.minimum((lat_deg + 90) * (tiles / 180), tiles - 1).astype(np.intp)
    return np.argsort(curve[row, column], kind="stable")


def _hilbert_curve(order: int) -> NDArray[np.int64]:
    """Return the position of each tile [row from the south, column] on a Hilbert curve.

    The curve of the next order visits four quarters, the first and the last of them mirrored
    (D. Hilbert, "Ueber die stetige Abbildung einer Line auf ein Flächenstück", 1891).
    """
    curve = np.zeros((1, 1), np.int64)
    for _ in range(order):
        size, mirrored = curve.size, curve[::-1, ::-1].T
        curve = np.block([[curve.T, 3 * size + mirrored], [size + curve, 2 * size + curve]])
    return curve
