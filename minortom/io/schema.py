"""Types of the values in a file of JSON or YAML, checked before they are used.

A schema is built from the functions here, such as ``record(file=text, rows=count)``. A check
raises a ``ValueError`` with the place of the value: ``shards[3].rows must be a whole number of at
least 0, found 'x'``.
"""

from collections.abc import Callable, Mapping

from minortom.api.arguments import shown

Check = Callable[[object, str], None]
"""Checks a value with the name of its place; raises ``ValueError``."""

_MAX_SHOWN = 80


def anything(value: object, place: str) -> None:
    """Accept every value."""
    del value, place


def text(value: object, place: str) -> None:
    """Accept text."""
    _require(isinstance(value, str), place, "text", value)


def file_name(value: object, place: str) -> None:
    """Accept the name of a file without folders: a record names no file elsewhere."""
    fits = isinstance(value, str) and value not in ("", ".", "..")
    fits = fits and not any(sign in str(value) for sign in ("/", "\\", "\0"))
    _require(fits, place, "the name of a file without folders", value)


def number(value: object, place: str) -> None:
    """Accept a number, NaN and infinity included."""
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    _require(fits, place, "a number", value)


def count(value: object, place: str) -> None:
    """Accept a whole number of at least 0."""
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    _require(fits, place, "a whole number of at least 0", value)


def list_of(check: Check) -> Check:
    """Return a check of a list whose items pass a check."""

    def checked(value: object, place: str) -> None:
        _require(isinstance(value, list), place, "a list", value)
        items: list[object] = value  # type: ignore[assignment]  # checked above
        for position, item in enumerate(items):
            check(item, f"{place}[{position}]")

    return checked


def map_of(check: Check) -> Check:
    """Return a check of a mapping with keys of text, whose values pass a check."""

    def checked(value: object, place: str) -> None:
        for key, item in _items(value, place).items():
            check(item, _below(place, key))

    return checked


def optional(check: Check) -> Check:
    """Return a check that also accepts null, and a missing key of a record."""

    def checked(value: object, place: str) -> None:
        if value is not None:
            check(value, place)

    return checked


def record(**keys: Check) -> Check:
    """Return a check of a mapping with some keys; it may have others."""

    def checked(value: object, place: str) -> None:
        found = _items(value, place)
        for key, check in keys.items():
            check(found.get(key), _below(place, key))

    return checked


def _items(value: object, place: str) -> Mapping[str, object]:
    _require(isinstance(value, dict), place, "keys and values", value)
    found: dict[object, object] = value  # type: ignore[assignment]  # checked above
    for key in found:
        _require(isinstance(key, str), place, "keys of text", key)
    return found  # type: ignore[return-value]  # checked above


def _below(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _require(fits: bool, place: str, wanted: str, value: object) -> None:
    if not fits:
        raise ValueError(
            f"{place or 'the file'} must be {wanted}, found {shown(value)[:_MAX_SHOWN]}"
        )


PROVENANCE = record(
    command=optional(text), version=optional(text), options=optional(map_of(anything)),
    inputs=optional(map_of(text)), licences=optional(list_of(text)),
)  # fmt: skip
"""Provenance as ``minortom.io.provenance`` writes it; older versions had fewer keys."""

STATISTICS = record(bands=list_of(text), mean=list_of(number), std=list_of(number))
"""Statistics of the bands of one tensor column."""
