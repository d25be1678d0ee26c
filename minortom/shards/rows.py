"""A row of a shard as other libraries give it, its tensors as ``bytes``, to arrays."""

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
    """Turn the tensors of one row into arrays; for ``.map`` of the ``datasets`` library.

    Args:
        row: A row of a shard, or some columns of one; tensors as ``bytes``.
        bands: Those of the set, where it does not have all (``fn_kwargs`` of ``.map``).
        codec: How the set packs its tensors, as ``dataset.json`` tells.

    Returns:
        The row, each tensor as a new array [band, row from north, column from west] of the stored
        dtype; beside it ``<column>_bands``, the bands in order, and ``<column>_unit``, what an
        array times ``<column>_scale`` is in.

    Raises:
        ShardError: If a tensor is no square of pixels in all bands.
        InputError: If the codec's package is not installed.
    """
    decoded = dict(row)
    for whole in GROUPS:
        group = replace(whole, bands=tuple(band for band in whole.bands if band in bands))
        if group.column not in row or not group.bands:
            continue
        # `bytes`, not numpy's own kind of them: that one drops zeros at the end.
        value = _unpacked(row[group.column], group.column, Codec(codec))
        dtype, count = np.dtype(group.dtype).newbyteorder("<"), len(group.bands)
        side_px = math.isqrt(len(value) // dtype.itemsize // count)
        if not value or len(value) != count * side_px**2 * dtype.itemsize:
            raise ShardError(
                f"a value of {group.column} has {len(value)} bytes in {count} bands; "
                "wanted a square; read rows of shards made by `minortom export`, with the bands "
                "and the codec that their dataset.json tells"
            )
        pixels = np.frombuffer(value, dtype).reshape(count, side_px, side_px)
        decoded[group.column] = pixels.astype(group.dtype)  # writable, of this machine's order
        decoded[f"{group.column}_bands"] = list(group.bands)
        decoded[f"{group.column}_scale"] = group.scale
        decoded[f"{group.column}_unit"] = group.unit
    return decoded


def _unpacked(value: bytes, column: str, codec: Codec) -> bytes | bytearray:
    try:
        return unpacked(value, codec)
    except ValueError as error:
        raise ShardError(
            f"a value of {column} is damaged or not packed with {codec} ({error}); give the codec "
            "that dataset.json tells"
        ) from None
