"""Progress bar on a terminal of any width."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from minortom.api.terminal_text import terminal_text

_WIDE = 100
"""Characters of a terminal that has room for a bar and the elapsed time."""
_TIME = 9
"""Characters of the remaining time, with a space."""


@contextmanager
def progress_bar(label: str, *, hidden: bool) -> Iterator[Callable[..., None]]:
    """Show a progress bar on stderr; yield the callback (done, total, note="") that moves it.

    On a narrow terminal the numbers stay whole and the note loses its end.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    is_wide = console.width >= _WIDE
    name, note, left = TextColumn(label), TextColumn("{task.description}"), TimeRemainingColumn()
    wide = (name, BarColumn(), MofNCompleteColumn(), note, TimeElapsedColumn(), left)
    columns = wide if is_wide else (name, MofNCompleteColumn(), note, left)
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=None)

        def move(done: int, total: int, note: str = "") -> None:
            text = terminal_text(note)
            room = console.width - len(f"{label} {total}/{total} ") - _TIME
            if not is_wide and len(text) > room:
                text = f"{text[: max(room - 1, 0)]}…"
            bar.update(task, completed=done, total=total, description=text)

        yield move


def is_terminal() -> bool:
    """Return whether stderr can show a progress bar."""
    from rich.console import Console

    return Console(stderr=True).is_terminal
