"""A map of features as a GeoTIFF: a band for each dimension, written as its rows come."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from minortom.errors import InputError
from minortom.io.atomic_write import whole_file
from minortom.io.provenance import KEY, Provenance
from minortom.io.tiff_tags import has_all_tiles
from minortom.scenes.scene import OpenScene

FloatArray = NDArray[np.float32]

_BLOCK_ROWS = 16
"""Of a block of the file, the fewest that TIFF allows: all bands of so many rows wait in memory,
63 MB of a scene of 10,980 px with 768 features."""
_BLOCK_COLS = 256


@dataclass(frozen=True, kw_only=True)
class FeatureFile:
    """Writes a map of features that begins in the same corner as a scene."""

    scene: OpenScene

    def __call__(
        self,
        out: Path,
        rows: Iterable[FloatArray],
        *,
        shape: tuple[int, int],
        names: Sequence[str],
        token_px: float,
        provenance: Provenance,
    ) -> None:
        """Write a file, whole or not at all; a band after the other, so that viewers read few.

        Args:
            out: Where.
            rows: From the top, [row, column, band]; not a number where there is nothing.
            shape: Rows and columns of the map.
            names: Of its bands.
            token_px: Side of one of its pixels, in pixels of the scene.
            provenance: Goes under `minortom` into GDAL's metadata.

        Raises:
            InputError: If the file cannot be written; and what `rows` raises.
        """
        height, width = shape
        a, b, c, d, e, f = self.scene.transform
        with (
            whole_file(out) as temporary,
            _written(temporary, out),
            rasterio.open(
                temporary, "w", driver="GTiff", dtype="float32", count=len(names), height=height,
                width=width, crs=rasterio.CRS.from_wkt(self.scene.crs_wkt), nodata=math.nan,
                transform=rasterio.Affine(
                    a * token_px, b * token_px, c, d * token_px, e * token_px, f
                ),
                interleave="band", tiled=True, blockysize=_BLOCK_ROWS,
                blockxsize=min(_BLOCK_COLS, -(-width // _BLOCK_ROWS) * _BLOCK_ROWS),
                # Features hardly get smaller, and blocks are too small to share among threads.
                compress="deflate", predictor=3, zlevel=1, num_threads=1, bigtiff="if_safer",
            ) as file,
        ):  # fmt: skip
            file.descriptions = tuple(names)
            file.update_tags(**{KEY: provenance.to_json()})
            top = 0
            for block_RKD in _in_blocks(rows):
                window = Window(0, top, width, len(block_RKD))
                file.write(block_RKD.transpose(2, 0, 1), window=window)
                top += len(block_RKD)


@contextmanager
def _written(temporary: Path, out: Path) -> Iterator[None]:
    """GDAL does not say why it cannot write, and hides it when it closes a file."""
    try:
        yield
        if has_all_tiles(temporary):
            return
        found = "blocks are missing"
    except (RasterioError, ValueError) as error:
        found = str(error.__cause__ or error).splitlines()[0]
    raise InputError(f"cannot write {out} ({found}); make room, then run the same command again")


def _in_blocks(rows: Iterable[FloatArray]) -> Iterator[FloatArray]:
    """Give whole rows of blocks: one written in parts would be compressed again each time."""
    waiting: list[FloatArray] = []
    for some in rows:
        waiting.append(some)
        joined = np.concatenate(waiting)
        whole = len(joined) // _BLOCK_ROWS * _BLOCK_ROWS
        if whole:
            yield joined[:whole]
        waiting = [joined[whole:]]
    if waiting and len(waiting[0]):
        yield waiting[0]
