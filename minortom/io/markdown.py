"""Text of others in Markdown: one line that shows as it is, without markup, links or HTML.

Licences, attributions, names and options come from files that others wrote, and cards show them.
"""

import re

_MARKUP = re.compile(
    r"""
    [\\`*<|~$]                      # code, emphasis, HTML, cells of a table, formulas
    | \](?=[(\[:])                  # the end of a link's text
    | (?<![^\W_])_ | _(?![^\W_])    # emphasis; a _ inside a word is none
    | &(?=\#?\w+;)                  # a character by its name, such as &lt;
    | ^[#>=:] | ^[+-](?=\s|-|$)     # at the start: heading, quote, rule, list
    | (?<=\s)\#(?=\#*$)             # at the end of a heading, which it closes
    """,
    re.VERBOSE,
)
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")
_PLAIN_CODE = re.compile(r"[\w .,:;/=+@%()-]*")


def markdown_text(value: object) -> str:
    """Return a value as one line of Markdown that shows its characters and nothing else.

    It fits into a paragraph, an item of a list, a heading and a cell of a table. The characters
    of ordinary text stay as they are.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    escaped = _MARKUP.sub(lambda found: f"\\{found[0]}", line)
    return _NUMBERED.sub(r"\1\\\2", escaped)


def markdown_code(value: object) -> str:
    """Return a value in code font, if it has no character that could end the code."""
    text = str(value)
    return f"`{text}`" if text.strip() and _PLAIN_CODE.fullmatch(text) else markdown_text(text)
