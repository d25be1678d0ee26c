"""Handling of SIGTERM and SIGINT: all processes stop after the same step."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType

from csmoe_model.distributed.collectives import max_over_processes, num_processes

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_Handler = Callable[[int, FrameType | None], object] | int | None

_ECHO_S = 10.0
"""Seconds in which a second signal may be a copy of the first: a scheduler signals each process,
and torchrun passes its own signal on to the processes that it started."""


class StopRequest:
    """Context manager that records signals, so that a run can stop between two steps.

    A second signal goes to the previous handler at once, so that a user does not have to wait.
    Ignored signals, such as Ctrl-C for a background job of a shell, stay ignored. Outside the
    main thread, where Python does not deliver signals, the context does nothing.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        """Number of the signal that came; None before."""
        self._received_s = 0.0
        self._former: dict[int, _Handler] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            heard = [n for n in _SIGNALS if signal.getsignal(n) != signal.SIG_IGN]
            self._former = {number: signal.signal(number, self._record) for number in heard}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._former.items():
            # None: the handler was not set from Python and cannot be restored.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._former.clear()

    def agreed(self) -> bool:
        """Return whether any process got a signal; all processes must call this together."""
        anywhere = max_over_processes(self.signal or 0)
        if not anywhere:  # a signal that arrives during the call counts in the next call
            return False
        if self.signal is None:
            self._received_s = time.monotonic()
        self.signal = anywhere
        return True

    def deliver(self) -> None:
        """Deliver the recorded signal to its previous handler. Call it after the context.

        Raises:
            KeyboardInterrupt: If the signal is SIGINT and its handler returns. A run that was
                stopped must not end like a finished one.
            SystemExit: The same for SIGTERM.
        """
        if self.signal is not None:
            signal.raise_signal(self.signal)
            stopped = self.signal == signal.SIGINT
            raise KeyboardInterrupt if stopped else SystemExit(128 + self.signal)

    def _record(self, number: int, frame: FrameType | None) -> None:
        former, now = self._former.get(number), time.monotonic()
        echo = num_processes() > 1 and now - self._received_s < _ECHO_S
        if self.signal is not None and not echo and callable(former):
            former(number, frame)
        if self.signal is None:
            self._received_s = now
        self.signal = number
