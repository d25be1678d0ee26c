"""Threads that wait for the network, and hold up no exit."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from types import TracebackType
from typing import Any


class NetworkThreads(Executor):
    """An executor of daemon threads.

    A ``ThreadPoolExecutor`` waits at its end for the calls that run, after an interrupt too, and
    so does Python when it exits: for minutes, where a server does not answer.
    """

    def __init__(self, count: int) -> None:
        """Start so many threads."""
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401  (the signature of Executor)
        """Have a thread run the call."""
        future: Future[Any] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001  (an executor hands on whatever was raised)
                future.set_exception(error)

        self._calls.put(call)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end when they have nothing to do; calls are cancelled by their owner."""
        del cancel_futures
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for the calls, unless something went wrong."""
        self.shutdown(wait=kind is None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
