"""Feature maps as GeoTIFFs: one band for each feature, written row by row."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from minortom.errors import InputError
from minortom.io.atomic_write import atomic_file
from minortom.io.provenance import KEY, Provenance
from minortom.io.tiff_tags import has_all_tiles
from minortom.scenes.scene import OpenScene

FloatArray = NDArray[np.float32]

_BLOCK_ROWS = 16
"""Rows of a block, the smallest number that TIFF allows. Memory holds all bands of so many rows:
63 MB for a scene of 10,980 px and 768 features."""
_BLOCK_COLS = 256


def write_feature_raster(
    out: Path,
    rows: Iterable[FloatArray],
    *,
    scene: OpenScene,
    shape: tuple[int, int],
    names: Sequence[str],
    token_px: float,
    provenance: Provenance,
) -> None:
    """Write a feature map as a GeoTIFF; the file appears whole or not at all.

    The bands are stored one after the other, so that a viewer of three bands reads few bytes.

    Args:
        out: The GeoTIFF to write.
        rows: Rows of the map from the top, [row, column, band]; NaN where there is no feature.
        scene: The scene. The map has its projection and begins in its upper left corner.
        shape: Rows and columns of the map.
        names: Names of the bands.
        token_px: Side of a pixel of the map, in pixels of the scene.
        provenance: Record for the item `minortom` of GDAL's metadata.

    Raises:
        InputError: If the file cannot be written. Errors of `rows` pass unchanged.
    """
    write_raster(
        out, rows, scene=scene, shape=shape, names=names, token_px=token_px,
        provenance=provenance, dtype="float32", nodata=math.nan, predictor=3,
    )  # fmt: skip


def write_raster(
    out: Path,
    rows: Iterable[NDArray[Any]],
    *,
    scene: OpenScene,
    shape: tuple[int, int],
    names: Sequence[str],
    token_px: float,
    provenance: Provenance,
    dtype: str,
    nodata: float,
    predictor: int,
    more: Callable[[Any], None] | None = None,
) -> None:
    """Write rows of values as a GeoTIFF on the ground of a scene.

    Args:
        out: As for `write_feature_raster`, like the arguments that are not listed here.
        rows: Rows from the top, [row, column, band].
        scene: The scene.
        shape: Rows and columns.
        names: Names of the bands.
        token_px: Side of a pixel of the raster, in pixels of the scene.
        provenance: Record for the item `minortom` of GDAL's metadata.
        dtype: Type of the values.
        nodata: Value of pixels without a value.
        predictor: Predictor of the compression: 3 for numbers with a fraction, 1 for none.
        more: Adds to the open file, such as a colour table.

    Raises:
        InputError: If the file cannot be written. Errors of `rows` pass unchanged.
    """
    height, width = shape
    a, b, c, d, e, f = scene.transform
    with (
        atomic_file(out) as temporary,
        _explained_errors(temporary, out),
        rasterio.open(
            temporary, "w", driver="GTiff", dtype=dtype, count=len(names), height=height,
            width=width, crs=rasterio.CRS.from_wkt(scene.crs_wkt), nodata=nodata,
            transform=rasterio.Affine(a * token_px, b * token_px, c, d * token_px, e * token_px, f),
            interleave="band", tiled=True, blockysize=_BLOCK_ROWS,
            blockxsize=min(_BLOCK_COLS, -(-width // _BLOCK_ROWS) * _BLOCK_ROWS),
            # Features hardly compress, and the blocks are too small to share among threads.
            compress="deflate", predictor=predictor, zlevel=1, num_threads=1, bigtiff="if_safer",
        ) as file,
    ):  # fmt: skip
        file.descriptions = tuple(names)
        file.update_tags(**{KEY: provenance.to_json()})
        if more is not None:
            more(file)
        top = 0
        for block_RKD in _in_blocks(rows):
            window = Window(0, top, width, len(block_RKD))
            file.write(block_RKD.transpose(2, 0, 1), window=window)
            top += len(block_RKD)


@contextmanager
def _explained_errors(temporary: Path, out: Path) -> Iterator[None]:
    """Raise an error with the reason: GDAL gives none, and hides errors when it closes a file."""
    try:
        yield
        if has_all_tiles(temporary):
            return
        found = "blocks are missing"
    except (RasterioError, ValueError) as error:
        found = str(error.__cause__ or error).splitlines()[0]
    raise InputError(f"cannot write {out} ({found}); free disk space, then run the command again")


def _in_blocks(rows: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """Gather rows into whole blocks: a block written in parts is compressed again each time."""
    waiting: list[NDArray[Any]] = []
    for some in rows:
        waiting.append(some)
        joined = np.concatenate(waiting)
        whole = len(joined) // _BLOCK_ROWS * _BLOCK_ROWS
        if whole:
            yield joined[:whole]
        waiting = [joined[whole:]]
    if waiting and len(waiting[0]):
        yield waiting[0]
