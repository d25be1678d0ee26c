"""Decoding of rows that other libraries read: tensors as ``bytes`` to arrays."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minortom.errors import ShardError
from minortom.sensors import GROUPS
from minortom.shards.codec import unpacked
from minortom.shards.formats import Codec
from minortom.shards.layout import ALL_BANDS


def decode(
    row: Mapping[str, Any], *, bands: Sequence[str] = ALL_BANDS, codec: str = Codec.NONE
) -> dict[str, Any]:
    """Decode the tensors of one row into arrays; for ``.map`` of the ``datasets`` library.

    Args:
        row: A row of a shard, or some of its columns; tensors as ``bytes``.
        bands: Bands of the data set, where it does not have all (``fn_kwargs`` of ``.map``).
        codec: Codec of the data set, as in ``dataset.json``.

    Returns:
        The row with each tensor as a new array [band, row from north, column from west] of the
        stored dtype. ``<column>_bands`` has the bands in order, and ``<column>_unit`` the unit of
        the array times ``<column>_scale``.

    Raises:
        ShardError: If a tensor does not have a square of pixels in each band.
        InputError: If the package of the codec is not installed.
    """
    decoded = dict(row)
    for whole in GROUPS:
        group = replace(whole, bands=tuple(band for band in whole.bands if band in bands))
        if group.column not in row or not group.bands:
            continue
        # `bytes`, not numpy's bytes type, which drops zeros at the end.
        value = _unpacked(row[group.column], group.column, Codec(codec))
        dtype, count = np.dtype(group.dtype).newbyteorder("<"), len(group.bands)
        side_px = math.isqrt(len(value) // dtype.itemsize // count)
        if not value or len(value) != count * side_px**2 * dtype.itemsize:
            raise ShardError(
                f"a value of {group.column} must have a square of pixels in each of {count} "
                f"bands, found {len(value)} bytes; give the bands and the codec that "
                "dataset.json names"
            )
        pixels = np.frombuffer(value, dtype).reshape(count, side_px, side_px)
        decoded[group.column] = pixels.astype(group.dtype)  # writable, in this machine's byte order
        decoded[f"{group.column}_bands"] = list(group.bands)
        decoded[f"{group.column}_scale"] = group.scale
        decoded[f"{group.column}_unit"] = group.unit
    return decoded


def _unpacked(value: bytes, column: str, codec: Codec) -> bytes | bytearray:
    try:
        return unpacked(value, codec)
    except ValueError as error:
        raise ShardError(
            f"a value of {column} is damaged or not compressed with {codec} ({error}); give the "
            "codec that dataset.json names"
        ) from None
