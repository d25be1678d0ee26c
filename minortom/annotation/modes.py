"""Modes of the look-up in each map: the pixels that the class of a cell comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from minortom.api.arguments import shown
from minortom.api.choices import MapMode
from minortom.errors import InputError

CENTER = "center"
RESOLUTION_M = 40.0
"""Largest pixel to count by default, in metres."""


@dataclass(frozen=True, kw_only=True)
class Modes:
    """Mode of each map.

    ``center`` takes the pixel at the centre. ``majority`` takes the most frequent class of the
    cell, in a tie the lowest code. ``fractions`` adds each class's share of the pixels.

    Raises:
        InputError: If a value is out of range, or there is a resolution without pixels to count.
    """

    climate: MapMode = "center"
    landcover: MapMode = "center"
    further: Mapping[str, MapMode] = field(default_factory=dict)
    """Modes of additional maps, by the name of their column; ``center`` for others."""
    resolution_m: float = RESOLUTION_M
    """Largest pixel to count, in metres. The coarsest overview with such pixels is read."""

    def __post_init__(self) -> None:
        for name in ("climate", "landcover"):
            _require_mode(f"--{name}-mode", getattr(self, name))
        if not 0 < self.resolution_m < np.inf:
            raise InputError(
                f"expected --landcover-resolution above 0 metres, found {self.resolution_m}"
            )
        if self.resolution_m != RESOLUTION_M and not self.count_pixels:
            raise InputError(
                "--landcover-resolution needs a map whose pixels are counted, found the mode "
                f"{CENTER} for all maps; give --landcover-mode, --climate-mode or "
                "--descriptor-mode majority or fractions"
            )

    def of(self, name: str) -> MapMode:
        """Return the mode of a map, by the name of its column."""
        return {"climate": self.climate, "landcover": self.landcover, **self.further}.get(
            name, "center"
        )

    @property
    def count_pixels(self) -> bool:
        """Return whether the pixels of a map are counted."""
        return any(
            mode != CENTER for mode in (self.climate, self.landcover, *self.further.values())
        )

    def as_options(self) -> dict[str, object]:
        """Return the options that change the result, for the provenance."""
        others = {"climate": self.climate, **self.further}
        options: dict[str, object] = {"landcover_mode": self.landcover}
        options |= {f"{name}_mode": mode for name, mode in others.items() if mode != CENTER}
        if self.count_pixels:
            options["landcover_resolution_m"] = self.resolution_m
        return options


def modes_of_descriptors(texts: Sequence[str], names: Sequence[str]) -> dict[str, MapMode]:
    """Parse ``--descriptor-mode NAME=MODE``.

    Args:
        texts: The values of the option.
        names: Names of the additional maps.

    Raises:
        InputError: If a text is not NAME=MODE with the name of a map, or names a map twice.
    """
    modes: dict[str, MapMode] = {}
    for text in texts:
        name, _, mode = text.partition("=")
        if name not in names or name in modes:
            known = ", ".join(names) or "none is given"
            raise InputError(
                "expected --descriptor-mode NAME=MODE with each NAME of --descriptor at most once "
                f"({known}), found {text!r}"
            )
        modes[name] = _require_mode(f"--descriptor-mode {name}=", mode)
    return modes


def _require_mode(option: str, value: object) -> MapMode:
    for mode in get_args(MapMode):
        if isinstance(value, str) and value == mode:
            found: MapMode = mode
            return found
    space = "" if option.endswith("=") else " "
    raise InputError(
        f"expected {option}{space}{', '.join(get_args(MapMode))}, found {shown(value)}"
    )
