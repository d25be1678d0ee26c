"""Ctrl-C and SIGTERM as exceptions, delayed while an import or the start of a worker runs."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

_RETRY_S = 0.05
_UNINTERRUPTIBLE = ("<frozen importlib._bootstrap>", "multiprocessing/popen_spawn_posix.py")
"""Suffixes of file names whose code must finish first: imports, the start of a worker process."""

_pending: list[int] = []
"""Signals that arrived during such code."""


@contextmanager
def unwinding() -> Iterator[None]:
    """Raise an exception on either signal: temporary files are removed, finished work is kept.

    A signal waits while an import runs, since some libraries catch every exception during their
    imports and the program would continue. A signal also waits while a worker process starts,
    since a worker that is interrupted then ends with a traceback. An ignored Ctrl-C, as in a
    background job of a shell, stays ignored.
    """
    handlers = {signal.SIGALRM: _retry, signal.SIGTERM: _raise, signal.SIGINT: _raise}
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        del handlers[signal.SIGINT]
    former = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        if _pending and former[signal.SIGALRM] is not _retry:
            # The command ended before a delayed signal, whose timer would end the process.
            signal.setitimer(signal.ITIMER_REAL, 0)
            _pending.clear()
        for number, handler in former.items():
            # None: a handler outside Python, which cannot be restored.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _raise(signum: int, frame: FrameType | None) -> None:
    if _must_finish(frame):
        _pending.append(signum)
        signal.setitimer(signal.ITIMER_REAL, _RETRY_S)
        return
    raise KeyboardInterrupt if signum == signal.SIGINT else SystemExit(EXIT_TERMINATED)


def _retry(signum: int, frame: FrameType | None) -> None:
    del signum
    if _pending:
        _raise(_pending.pop(), frame)


def _must_finish(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.endswith(_UNINTERRUPTIBLE):
            return True
        frame = frame.f_back
    return False
