"""Lines about the progress of a long command, where no progress bar can be shown."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat

from minortom.api.time_spans import time_span

WAITS_S = (10.0, 20.0, 30.0)
"""Seconds before the first line, from it to the second, and between all later lines."""


@contextmanager
def heartbeat(label: str, write: Callable[[str], None]) -> Iterator[Callable[..., None]]:
    """Write a line at growing intervals, also while nothing moves.

    Yield the callback (done, total, note="") that records the progress for the next line.

    Args:
        label: Name of the items, such as `tiles`.
        write: Called with each line, in a thread.
    """
    state, started, ended = "started", time.monotonic(), threading.Event()

    def move(done: int, total: int, note: str = "") -> None:
        nonlocal state
        state = f"{done:,} of {total:,}" + (f", {note}" if note else "")

    def beat() -> None:
        for wait in chain(WAITS_S, repeat(WAITS_S[-1])):
            if ended.wait(wait):
                return
            write(f"{label}: {state} ({time_span(time.monotonic() - started)})")

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield move
    finally:
        ended.set()
        thread.join()
