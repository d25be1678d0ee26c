"""Conditions of the routing: what a shared layer knows about an image; and the size of crops.

Here, as in `kept_experts`, are names and checks only, without torch.
"""

from collections.abc import Sequence
from typing import Literal

from minortom.api.arguments import require
from minortom.errors import InputError
from minortom.sensors import SensorName

Conditioning = Literal["none", "sensor", "granularity", "both"]
Granularity = Literal["whole", "local"]
"""`whole`: an image of a whole patch. `local`: a crop of it."""
Condition = tuple[SensorName, Granularity]
"""Sensor and granularity of an image."""

GRANULARITIES: tuple[Granularity, ...] = ("whole", "local")
CROP_SIDE = 0.5
"""Default side of a local crop, as a fraction of the side of the image."""


def condition_names(condition: Conditioning, sensors: Sequence[SensorName]) -> tuple[str, ...]:
    """Return the names of the condition vectors of a shared layer: sensors and granularities."""
    of_sensors = sensors if condition in ("sensor", "both") else ()
    return (*of_sensors, *(GRANULARITIES if condition in ("granularity", "both") else ()))


def crop_patches(crop_side: float, grid_size: int) -> int:
    """Return the side of a local crop in patches: the nearest whole number, at least 1."""
    return max(1, round(crop_side * grid_size))


def check_conditions(
    condition: Conditioning, local_global: float, num_experts: int, shared_layers: int
) -> None:
    """Check that a condition varies, and that there are layers that it can change.

    Raises:
        InputError: If it cannot have an effect.
    """
    if condition == "none":
        return
    for name, count in (("num_experts", num_experts), ("shared_layers", shared_layers)):
        if not count:
            raise InputError(
                f"condition {condition} needs shared layers with experts, whose routing it "
                f"changes, found {name} 0; give condition none, or a higher {name}"
            )
    if condition != "sensor" and not local_global:
        raise InputError(
            f"condition {condition} needs local crops beside whole images, found local_global 0; "
            "give a weight above 0 as local_global, or condition sensor"
        )


def check_crops(local_global: float, crop_side: float, grid_size: int) -> None:
    """Check that a local crop is smaller than the image.

    Raises:
        InputError: If it is not, or the side is given without local-global pairs.
    """
    wanted = "a fraction of the side of the image, above 0 and below 1"
    require(0 < crop_side < 1, "crop_side", wanted, crop_side)
    if not local_global:
        if crop_side != CROP_SIDE:
            raise InputError(
                f"crop_side {crop_side} needs local crops, found local_global 0; give a weight "
                "above 0 as local_global, or leave crop_side out"
            )
        return
    side = crop_patches(crop_side, grid_size)
    if side >= grid_size:
        raise InputError(
            f"a local crop must be smaller than the image, and crop_side {crop_side} is {side} of "
            f"the {grid_size} patches along a side; give a smaller crop_side, or a larger "
            "image_size"
        )
