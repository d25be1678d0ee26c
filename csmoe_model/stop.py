"""SIGTERM and SIGINT during a run: noted at once, obeyed between two steps."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_Handler = Callable[[int, FrameType | None], object] | int | None


class StopRequest:
    """Context that keeps signals until there is a good moment for them.

    The second signal of a kind is passed on at once, for whoever cannot wait. Outside the
    main thread, where Python does not deliver signals, it does nothing.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        """The signal that came, if any."""
        self._former: dict[int, _Handler] = {}

    def __enter__(self) -> "StopRequest":
        self.install()
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

    def install(self) -> None:
        """Take the signals over; again, where another library has taken them in between."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in _SIGNALS:
            former = signal.signal(number, self._note)
            self._former.setdefault(number, former)

    def obey(self) -> None:
        """Deliver the signal that came to whoever handled such signals before.

        Call it after the context.
        """
        if self.signal is not None:
            signal.raise_signal(self.signal)

    def _note(self, number: int, frame: FrameType | None) -> None:
        former = self._former.get(number)
        if self.signal is not None and callable(former):
            former(number, frame)
        self.signal = number
