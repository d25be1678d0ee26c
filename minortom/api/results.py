"""Results of the public functions: they print as the commands do and turn into JSON."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from io import StringIO
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from minortom.public_urls import public_text

if TYPE_CHECKING:
    from rich.table import Table

Shown = Mapping[str, Any] | Sequence[Mapping[str, Any]] | str
"""Values for people: one line a key, one row a mapping, or text as it is."""

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
        return public_text(shown)
    # Imported here so that `import minortom` stays light.
    from rich.console import Console

    stream = StringIO()
    width = Console().width if sys.stdout.isatty() else WIDTH
    console = Console(file=stream, width=width, highlight=False, markup=False)
    console.print(as_table(shown))
    return stream.getvalue().rstrip("\n")


def as_table(shown: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> "Table":
    """Lay values out as a table: one line a key, or one row a mapping."""
    from rich import box
    from rich.table import Table

    if isinstance(shown, Mapping):
        table = Table(box=None, show_header=False, pad_edge=False)
        for key, value in shown.items():
            table.add_row(key.replace("_", " "), _cell(value))
        return table
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in shown[0] if shown else ():
        table.add_column(name, justify="right" if _is_number(shown[0][name]) else "left")
    for row in shown:
        table.add_row(*(_cell(row.get(name)) for name in shown[0]))
    return table


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_cell(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item) for item in value) or "none"
    return "–" if value is None else public_text(str(value))
