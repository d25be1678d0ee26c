"""Patches as pictures: what an eye sees of Sentinel-2, and a false colour of Sentinel-1."""

import base64
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from minortom.sensors import S1, S2_10M

BRIGHTEST = 0.3
"""Reflectance that is shown white; soil has about 0.2, clouds and snow more."""
_GAMMA = 1 / 1.6
VV_DB, VH_DB, RATIO_DB = (-20.0, 0.0), (-27.0, -5.0), (2.0, 16.0)
"""From black to full colour: red VV, green VH, blue VV minus VH."""

Picture = NDArray[np.uint8]
"""[row, column, red green blue]."""


def true_colour(s2_10m: NDArray[np.uint16]) -> Picture:
    """Show B04, B03 and B02 of a patch [band, row, column], stored units, as a camera would."""
    bands = s2_10m[[S2_10M.bands.index(name) for name in ("B04", "B03", "B02")]]
    share = np.clip(bands * S2_10M.scale / BRIGHTEST, 0, 1) ** _GAMMA
    return _bytes(share)


def false_colour(s1: NDArray[np.int16]) -> Picture:
    """Show a patch [vv vh, row, column], stored units: red VV, green VH, blue VV minus VH."""
    vv, vh = (s1[S1.bands.index(name)] * S1.scale for name in ("vv", "vh"))
    channels = ((vv, VV_DB), (vh, VH_DB), (vv - vh, RATIO_DB))
    share = [np.clip((db - low) / (high - low), 0, 1) for db, (low, high) in channels]
    return _bytes(np.stack(share))


def data_address(picture: Picture) -> str:
    """Write a picture as a PNG inside a ``data:`` URL."""
    from PIL import Image

    stream = BytesIO()
    Image.fromarray(picture).save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")


def _bytes(share: NDArray[np.float64]) -> Picture:
    return np.ascontiguousarray(np.rint(share * 255).astype(np.uint8).transpose(1, 2, 0))
