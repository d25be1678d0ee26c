"""SIGTERM and SIGINT during a run: noted at once, obeyed between two steps by all processes."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType

from csmoe_model.distributed.collectives import max_over_processes, num_processes

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_Handler = Callable[[int, FrameType | None], object] | int | None

_ECHO_S = 10.0
"""For so long a second signal may be an echo: the scheduler's to each process, torchrun's to
those that it has started."""


class StopRequest:
    """Context that keeps signals until there is a good moment for them.

    The second signal of a kind is passed on at once, for whoever cannot wait. A signal that is
    ignored, as Ctrl-C in a shell's background, stays so. Outside the main thread, where Python
    does not deliver signals, it does nothing.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        """The signal that came, if any."""
        self._came = 0.0
        self._former: dict[int, _Handler] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            heard = [n for n in _SIGNALS if signal.getsignal(n) != signal.SIG_IGN]
            self._former = {number: signal.signal(number, self._note) for number in heard}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._former.items():
            # None: a handler that is not Python's, which cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._former.clear()

    def agreed(self) -> bool:
        """Tell whether a signal came to any process; all must ask at the same place."""
        anywhere = max_over_processes(self.signal or 0)
        if not anywhere:  # one that came to this process meanwhile is told the next time
            return False
        if self.signal is None:
            self._came = time.monotonic()
        self.signal = anywhere
        return True

    def obey(self) -> None:
        """Deliver the signal that came to whoever handled such signals before.

        Call it after the context.

        Raises:
            KeyboardInterrupt: If the signal is SIGINT, and its handler lets the program go on: a
                run that was stopped must not end as a finished one.
            SystemExit: The same, for SIGTERM.
        """
        if self.signal is not None:
            signal.raise_signal(self.signal)
            stopped = self.signal == signal.SIGINT
            raise KeyboardInterrupt if stopped else SystemExit(128 + self.signal)

    def _note(self, number: int, frame: FrameType | None) -> None:
        former, now = self._former.get(number), time.monotonic()
        echo = num_processes() > 1 and now - self._came < _ECHO_S
        if self.signal is not None and not echo and callable(former):
            former(number, frame)
        if self.signal is None:
            self._came = now
        self.signal = number
