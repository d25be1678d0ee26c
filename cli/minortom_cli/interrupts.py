"""Ctrl-C and SIGTERM: unwound as exceptions, and never in the middle of an import."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_TERMINATED = 143

_AGAIN_S = 0.05
_IMPORT_SYSTEM = "<frozen importlib._bootstrap>"

_waiting: list[int] = []
"""Signals that came in the middle of an import."""


@contextmanager
def unwinding() -> Iterator[None]:
    """Let both signals unwind the program, so that temporary files go and finished work stays.

    Some libraries catch whatever is raised while they import others, an interrupt too: the
    program would go on as if nobody had stopped it. A signal that comes then waits for the end
    of the import. Where Ctrl-C is ignored, as in a shell's background, it stays so.
    """
    handlers = {signal.SIGALRM: _try_again, signal.SIGTERM: _unwind, signal.SIGINT: _unwind}
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        del handlers[signal.SIGINT]
    former = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in former.items():
            # None: a handler that is not Python's, which cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _unwind(signum: int, frame: FrameType | None) -> None:
    if _is_importing(frame):
        _waiting.append(signum)
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
        return
    raise KeyboardInterrupt if signum == signal.SIGINT else SystemExit(EXIT_TERMINATED)


def _try_again(signum: int, frame: FrameType | None) -> None:
    del signum
    if _waiting:
        _unwind(_waiting.pop(), frame)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT_SYSTEM:
            return True
        frame = frame.f_back
    return False
