"""Results of the public functions: they print as the commands do and turn into JSON."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from io import StringIO
from pathlib import PurePath
from typing import Any

from minortom.api.table_layout import layout
from minortom.public_urls import public_text

Shown = Mapping[str, Any] | Sequence[Mapping[str, Any]] | str
"""Values for people: one line a key, one row a mapping, or text, which is data of the user and is
printed as it is."""

NOT_IN_JSON = {"json": False}
"""Metadata of a dataclass field that ``as_dict`` leaves out, such as a table in memory."""

WIDTH = 120
"""Characters a line where the output is no terminal."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Base class of the results of public functions; its subclasses are frozen dataclasses."""

    def as_dict(self) -> Any:  # noqa: ANN401  (a dictionary; a list where the command has rows)
        """Return the values that ``--json`` prints, as JSON has them."""
        shown = [field for field in fields(self) if field.metadata.get("json", True)]
        return {field.name: plain(getattr(self, field.name)) for field in shown}

    def shown(self) -> Shown:
        """Return the values that the command prints for people."""
        values: Shown = self.as_dict()
        return values

    def __str__(self) -> str:
        """Return the text that the command prints."""
        return as_text(self.shown())


def plain(value: object) -> object:
    """Return a value as JSON has it, and URLs without secrets.

    Paths become strings, tuples lists, and results dictionaries.
    """
    if isinstance(value, Result):
        return value.as_dict()
    if isinstance(value, PurePath):
        return public_text(str(value))
    if isinstance(value, str):
        return public_text(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def as_text(shown: Shown) -> str:
    """Return values as text for people, as wide as the terminal (120 characters elsewhere)."""
    if isinstance(shown, str):
        return shown
    # Imported here so that `import minortom` stays light.
    from rich.console import Console

    stream = StringIO()
    width = shown_width()
    # Text without colours wherever it is made: in Jupyter, rich would display it and write nothing.
    console = Console(
        file=stream, width=width, highlight=False, markup=False, color_system=None,
        force_jupyter=False,
    )  # fmt: skip
    console.print(layout(shown, width=width))
    return stream.getvalue().rstrip("\n")


def shown_width() -> int:
    """Return the characters of a line of stdout."""
    from rich.console import Console

    return Console().width if sys.stdout.isatty() else WIDTH
