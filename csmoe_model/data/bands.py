"""Bands by name: which of a user's channels the model sees, and in which order.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns
"""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from minortom.errors import InputError
from minortom.sensors import MODEL_BANDS, SensorName


class _Known(NamedTuple):
    """What a sensor's bands may be called."""

    unused: tuple[str, ...]
    """Bands that the sensor has and the model does not see."""
    others: dict[str, str]
    """Other names, as TerraTorch and torchgeo spell them, in upper case."""


_KNOWN: dict[SensorName, _Known] = {
    "s2": _Known(
        ("B01", "B09", "B10"),
        {
            "COASTAL_AEROSOL": "B01", "BLUE": "B02", "GREEN": "B03", "RED": "B04",
            "RED_EDGE_1": "B05", "RED_EDGE_2": "B06", "RED_EDGE_3": "B07", "NIR_BROAD": "B08",
            "NIR_NARROW": "B8A", "WATER_VAPOR": "B09", "CIRRUS": "B10", "SWIR_1": "B11",
            "SWIR_2": "B12",
        },
    ),
    "s1": _Known(("hh", "hv"), {}),
}  # fmt: skip


def check_image(sensor: SensorName, image_BCHW: Tensor, bands: Sequence[str] | None = None) -> None:
    """Check the axes, the number of bands, those of `MODEL_BANDS` when None, and the kind.

    Raises:
        InputError: If they are not those.
    """
    names = MODEL_BANDS[sensor] if bands is None else bands
    if image_BCHW.ndim != 4 or image_BCHW.shape[1] != len(names):
        raise InputError(
            f"{sensor} images must be [batch, {len(names)}, height, width] with the bands "
            f"{' '.join(names)}; got {list(image_BCHW.shape)}"
        )
    if not image_BCHW.is_floating_point():
        raise InputError(
            f"{sensor} images must be normalised, in floating point; got {image_BCHW.dtype}; "
            "give what was measured to prepare first"
        )


def pick(sensor: SensorName, image_BCHW: Tensor, bands: Sequence[str] | None) -> Tensor:
    """Give the model's bands, in its order, of images with the channels `bands`: see `channels`.

    Where None, they have just those bands.

    Raises:
        InputError: As `check_image` and `channels`.
    """
    check_image(sensor, image_BCHW, bands)
    return image_BCHW if bands is None else image_BCHW[:, channels(sensor, bands)]


def channels(sensor: SensorName, names: Sequence[str]) -> list[int]:
    """Find the model's bands among a user's channels.

    Names are those of `MODEL_BANDS` in either case, with or without the zero (`B2`, `b02`), or
    TerraTorch's (`RED_EDGE_1`). Bands that the model does not see (`B01`, `B09`, `B10`; `hh`,
    `hv`) may be among them.

    Args:
        sensor: Whose bands they are.
        names: Of the user's channels, in order.

    Returns:
        For each band of the model its number among the channels.

    Raises:
        InputError: If a name is unknown or given twice, or a band is missing.
    """
    wanted = MODEL_BANDS[sensor]
    found: dict[str, int] = {}
    for number, name in enumerate(names):
        band = _canonical(sensor, name)
        if band is None:
            known = ", ".join((*wanted, *_KNOWN[sensor].unused))
            raise InputError(f"unknown {sensor} band {name!r}; known are {known}")
        if band in found:
            raise InputError(f"the {sensor} band {band} is given twice; name each channel once")
        found[band] = number
    missing = [band for band in wanted if band not in found]
    if missing:
        raise InputError(
            f"the {sensor} bands {', '.join(missing)} are missing; the model needs "
            f"{' '.join(wanted)}, got {' '.join(map(str, names)) or 'none'}"
        )
    return [found[band] for band in wanted]


def _canonical(sensor: SensorName, name: str) -> str | None:
    spelled = str(name).upper()
    spelled = _KNOWN[sensor].others.get(spelled, spelled)
    if len(spelled) == 2 and spelled[0] == "B":
        spelled = f"B0{spelled[1]}"
    if sensor == "s1":
        spelled = spelled.lower()
    known = (*MODEL_BANDS[sensor], *_KNOWN[sensor].unused)
    return spelled if spelled in known else None
