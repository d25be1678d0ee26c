"""Patches as pictures: Sentinel-2 as an eye sees it, Sentinel-1 as VV, VH and their difference."""

import base64
from collections.abc import Mapping
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from minortom.sensors import S1, BandGroup, SensorName
from minortom.shards.shard_set import ShardSet

Pixels = NDArray[np.float32]
"""Red, green and blue from 0 to 1, [row, column, 3]."""

REFLECTANCE_WHITE = 0.3
"""Brighter is white; soil has about 0.2, dry sand a little more. Snow and cloud are beyond."""
_GAMMA = 1.6
"""Lifts water and forest out of the dark, as the eye does."""
VV_DB, VH_DB, RATIO_DB = (-20.0, 0.0), (-27.0, -5.0), (2.0, 16.0)
"""What is drawn as 0 and as 1 in red (VV), green (VH) and blue (VV minus VH)."""
COLOURS: Mapping[SensorName, tuple[str, ...]] = {"s2": ("B04", "B03", "B02"), "s1": S1.bands}
"""Bands without which a sensor is drawn in grey."""


def picture(sensor: SensorName, bands: Mapping[str, NDArray[np.float32]]) -> Pixels:
    """Draw an image so that a person sees what is there; always with the same stretch.

    Args:
        sensor: Whose image it is.
        bands: Its bands [row, column] by name: of Sentinel-2 B02, B03 and B04 as reflectance, of
            Sentinel-1 vv and vh in dB. Where one of them is not there, the first one that is, is
            drawn in grey.
    """
    coloured = set(COLOURS[sensor]) <= set(bands)
    shown = COLOURS[sensor] if coloured else [next(iter(bands))] * 3
    if sensor == "s2":
        image = np.stack([bands[band] for band in shown], axis=2)
        eye = np.clip(image / REFLECTANCE_WHITE, 0, 1) ** (1 / _GAMMA)
        return np.asarray(eye, np.float32)
    parts = [(bands[band], {"vv": VV_DB, "vh": VH_DB}[band]) for band in shown]
    if coloured:
        parts.append((bands["vv"] - bands["vh"], RATIO_DB))
    stretched = [(values - low) / (high - low) for values, (low, high) in parts]
    return np.clip(np.stack(stretched, axis=2), 0, 1).astype(np.float32)


def patch_pictures(data: ShardSet, sample: int) -> tuple[Pixels, Pixels]:
    """Read one sample as a true-colour and a radar picture, or in grey where bands are lacking."""
    groups = _drawn_groups(data)
    buffers = {
        column: array for column, array in data.buffers(1).items()
        if column in {group.column for group in groups}
    }  # fmt: skip
    data.read_into(sample, buffers, 0)
    s2, s1 = (
        dict(zip(group.bands, buffers[group.column][0] * np.float32(group.scale), strict=True))
        for group in groups
    )
    return picture("s2", s2), picture("s1", s1)


def grey_band(data: ShardSet, sensor: SensorName) -> str:
    """Name the band that alone is drawn of a sensor; empty where there are those for colours."""
    group = next(group for group in _drawn_groups(data) if group.sensor == sensor)
    return "" if set(COLOURS[sensor]) <= set(group.bands) else group.bands[0]


def _drawn_groups(data: ShardSet) -> tuple[BandGroup, BandGroup]:
    """Give the first group of each sensor: the one of the finest pixels."""
    s2, s1 = (next(g for g in data.spec.groups if g.sensor == sensor) for sensor in COLOURS)
    return s2, s1


def data_uri(colours: NDArray[np.floating]) -> str:
    """Write [row, column, 3 or 4] colours from 0 to 1 as a PNG inside a ``data:`` URI."""
    from PIL import Image

    image = Image.fromarray((np.clip(colours, 0, 1) * 255).round().astype(np.uint8))
    stream = BytesIO()
    image.save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
