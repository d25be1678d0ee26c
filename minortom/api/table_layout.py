"""Layout of values as tables in which no cell is cut, however narrow the terminal is."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from minortom.api.terminal_text import terminal_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_GAPS = (3, 1)
"""Spaces between columns: usual, and the fewest."""


def layout(
    shown: Mapping[str, Any] | Sequence[Mapping[str, Any]], *, width: int
) -> "RenderableType":
    """Lay values out: one line a key, or one row a mapping.

    Rows become a block of lines each where their table is wider than the terminal.

    Args:
        shown: Values; all rows have the keys of the first.
        width: Characters of a line.
    """
    if isinstance(shown, Mapping):
        return _lines(shown)
    rows = [[_cell(row.get(name)) for name in shown[0]] for row in shown]
    names = [terminal_text(name) for name in shown[0]] if shown else []
    for gap in _GAPS:
        widths = _widths(names, rows, width=width, gap=gap)
        if widths is not None:
            return _rows(shown, names, rows, widths, gap=gap)
    return _blocks(shown)


def _lines(values: Mapping[str, Any]) -> "Table":
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(2):
        table.add_column(overflow="fold")  # a path may be longer than a terminal is wide
    for key, value in values.items():
        table.add_row(terminal_text(key).replace("_", " "), _cell(value))
    return table


def _rows(
    shown: Sequence[Mapping[str, Any]], names: Sequence[str], rows: Sequence[Sequence[str]],
    widths: Sequence[int], *, gap: int,
) -> "Table":  # fmt: skip
    from rich import box
    from rich.table import Table

    padding = (0, (gap - 1) // 2)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=gap > 1, padding=padding)
    for name, value, size in zip(names, shown[0].values() if shown else (), widths, strict=True):
        justify = "right" if _is_number(value) else "left"
        table.add_column(name, justify=justify, width=size)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*row)
    return table


def _blocks(shown: Sequence[Mapping[str, Any]]) -> "RenderableType":
    from rich.console import Group

    parts: list[RenderableType] = []
    for row in shown:
        parts += [_lines(row), ""]
    return Group(*parts[:-1])


def _widths(
    names: Sequence[str], rows: Sequence[Sequence[str]], *, width: int, gap: int
) -> list[int] | None:
    """Return the widths of the columns; None if their longest words do not fit."""
    columns = list(zip(names, *rows, strict=True))
    found = [max(len(word) for text in column for word in (text.split() or [""]))
             for column in columns]  # fmt: skip
    wanted = [max(map(len, column)) for column in columns]
    free = width - sum(found) - gap * len(columns)
    if free < 0:
        return None
    while free and found != wanted:
        for number, size in enumerate(wanted):
            if free and found[number] < size:
                found[number], free = found[number] + 1, free - 1
    return found


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
        return (
            ", ".join(f"{terminal_text(str(key))} {_cell(item)}" for key, item in value.items())
            or "none"
        )
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item) for item in value) or "none"
    return "–" if value is None else terminal_text(str(value))
