"""Executor of daemon threads, for calls that wait for the network."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from types import TracebackType
from typing import Any


class DaemonThreads(Executor):
    """Executor of daemon threads.

    A ``ThreadPoolExecutor`` waits for its running calls when it closes, and Python waits for them
    when it exits, after an interrupt too. That takes minutes if a server does not answer.
    """

    def __init__(self, count: int) -> None:
        """Start ``count`` threads."""
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401  (the signature of Executor)
        """Run the call in a thread."""
        future: Future[Any] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001  (an executor passes every exception on)
                future.set_exception(error)

        self._calls.put(call)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop the threads when all submitted calls are done; ``cancel_futures`` has no effect."""
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
        """Wait for the running calls, except after an exception."""
        self.shutdown(wait=kind is None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
