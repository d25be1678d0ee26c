"""Columns of classes: codes and names of each tile, and the class ``unmapped``."""

import json
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from minortom.errors import InputError
from minortom.maps.descriptor import Descriptor
from minortom.maps.legends import MAX_CODE

UNMAPPED = "unmapped"
"""Class of a tile that is on nodata or outside the map."""
UNMAPPED_CODE = MAX_CODE
COLOURS_KEY = "minortom_colours"
"""Key of the colours of classes in a file's metadata: JSON, column -> class -> ``#rrggbb``."""


def colour_metadata(descriptors: Mapping[str, Descriptor]) -> dict[str, str]:
    """Return the metadata with the colours of classes; empty if no legend has colours."""
    colours = {name: map_.colours for name, map_ in descriptors.items() if map_.colours}
    return {COLOURS_KEY: json.dumps(colours, sort_keys=True, ensure_ascii=False)} if colours else {}


def with_unmapped(names: Mapping[int, str], *, of: str) -> dict[int, str]:
    """Add the class ``unmapped`` to the names of a legend.

    Raises:
        InputError: If the legend uses its code or its name.
    """
    if UNMAPPED_CODE in names or UNMAPPED in names.values():
        raise InputError(
            f"expected a legend of {of} without a class {UNMAPPED_CODE} or {UNMAPPED!r}, which "
            "mark tiles without a class; give that class another code and name"
        )
    return {**names, UNMAPPED_CODE: UNMAPPED}


def mapped(codes: NDArray[np.int16]) -> NDArray[np.uint8]:
    """Return [n] codes of a look-up as codes of a column; no class becomes ``unmapped``."""
    return np.where(codes >= 0, codes, UNMAPPED_CODE).astype(np.uint8)


def class_columns(
    name: str, codes: NDArray[np.uint8], names: Mapping[int, str]
) -> dict[str, pa.Array]:
    """Return the columns ``name`` and ``name_code`` of [n] codes."""
    return {name: encoded(codes, names.__getitem__), f"{name}_code": pa.array(codes)}


def joint_class(
    u: NDArray[np.uint8],
    v: NDArray[np.uint8],
    names_u: Mapping[int, str],
    names_v: Mapping[int, str],
) -> pa.Array:
    """Return the joint class ``u/v`` of [n] tiles (Algorithm 1 of the CSMoE paper)."""
    step = MAX_CODE + 1
    pairs = u.astype(np.int32) * step + v
    return encoded(pairs, lambda pair: f"{names_u[pair // step]}/{names_v[pair % step]}")


def encoded(codes: NDArray[np.integer], name_of: Callable[[int], str]) -> pa.Array:
    """Encode [n] codes as a dictionary of the names that occur, in the order of their codes."""
    present = np.flatnonzero(np.bincount(codes))
    names = pa.array([name_of(int(code)) for code in present], pa.string())
    indices = np.searchsorted(present, codes).astype(np.int32)
    return pa.DictionaryArray.from_arrays(indices, names)
