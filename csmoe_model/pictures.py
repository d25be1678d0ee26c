"""Pixels to pictures: Sentinel-2 in true colour, Sentinel-1 as VV, VH and their difference."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from minortom.sensors import SensorName

Pixels = NDArray[np.float32]
"""Red, green and blue from 0 to 1, [row, column, 3]."""

_REFLECTANCE_WHITE = 0.35
"""Brighter is white; what a bright field or dry sand reflects. Snow and cloud are beyond."""
_GAMMA = 1.8
"""Lifts water and forest out of the dark, as the eye does."""
_VV_DB, _VH_DB, _RATIO_DB = (-20.0, 0.0), (-27.0, -5.0), (2.0, 14.0)
"""What is drawn as 0 and as 1 in red (VV), green (VH) and blue (VV over VH)."""


def picture(sensor: SensorName, bands: Mapping[str, NDArray[np.float32]]) -> Pixels:
    """Draw an image so that a person sees what is there; always with the same stretch.

    Args:
        sensor: Whose image it is.
        bands: Its bands [row, column] by name: of Sentinel-2 B02, B03 and B04 as reflectance, of
            Sentinel-1 vv and vh in dB.
    """
    if sensor == "s2":
        true_colour = np.stack([bands[band] for band in ("B04", "B03", "B02")], axis=2)
        eye = np.clip(true_colour / _REFLECTANCE_WHITE, 0, 1) ** (1 / _GAMMA)
        return np.asarray(eye, np.float32)
    vv, vh = bands["vv"], bands["vh"]
    stretched = [
        (values - low) / (high - low)
        for values, (low, high) in ((vv, _VV_DB), (vh, _VH_DB), (vv - vh, _RATIO_DB))
    ]
    return np.clip(np.stack(stretched, axis=2), 0, 1).astype(np.float32)
