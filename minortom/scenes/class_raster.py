"""Maps of classes as GeoTIFFs: one band of codes, with the names and colours of the classes."""

import colorsys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minortom.io.provenance import Provenance
from minortom.scenes.feature_raster import write_raster
from minortom.scenes.scene import OpenScene

Codes = NDArray[np.uint8] | NDArray[np.uint16]
"""Numbers of classes, from 0; `nodata_of` where there is none."""

_GOLDEN = 0.618033988749895
"""Step of the hue (turns), so that hues of consecutive classes differ most."""
_NO_PREDICTOR = 1


def nodata_of(num_classes: int) -> int:
    """Return the code of pixels without a class: 255, or 65535 for more than 255 classes."""
    return 255 if num_classes <= 255 else 65535


def write_class_raster(
    out: Path,
    rows: Iterable[Codes],
    *,
    scene: OpenScene,
    shape: tuple[int, int],
    classes: Sequence[str],
    token_px: float,
    provenance: Provenance,
) -> None:
    """Write a map of classes as a GeoTIFF; the file appears whole or not at all.

    The band has a colour table, and the name of each class in its tag `class_0`, `class_1` ….

    Args:
        out: The GeoTIFF to write.
        rows: Rows of codes from the top, [row, column].
        scene: The scene. The map has its projection and begins in its upper left corner.
        shape: Rows and columns of the map.
        classes: Names of the classes, in the order of the codes.
        token_px: Side of a pixel of the map, in pixels of the scene.
        provenance: Record for the item `minortom` of GDAL's metadata.

    Raises:
        InputError: If the file cannot be written. Errors of `rows` pass unchanged.
    """
    nodata = nodata_of(len(classes))

    def describe(file: Any) -> None:  # noqa: ANN401 - rasterio has no types
        if nodata == 255:
            file.write_colormap(1, colours_of(len(classes)))
        file.update_tags(1, **{f"class_{code}": name for code, name in enumerate(classes)})

    write_raster(
        out, (codes[:, :, None] for codes in rows), scene=scene, shape=shape, names=("class",),
        token_px=token_px, provenance=provenance, dtype="uint8" if nodata == 255 else "uint16",
        nodata=nodata, predictor=_NO_PREDICTOR, more=describe,
    )  # fmt: skip


def colours_of(num_classes: int) -> dict[int, tuple[int, int, int, int]]:
    """Return red, green, blue and opacity (0 to 255) of each code; no data is transparent."""
    found = {nodata_of(num_classes): (0, 0, 0, 0)}
    for code in range(num_classes):
        bright = (0.95, 0.7)[code % 2]
        colour = colorsys.hsv_to_rgb((code * _GOLDEN) % 1, 0.65, bright)
        red, green, blue = (round(255 * part) for part in colour)
        found[code] = (red, green, blue, 255)
    return found
