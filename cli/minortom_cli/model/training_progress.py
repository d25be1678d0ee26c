"""Progress of a training run: a progress bar on a terminal, log lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from minortom_cli.console import progress, say

_EVERY_S = 30.0
"""Seconds between two log lines."""


class _Speed(Protocol):
    def brief(self) -> str: ...

    def note(self) -> str: ...


OnStep = Callable[[int, int, float, _Speed], None]


@contextmanager
def step_progress(*, is_first: bool) -> Iterator[OnStep]:
    """Show the progress of the steps; yield the callback (done, total, loss, speed).

    Where stderr is not a terminal, as under SLURM, log lines show that the run is alive: after
    the first and the last step, and every 30 seconds. Of the processes that train together, only
    the first one shows progress.
    """
    if not is_first:
        yield lambda *_: None
        return
    with progress("steps") as move:
        yield step_callback(move)


def step_callback(move: Callable[..., None]) -> OnStep:
    """Return the callback (done, total, loss, speed) that moves a progress bar or prints lines."""
    log_lines = None if _is_terminal() else _LogLines()

    def on_step(done: int, total: int, loss: float, speed: _Speed) -> None:
        if log_lines is not None:
            log_lines.step(done, total, f"loss {loss:.3f}, {speed.note()}")
        else:
            move(done, total, f"loss {loss:.3f}, {speed.brief()}")

    return on_step


class _LogLines:
    """Lines on stderr after the first step of this process, the last, and some in between."""

    def __init__(self) -> None:
        self._next = time.monotonic()

    def step(self, done: int, total: int, note: str) -> None:
        """Print a line if enough time has passed since the previous one."""
        now = time.monotonic()
        if now >= self._next or done == total:
            self._next = now + _EVERY_S
            say(f"step {done} of {total}: {note}")


def _is_terminal() -> bool:
    from rich.console import Console

    return Console(file=sys.stderr).is_terminal
