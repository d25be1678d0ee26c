"""A row of a shard as other libraries give it, its tensors as ``bytes``, to arrays."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minortom.errors import ShardError
from minortom.sensors import GROUPS
from minortom.shard_layout import ALL_BANDS


def decode(row: Mapping[str, Any], *, bands: Sequence[str] = ALL_BANDS) -> dict[str, Any]:
    """Turn the tensors of one row into arrays; for ``.map`` of the ``datasets`` library.

    Args:
        row: A row of a shard, or some columns of one; tensors as ``bytes``.
        bands: Those of the set, where it does not have all (``fn_kwargs`` of ``.map``).

    Returns:
        The row, each tensor as a new array [band, row from north, column from west] of the stored
        dtype; beside it ``<column>_bands``, the bands in order, and ``<column>_unit``, what an
        array times ``<column>_scale`` is in.

    Raises:
        ShardError: If a tensor is no square of pixels in all bands.
    """
    decoded = dict(row)
    for whole in GROUPS:
        group = replace(whole, bands=tuple(band for band in whole.bands if band in bands))
        if group.column not in row or not group.bands:
            continue
        # Not numpy's own kind of bytes: it drops zeros at the end.
        flat = np.frombuffer(row[group.column], np.dtype(group.dtype).newbyteorder("<"))
        side_px = math.isqrt(flat.size // len(group.bands))
        if not flat.size or flat.size != len(group.bands) * side_px**2:
            raise ShardError(
                f"a value of {group.column} has {flat.size} pixels in {len(group.bands)} bands; "
                "wanted a square; read rows of shards made by `minortom export`"
            )
        pixels = flat.reshape(len(group.bands), side_px, side_px)
        decoded[group.column] = pixels.astype(group.dtype)  # writable, of this machine's order
        decoded[f"{group.column}_bands"] = list(group.bands)
        decoded[f"{group.column}_scale"] = group.scale
        decoded[f"{group.column}_unit"] = group.unit
    return decoded
