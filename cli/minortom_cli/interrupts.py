"""Ctrl-C and SIGTERM: unwound as exceptions, but not in the middle of whatever cannot take that."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_TERMINATED = 143

_AGAIN_S = 0.05
_NOT_WITHIN = ("<frozen importlib._bootstrap>", "multiprocessing/popen_spawn_posix.py")
"""Ends of the names of files: of imports, and of the start of a worker process."""

_waiting: list[int] = []
"""Signals that came in the middle of one of those."""


@contextmanager
def unwinding() -> Iterator[None]:
    """Let both signals unwind the program, so that temporary files go and finished work stays.

    Some libraries catch whatever is raised while they import others, an interrupt too: the
    program would go on as if nobody had stopped it. A worker that is half started would be told
    half of what it needs, and end with a traceback. A signal that comes then waits. Where Ctrl-C
    is ignored, as in a shell's background, it stays so.
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
    if _must_wait(frame):
        _waiting.append(signum)
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
        return
    raise KeyboardInterrupt if signum == signal.SIGINT else SystemExit(EXIT_TERMINATED)


def _try_again(signum: int, frame: FrameType | None) -> None:
    del signum
    if _waiting:
        _unwind(_waiting.pop(), frame)


def _must_wait(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.endswith(_NOT_WITHIN):
            return True
        frame = frame.f_back
    return False
