"""Text and JSON in the encoding of a stream."""

import json
from typing import TextIO

from minortom.api.terminal_text import OBEYED


def is_unicode(stream: TextIO) -> bool:
    """Return whether a stream can print every character."""
    return (stream.encoding or "").lower() in ("utf-8", "utf8")


def json_text(value: object, stream: TextIO, *, indent: int | None = None) -> str:
    """Return a value as JSON, with other characters than ASCII escaped unless a stream has all.

    Characters that a terminal obeys are escaped in any case.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=not is_unicode(stream))
    return text.translate({code: f"\\u{code:04x}" for code in OBEYED})
