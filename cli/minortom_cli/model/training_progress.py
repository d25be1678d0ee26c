"""How a training run tells of its steps: a bar for who watches, a line now and then for a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from minortom_cli.console import progress, say

_EVERY_S = 30.0


class _Speed(Protocol):
    def brief(self) -> str: ...

    def note(self) -> str: ...


OnStep = Callable[[int, int, float, _Speed], None]


@contextmanager
def telling(*, first: bool) -> Iterator[OnStep]:
    """Yield what to call after each step with (done, total, its loss, its speed).

    Where stderr is no terminal, as under SLURM, a line says that the run lives: after the
    first and the last step, and every half a minute. Only the ``first`` of the processes
    that train together tells.
    """
    if not first:
        yield lambda *_: None
        return
    with progress("steps") as move:
        told = _Lines() if not _is_watched() else None

        def on_step(done: int, total: int, loss: float, speed: _Speed) -> None:
            if told is not None:
                told.step(done, total, f"loss {loss:.3f}, {speed.note()}")
            else:
                move(done, total, f"loss {loss:.3f}, {speed.brief()}")

        yield on_step


class _Lines:
    """A line on stderr for the first step of this process, the last, and some between."""

    def __init__(self) -> None:
        self._next = time.monotonic()

    def step(self, done: int, total: int, note: str) -> None:
        """Tell of a step if it is time to."""
        now = time.monotonic()
        if now >= self._next or done == total:
            self._next = now + _EVERY_S
            say(f"step {done} of {total}: {note}")


def _is_watched() -> bool:
    from rich.console import Console

    return Console(file=sys.stderr).is_terminal
