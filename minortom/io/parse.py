"""JSON of others, parsed: whatever the text is, it is a value or a ``ValueError``."""

import json
from typing import Any

MAX_DEPTH = 200
"""Maximum nesting of a text; our own files have less than ten levels."""


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - any value of JSON
    """Parse JSON.

    Raises:
        ValueError: If the text is no JSON, or nested too deeply for Python.
    """
    try:
        found = json.loads(text)
    except RecursionError:
        raise too_deep() from None
    require_depth(found)
    return found


def too_deep() -> ValueError:
    """Return the error about a value that is nested too deeply."""
    return ValueError(f"it is nested more than {MAX_DEPTH} levels deep")


def require_depth(value: object) -> None:
    """Refuse deep values, on which later steps would fail.

    Each value is visited once: YAML may contain one many times.

    Raises:
        ValueError: If a value is nested more than ``MAX_DEPTH`` levels deep.
    """
    level, seen = [value], set()
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for item in level:
            if isinstance(item, dict | list) and id(item) not in seen:
                seen.add(id(item))
                below.extend(item.values() if isinstance(item, dict) else item)
        if not below:
            return
        level = below
    raise too_deep()
