"""Patches as pictures: Sentinel-2 as an eye sees it, Sentinel-1 as VV, VH and their difference."""

import base64
from collections.abc import Mapping
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from minortom.sensors import S1, S2_10M, SensorName
from minortom.shards import ShardSet

Pixels = NDArray[np.float32]
"""Red, green and blue from 0 to 1, [row, column, 3]."""

REFLECTANCE_WHITE = 0.3
"""Brighter is white; soil has about 0.2, dry sand a little more. Snow and cloud are beyond."""
_GAMMA = 1.6
"""Lifts water and forest out of the dark, as the eye does."""
VV_DB, VH_DB, RATIO_DB = (-20.0, 0.0), (-27.0, -5.0), (2.0, 16.0)
"""What is drawn as 0 and as 1 in red (VV), green (VH) and blue (VV minus VH)."""


def picture(sensor: SensorName, bands: Mapping[str, NDArray[np.float32]]) -> Pixels:
    """Draw an image so that a person sees what is there; always with the same stretch.

    Args:
        sensor: Whose image it is.
        bands: Its bands [row, column] by name: of Sentinel-2 B02, B03 and B04 as reflectance, of
            Sentinel-1 vv and vh in dB.
    """
    if sensor == "s2":
        true_colour = np.stack([bands[band] for band in ("B04", "B03", "B02")], axis=2)
        eye = np.clip(true_colour / REFLECTANCE_WHITE, 0, 1) ** (1 / _GAMMA)
        return np.asarray(eye, np.float32)
    vv, vh = bands["vv"], bands["vh"]
    stretched = [
        (values - low) / (high - low)
        for values, (low, high) in ((vv, VV_DB), (vh, VH_DB), (vv - vh, RATIO_DB))
    ]
    return np.clip(np.stack(stretched, axis=2), 0, 1).astype(np.float32)


def patch_pictures(data: ShardSet, sample: int) -> tuple[Pixels, Pixels]:
    """Read one sample as a true-colour and a radar picture."""
    buffers = {
        column: array for column, array in data.buffers(1).items()
        if column in (S2_10M.column, S1.column)
    }  # fmt: skip
    data.read_into(sample, buffers, 0)
    s2, s1 = (
        dict(zip(group.bands, buffers[group.column][0] * np.float32(group.scale), strict=True))
        for group in (S2_10M, S1)
    )
    return picture("s2", s2), picture("s1", s1)


def data_uri(colours: NDArray[np.floating]) -> str:
    """Write [row, column, 3 or 4] colours from 0 to 1 as a PNG inside a ``data:`` URI."""
    from PIL import Image

    image = Image.fromarray((np.clip(colours, 0, 1) * 255).round().astype(np.uint8))
    stream = BytesIO()
    image.save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
