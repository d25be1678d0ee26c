"""Pictures of patches: Sentinel-2 in true colour, Sentinel-1 as VV, VH and their difference."""

from collections.abc import Mapping
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from minortom.plotting.html_page import png_uri
from minortom.sensors import S1, BandGroup, SensorName
from minortom.shards.shard_set import ShardSet

Pixels = NDArray[np.float32]
"""[row, column, 3] red, green and blue, from 0 to 1."""

REFLECTANCE_WHITE = 0.3
"""Reflectance that is drawn white. Soil has about 0.2, dry sand a little more; snow and cloud
exceed it."""
_GAMMA = 1.6
"""Gamma correction, which brightens water and forest."""
VV_DB, VH_DB, RATIO_DB = (-20.0, 0.0), (-27.0, -5.0), (2.0, 16.0)
"""Values in dB that are drawn as 0 and 1 in red (VV), green (VH) and blue (VV minus VH)."""
COLOURS: Mapping[SensorName, tuple[str, ...]] = {"s2": ("B04", "B03", "B02"), "s1": S1.bands}
"""Sensor -> bands of a colour picture; without one of them the picture is grey."""


def picture(sensor: SensorName, bands: Mapping[str, NDArray[np.float32]]) -> Pixels:
    """Return an image as a colour picture, with a fixed contrast stretch.

    Args:
        sensor: The sensor of the image.
        bands: Name of a band -> [row, column] values: B02, B03 and B04 of Sentinel-2 as
            reflectance, vv and vh of Sentinel-1 in dB. If one of them is missing, the first
            given band is drawn in grey.
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
    """Return the Sentinel-2 and the Sentinel-1 picture of a sample; grey if bands are missing."""
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
    """Return the band that is drawn in grey; empty if the sensor has all bands for colours."""
    group = next(group for group in _drawn_groups(data) if group.sensor == sensor)
    return "" if set(COLOURS[sensor]) <= set(group.bands) else group.bands[0]


def _drawn_groups(data: ShardSet) -> tuple[BandGroup, BandGroup]:
    """Return the first band group of each sensor, which has the finest pixels."""
    s2, s1 = (next(g for g in data.spec.groups if g.sensor == sensor) for sensor in COLOURS)
    return s2, s1


def data_uri(colours: NDArray[np.floating]) -> str:
    """Return [row, column, 3 or 4] colours from 0 to 1 as a PNG in a ``data:`` URI."""
    from PIL import Image

    image = Image.fromarray((np.clip(colours, 0, 1) * 255).round().astype(np.uint8))
    stream = BytesIO()
    image.save(stream, "PNG", optimize=True)
    return png_uri(stream.getvalue())
