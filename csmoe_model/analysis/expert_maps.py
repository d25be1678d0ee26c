"""Maps of routing weights as small pictures, one pixel for each place; the page enlarges them.

Axes, as name suffixes: E experts, H W places of a map, and 3 for red, green and blue.
"""

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray

from minortom.plotting.patch_pictures import data_uri

Array = NDArray[np.float32]

_HEAT = colormaps["autumn"]
_KINDS, _MORE_KINDS = colormaps["tab10"], colormaps["tab20"]


def heat_map(weight_HW: Array, brightest: float) -> str:
    """Draw weights to lie over a picture: clear at 0, then red, yellow and opaque at `brightest`.

    Returns:
        A data URI, as the other functions return.
    """
    part_HW = np.clip(weight_HW / max(brightest, 1e-12), 0, 1)
    colours = _HEAT(part_HW)
    colours[..., 3] = part_HW**0.5
    return data_uri(colours)


def expert_map(share_EHW: Array) -> str:
    """Draw the expert with the largest share at each place; small shares are paler."""
    share_HW1 = share_EHW.max(0)[..., None]
    palette = np.array(expert_colours(len(share_EHW)))
    return data_uri(palette[share_EHW.argmax(0)] * share_HW1 + (1 - share_HW1))


def expert_colours(num_experts: int) -> list[tuple[float, float, float]]:
    """Return one colour for each expert: red, green and blue from 0 to 1."""
    kinds = _KINDS if num_experts <= _KINDS.N else _MORE_KINDS
    colours = [kinds(number % kinds.N) for number in range(num_experts)]
    return [(red, green, blue) for red, green, blue, _ in colours]


def dim_picture(pixels_HW3: Array) -> str:
    """Draw a picture of a patch in dim grey, as the background of maps."""
    grey_HW = pixels_HW3.mean(2, keepdims=True) * 0.75
    return data_uri(grey_HW.repeat(3, 2))
