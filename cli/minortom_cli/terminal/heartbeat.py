"""Lines about the progress of a long command, where no progress bar can be shown."""

import threading
import time
from collections.abc import Callable
from types import TracebackType

from minortom.api.time_spans import time_span

WAITS_S = (10.0, 20.0, 30.0)
"""Seconds before the first line, from it to the second, and between all later lines."""


class Heartbeat:
    """Context manager that writes a line at growing intervals, also while nothing moves."""

    def __init__(self, label: str, write: Callable[[str], None]) -> None:
        """Write lines that begin with a label.

        Args:
            label: Name of the items, such as `tiles`.
            write: Called with each line, in a thread.
        """
        self._label, self._write = label, write
        self._state = ""
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def move(self, done: int, total: int, note: str = "") -> None:
        """Record the progress for the next line."""
        self._state = f" {done:,} of {total:,}" + (f", {note}" if note else "")

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        waits = iter(WAITS_S)
        wait = next(waits)
        while not self._ended.wait(wait):
            seconds = time.monotonic() - self._started
            self._write(f"{self._label}:{self._state or ' started'} ({time_span(seconds)})")
            wait = next(waits, WAITS_S[-1])
