"""Progress of a training run: a progress bar on a terminal, log lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from minortom_cli.console import progress, say
from minortom_cli.terminal.progress_bar import is_terminal


class _Speed(Protocol):
    def brief(self) -> str: ...

    def note(self) -> str: ...


OnStep = Callable[[int, int, float, _Speed], None]


@contextmanager
def step_progress(*, is_first: bool) -> Iterator[OnStep]:
    """Show the progress of the steps; yield the callback (done, total, loss, speed).

    Where stderr is not a terminal, as under SLURM, lines show that the run is alive: after the
    first and the last step, and at intervals. Of the processes that train together, only the
    first one shows progress.
    """
    if not is_first:
        yield lambda *_: None
        return
    with progress("steps") as move:
        yield step_callback(move)


def step_callback(move: Callable[..., None]) -> OnStep:
    """Return the callback (done, total, loss, speed) that moves the progress.

    Where stderr is not a terminal, it prints a line for the first step of this process and for the
    last.
    """
    live, begun = is_terminal(), False

    def on_step(done: int, total: int, loss: float, speed: _Speed) -> None:
        nonlocal begun
        note = f"loss {loss:.3f}, {speed.brief() if live else speed.note()}"
        move(done, total, note)
        if not live and (not begun or done == total):
            say(f"step {done} of {total}: {note}")
        begun = True

    return on_step
