"""Legends of categorical maps: the meaning of pixel values, as YAML files and manifests have it."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from minortom.api.arguments import not_special, shown
from minortom.errors import InputError
from minortom.io.parse_yaml import parse_yaml

MAX_CODE = 255
"""Maximum code: codes are stored as uint8."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, kw_only=True)
class Crosswalk:
    """Map from the classes of one legend to those of another."""

    to: str
    """Name of the other legend."""
    codes: Mapping[int, int]
    """Code of the other legend, by code of this legend; one for each class."""

    def __post_init__(self) -> None:
        odd = [code for code in (*self.codes, *self.codes.values()) if not is_code(code)]
        if odd or not isinstance(self.to, str):
            raise InputError(
                f"expected codes 0 to {MAX_CODE} and the name of a legend in the crosswalk, found "
                f"{shown(odd[0] if odd else self.to)}"
            )


@dataclass(frozen=True, kw_only=True)
class Legend:
    """Legend of a categorical map: the meaning of its values."""

    name: str
    """Name for ``--climate-legend`` and ``--landcover-legend``."""
    classes: Mapping[int, str]
    """Name of each class, by code 0 to 255. No slashes, since strata are ``climate/landcover``.
    Codes with the same name are one class, whose code is the lowest of them."""
    nodata: tuple[int, ...]
    """Values of pixels without a class."""
    crosswalk: Crosswalk | None = None
    colours: Mapping[int, str] = field(default_factory=dict)
    """Colours of classes in reports, as ``#rrggbb``, by code."""
    table: str | None = None
    """Where the classes and their colours are published."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InputError(f"expected text under legend.name, found {shown(self.name)}")
        odd: list[object] = [code for code in (*self.classes, *self.nodata) if not is_code(code)]
        odd += [name for name in self.classes.values() if not _is_class_name(name)]
        if odd or not self.classes:
            raise InputError(
                f"legend {self.name}: expected codes 0 to {MAX_CODE} with names without a slash, "
                f"found {shown(odd[0] if odd else 'no classes')}"
            )
        both = [code for code in self.nodata if code in self.classes]
        if both:
            raise InputError(f"legend {self.name}: {both[0]} is a class and nodata; remove one")
        if self.crosswalk and set(self.crosswalk.codes) != set(self.classes):
            raise InputError(
                f"legend {self.name}: expected each class once in the crosswalk to "
                f"{self.crosswalk.to}, found other codes; correct the crosswalk"
            )
        self._check_colours()

    def _check_colours(self) -> None:
        for code, colour in self.colours.items():
            if code not in self.classes or not is_colour(colour):
                raise InputError(
                    f"legend {self.name}: expected colours of its classes such as 10: "
                    f'"#006400", found {shown(code)}: {shown(colour)}'
                )
        if self.table is not None and not isinstance(self.table, str):
            raise InputError(
                f"legend {self.name}: expected text under table, found {shown(self.table)}"
            )


def is_code(value: object) -> bool:
    """Return whether a value can be the code of a class."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_CODE


def is_colour(value: object) -> bool:
    """Return whether a value is a colour as ``#rrggbb``."""
    return isinstance(value, str) and _COLOUR.fullmatch(value) is not None


def legend_of(content: object) -> Legend:
    """Build a legend from the keys and values of a YAML file.

    Raises:
        InputError: If a key is missing, unknown or of another type.
    """
    legend = dict(_of_type(dict, content, "legend"))
    if legend.get("crosswalk") is not None:
        codes = legend["crosswalk"].get("codes") if isinstance(legend["crosswalk"], dict) else {}
        _of_type(dict, codes, "crosswalk.codes")
        legend["crosswalk"] = strictly(Crosswalk, legend["crosswalk"])
    legend["nodata"] = tuple(_of_type(list, legend.get("nodata"), "nodata"))
    legend["classes"] = _of_type(dict, legend.get("classes"), "classes")
    if legend.setdefault("colours", {}) is None:
        legend["colours"] = {}
    _of_type(dict, legend["colours"], "colours")
    found: Legend = strictly(Legend, legend)
    return found


def read_yaml(what: str, path: Path) -> Any:  # noqa: ANN401  (any YAML)
    """Read a YAML file.

    Args:
        what: What the file is, for the error message, such as ``a manifest``.
        path: The file.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        return parse_yaml(not_special(what, path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {what.replace('a ', 'the ', 1)} {path}: {error}") from None


def strictly(kind: type, content: object) -> Any:  # noqa: ANN401 - an instance of `kind`
    """Build a dataclass from a mapping.

    Raises:
        InputError: If a key is missing or unknown, or a value is not possible.
    """
    if not isinstance(content, dict):
        raise InputError(
            f"expected keys and values for {kind.__name__.lower()}, found {shown(content)}"
        )
    names = {
        one.name: one.default is MISSING and one.default_factory is MISSING for one in fields(kind)
    }
    missing = [name for name, needed in names.items() if needed and name not in content]
    if missing:
        raise InputError(f"the key {missing[0]} is missing")
    unknown = [str(key) for key in content if key not in names]
    if unknown:
        raise InputError(f"expected the keys {', '.join(sorted(names))}, found {unknown[0]}")
    return kind(**content)


def _of_type(kind: type, value: object, name: str) -> Any:  # noqa: ANN401 - an instance of `kind`
    if not isinstance(value, kind):
        expected = "a list" if kind is list else "keys and values"
        raise InputError(f"expected {expected} under {name}, found {shown(value)}")
    return value


def _is_class_name(name: object) -> bool:
    return isinstance(name, str) and bool(name.strip()) and "/" not in name and name.isprintable()
