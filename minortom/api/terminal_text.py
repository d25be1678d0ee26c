"""Text of files and addresses that is safe to print on a terminal."""

from minortom.public_urls import public_text

OBEYED = (
    *(code for code in range(0x20) if chr(code) not in "\t\n"), *range(0x7F, 0xA0),
    *range(0x202A, 0x202F), *range(0x2066, 0x206A),
)  # fmt: skip
"""Control characters, which move the cursor or set the title, and those that reverse the text."""
_ESCAPES = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in OBEYED}


def with_escapes(text: str) -> str:
    """Return a text with control characters as escapes.

    A name in a file of others could otherwise clear the screen, or hide a part of a message.
    """
    return text.translate(_ESCAPES)


def terminal_text(text: str) -> str:
    """Return a text with control characters as escapes, and without the secrets of URLs."""
    return with_escapes(public_text(text))
