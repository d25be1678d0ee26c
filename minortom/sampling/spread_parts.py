"""The parts of the space of ``--spread-over``: place, and columns of the annotated tiles."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from minortom.api.arguments import number
from minortom.errors import InputError

OPTION = "--spread-over"
PLACE = "place"
"""Name of the part that is the position on the ground."""
COMPONENTS = 16
"""Principal components of an embedding column by default."""
WEIGHT = 1.0
"""Weight of the coverage in the space by default."""
_LOG = "log:"
_FORM = "place, names of columns, log:NAME or NAME*WEIGHT, separated by commas"


@dataclass(frozen=True, kw_only=True)
class SpreadPart:
    """One part of the space: the place, or a column.

    Raises:
        InputError: If the weight is not above zero, or the logarithm of the place is requested.
    """

    name: str
    """``place``, or the name of a column."""
    log: bool = False
    """Whether the natural logarithm of the column counts."""
    weight: float = 1.0
    """Factor of the part's distances."""

    def __post_init__(self) -> None:
        if not 0 < self.weight < math.inf:
            raise InputError(
                f"{OPTION} {self.label}: the weight must be a number above 0, found "
                f"{self.weight:g}; leave the part out to ignore it"
            )
        if self.is_place and self.log:
            raise InputError(f"{OPTION} {self.label}: place has no logarithm; give place alone")

    @property
    def is_place(self) -> bool:
        """Return whether the part is the position on the ground."""
        return self.name == PLACE

    @property
    def label(self) -> str:
        """Return the name as in the option, without the weight: ``log:precipitation``."""
        return f"{_LOG}{self.name}" if self.log else self.name

    def __str__(self) -> str:
        weight = repr(self.weight).removesuffix(".0")
        return self.label if self.weight == 1 else f"{self.label}*{weight}"


@dataclass(frozen=True, kw_only=True)
class SpreadOptions:
    """A space in which the tiles of each stratum are covered, beside the ground.

    Raises:
        InputError: If a part is there twice, or the weight is not above zero.
    """

    parts: tuple[SpreadPart, ...]
    components: int | None = COMPONENTS
    """Principal components of each embedding column that count; None counts all coordinates."""
    weight: float = WEIGHT
    """Weight of the coverage in this space in the score of the genetic search."""

    def __post_init__(self) -> None:
        labels = [part.label for part in self.parts]
        repeated = sorted({label for label in labels if labels.count(label) > 1})
        if repeated:
            raise InputError(
                f"{OPTION} names {', '.join(repeated)} more than once; name each part once"
            )

        if not 0 < self.weight < math.inf:
            raise InputError(
                f"--spread-weight must be a number above 0, found {self.weight:g}; omit {OPTION} "
                "to cover the ground alone"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns, each once."""
        return tuple(dict.fromkeys(part.name for part in self.parts if not part.is_place))

    def for_provenance(self) -> dict[str, object]:
        """Return the options that change the result."""
        return {
            "spread_over": [str(part) for part in self.parts],
            "spread_components": "all" if self.components is None else self.components,
            "spread_weight": self.weight,
        }


def parse_spread(
    parts: str | Sequence[str] | None,
    *,
    components: str | int | None = None,
    weight: float | None = None,
) -> SpreadOptions | None:
    """Return the space of ``--spread-over``; None for the place alone, which is the default.

    Args:
        parts: Parts as a sequence or separated by commas.
        components: Principal components of an embedding column, or ``all``; None means 16.
        weight: Weight of the coverage in the space; None means 1.

    Raises:
        InputError: If a part is malformed or there twice, or ``components`` is no number from 1.
    """
    if parts is None:
        for name, value in (("components", components), ("weight", weight)):
            if value is not None:
                raise InputError(f"--spread-{name} needs {OPTION}; give the columns too")
        return None
    split = parts.split(",") if isinstance(parts, str) else parts
    texts = list(split) if isinstance(split, Sequence) else []
    if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        raise InputError(f"{OPTION} must be {_FORM}, found {parts!r}")
    found = SpreadOptions(
        parts=tuple(_part(text.strip()) for text in texts),
        components=_components(components),
        weight=WEIGHT if weight is None else number("spread_weight", weight),
    )
    return found if found.columns else None


def stored_spread(options: Mapping[str, object]) -> SpreadOptions | None:
    """Return the space in the provenance of a selection; None for the place alone.

    Raises:
        InputError: If the provenance was changed, so that it is no space.
    """
    parts = options.get("spread_over")
    if not isinstance(parts, list | tuple):
        return None
    components, weight = options.get("spread_components"), options.get("spread_weight")
    return parse_spread(
        parts, components=components if isinstance(components, str | int) else None,
        weight=weight if isinstance(weight, float | int) else None,
    )  # fmt: skip


def _part(text: str) -> SpreadPart:
    name, star, factor = text.rpartition("*")
    if not star:
        name, factor = text, "1"
    log = name.startswith(_LOG)
    name = name.removeprefix(_LOG).strip()
    try:
        weight = float(factor)
    except ValueError:
        raise InputError(
            f"{OPTION} {text}: the weight must be a number above 0, found {factor.strip()!r}"
        ) from None
    if not name:
        raise InputError(f"{OPTION} must be {_FORM}, found {text!r}")
    return SpreadPart(name=name, log=log, weight=weight)


def _components(given: str | int | None) -> int | None:
    if given is None:
        return COMPONENTS
    if given == "all":
        return None
    try:
        count = int(given) if isinstance(given, str | int) and not isinstance(given, bool) else 0
    except ValueError:
        count = 0
    if count < 1:
        raise InputError(
            f"--spread-components must be a whole number of at least 1, or all, found {given!r}"
        )
    return count
