"""Bands by name: which channels of a user's images the model sees, and in which order.

Axes, as name suffixes:
    B  images in a batch    C  bands    H W  pixel rows and columns
"""

from collections.abc import Sequence

from torch import Tensor

from minortom.errors import InputError
from minortom.scenes.band_names import SKIP, band_names, known_band, missing_bands
from minortom.sensors import MODEL_BANDS, SensorName


def check_image(sensor: SensorName, image_BCHW: Tensor, bands: Sequence[str] | None = None) -> None:
    """Check the axes, the number of bands and the dtype of normalised images.

    Args:
        sensor: Sensor of the images.
        image_BCHW: The images.
        bands: Names of the channels; `MODEL_BANDS` when None.

    Raises:
        InputError: If a check fails.
    """
    names = MODEL_BANDS[sensor] if bands is None else bands
    _check_names(sensor, names)
    if image_BCHW.ndim != 4 or image_BCHW.shape[1] != len(names):
        advice = "; add an axis for the batch: images[None]" if image_BCHW.ndim == 3 else ""
        raise InputError(
            f"{sensor} images must be [batch, {len(names)}, height, width] with the bands "
            f"{' '.join(names)}, found {list(image_BCHW.shape)}{advice}"
        )
    if not image_BCHW.is_floating_point():
        raise InputError(
            f"{sensor} images must be normalised, in floating point, found {image_BCHW.dtype}; "
            "normalise measured values with prepare first"
        )


def pick(
    sensor: SensorName,
    image_BCHW: Tensor,
    bands: Sequence[str] | None,
    *,
    wanted: Sequence[str] | None = None,
) -> Tensor:
    """Return the bands of the model, in its order, of images with the channels `bands`.

    When `bands` is None, the images must have these bands already.

    Args:
        sensor: Sensor of the images.
        image_BCHW: The images.
        bands: Names of their channels.
        wanted: Bands of the model; `MODEL_BANDS` when None.

    Raises:
        InputError: As `check_image` and `channels`.
    """
    check_image(sensor, image_BCHW, wanted if bands is None else bands)
    return image_BCHW if bands is None else image_BCHW[:, channels(sensor, bands, wanted=wanted)]


def channels(
    sensor: SensorName, names: Sequence[str], *, wanted: Sequence[str] | None = None
) -> list[int]:
    """Return the index of each band of the model among a user's channels.

    Names may be spelled as in `minortom.scenes.band_names`. Bands that the model does not see
    (`B01`, `B09`, `B10`; `hh`, `hv`), layers such as `SCL` and `angle`, and `-` may be among them.

    Args:
        sensor: Sensor of the channels.
        names: Names of the channels, in order.
        wanted: Bands of the model; `MODEL_BANDS` when None.

    Raises:
        InputError: If a name is unknown or occurs twice, or a band is missing.
    """
    _check_names(sensor, names)
    found: dict[str, int] = {}
    for number, name in enumerate(names):
        known = known_band(name)
        if name == SKIP or (known is not None and known.sensor is None):
            continue
        band = known.name if known is not None and known.sensor == sensor else None
        if band is None:
            known_names = ", ".join(band_names(sensor))
            raise InputError(f"unknown {sensor} band {name!r}; known bands are {known_names}")
        if band in found:
            raise InputError(f"the {sensor} band {band} occurs twice; name each channel once")
        found[band] = number
    error = missing_bands(sensor, names, wanted=wanted)
    if error:
        raise error
    return [found[band] for band in wanted or MODEL_BANDS[sensor]]


def _check_names(sensor: SensorName, names: Sequence[str]) -> None:
    if isinstance(names, str):  # whose items are letters
        raise InputError(
            f"the bands of {sensor} must be a list of names, found the text {names!r}; pass "
            f"{names.replace(',', ' ').split()}"
        )
